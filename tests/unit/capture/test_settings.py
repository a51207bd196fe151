import argparse

import pytest

from grapevine.capture.http1 import Server
from grapevine.capture.settings import load_settings
from grapevine.capture.sources.dnstap import ListenAddress
from grapevine.cli import capture
from grapevine.model.errors import PermanentInputError
from grapevine.wire.schema import DnsPod


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    capture.add_parser(parser.add_subparsers())
    return parser.parse_args(["capture", *words])


def test_needs_no_setting() -> None:
    settings = load_settings(parse(), {})
    assert (settings.source, settings.operator) == ("packet", Server("127.0.0.1", 8080, ""))
    assert (settings.node, settings.window_ms, settings.drain_timeout_s) == ("", 1_000, 5.0)


def test_a_file_is_waited_for_longer() -> None:
    settings = load_settings(parse("--source", "pcap", "--file", "x.pcap"), {})
    assert (settings.file, settings.drain_timeout_s) == ("x.pcap", 120.0)


def test_the_certificate_is_for_the_urls_host_or_else_the_service() -> None:
    env = {"GRAPEVINE_CA_FILE": "ca.crt", "GRAPEVINE_TOKEN_FILE": "token"}
    assert load_settings(parse("--operator", "https://operator.example.com"), env).server_name == "operator.example.com"
    assert load_settings(parse(), env).server_name == "grapevine-operator.grapevine-system.svc"
    assert load_settings(parse("--server-name", "other"), env).server_name == "other"


def test_flags_outdo_the_environment() -> None:
    env = {"GRAPEVINE_OPERATOR_URL": "http://127.0.0.2:1", "GRAPEVINE_NODE_NAME": "env-node"}
    assert load_settings(parse(), env).operator.host == "127.0.0.2"
    assert load_settings(parse(), env).node == "env-node"
    settings = load_settings(parse("--operator", "http://127.0.0.3:1", "--node", "flag-node"), env)
    assert (settings.operator.host, settings.node) == ("127.0.0.3", "flag-node")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://127.8.8.8", "http://[::1]:8080", "http://localhost"])
def test_loopback_may_be_plain(url: str) -> None:
    assert load_settings(parse("--operator", url), {}).operator.url.startswith("http://")


@pytest.mark.parametrize(
    "url", ["http://operator.example.com", "http://192.0.2.1:8080", "http://[2001:db8::1]:80/base", "http://0.0.0.0:1"]
)
def test_plain_http_to_another_host_must_be_asked_for(url: str) -> None:
    for words, env in ((["--operator", url], {}), ([], {"GRAPEVINE_OPERATOR_URL": url})):
        with pytest.raises(PermanentInputError, match=r"plain HTTP is for loopback alone.*--allow-plain-http"):
            load_settings(parse(*words), env)
        assert not load_settings(parse(*words, "--allow-plain-http"), env).operator.is_https
        assert not load_settings(parse(*words), {**env, "GRAPEVINE_ALLOW_PLAIN_HTTP": "true"}).operator.is_https


def test_dnstap_is_listened_for_on_loopback_unless_told_otherwise() -> None:
    env = {"GRAPEVINE_DNSTAP_LISTEN": "tcp://[::]:6001"}
    assert load_settings(parse("--source", "dnstap"), {}).listen == ListenAddress("127.0.0.1", 6000, "")
    assert load_settings(parse("--source", "dnstap"), env).listen == ListenAddress("::", 6001, "")
    assert load_settings(parse("--source", "dnstap", "--listen", "unix:///x"), env).listen == ListenAddress("", 0, "/x")
    assert load_settings(parse(), env).listen is None


def test_a_log_is_that_of_the_pods_the_operator_names_or_a_file() -> None:
    in_a_pod = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    followed = load_settings(parse("--source", "log"), in_a_pod).log
    assert followed is not None
    assert (followed.server, followed.pods) == (Server("10.96.0.1", 443, "", is_https=True), ())
    settings = load_settings(parse("--source", "log", "--file", "-"), in_a_pod)
    assert settings.log is not None
    assert (settings.log.file, settings.log.server, settings.drain_timeout_s) == ("-", None, 120.0)
    assert load_settings(parse(), in_a_pod).log is None


def test_a_log_can_have_a_format_pods_and_a_container_of_ones_own() -> None:
    env = {"GRAPEVINE_LINE_FORMAT": "{remote} {rcode} {name} {type}", "GRAPEVINE_DNS_PODS": "dns/a,dns/b"}
    env["GRAPEVINE_DNS_CONTAINER"] = "dns"
    log = load_settings(parse("--source", "log", "--api-server", "http://127.0.0.1:8001"), env).log
    assert log is not None
    assert (log.formats[0], log.container) == ("{remote} {rcode} {name} {type}", "dns")
    assert log.pods == (DnsPod("dns", "a", ""), DnsPod("dns", "b", ""))
    assert log.server == Server("127.0.0.1", 8001, "")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--source", "log"], "this is no pod; give --api-server URL, or a log as --file PATH"),
        (["--source", "log", "--file", "-", "--line-format", "{name}"], r"with \{remote\}, \{name\}"),
        (["--source", "log", "--file", "-", "--pods", "coredns"], "give NAMESPACE/NAME"),
        (["--source", "log", "--file", "-", "--pods", ",".join(["a/b"] * 51)], "51 pods; each is a stream"),
        (["--source", "log", "--file", "-", "--container", "DNS"], "--container: 'DNS' is no name"),
        (["--source", "pcap"], "--source pcap needs --file"),
        (["--file", "x.pcap"], "--file x.pcap goes with --source pcap"),
        (["--source", "dnstap", "--file", "x.pcap"], "--file x.pcap goes with --source pcap"),
        (["--listen", "tcp://127.0.0.1:6000"], "goes with --source dnstap"),
        (["--source", "dnstap", "--listen", "tcp://coredns.example.com:6000"], "give tcp://ADDRESS:PORT"),
        (["--operator", "https://operator.example.com"], "https needs both --ca-file"),
        (["--ca-file", "ca.crt"], "and --token-file"),
        (["--operator", "https://o", "--token-file", "token"], "https needs both --ca-file"),
        (["--window-ms", "0"], "--window-ms 0: give a number from 100 to 60000"),
        (["--drain-timeout", "nan"], "--drain-timeout nan"),
        (["--spool-bytes", "1"], "--spool-bytes 1: give"),
        (["--node", "n" * 254], "at most 253 ASCII"),
    ],
)
def test_says_what_is_wrong_and_what_to_give(words: list[str], text: str) -> None:
    with pytest.raises(PermanentInputError, match=text):
        load_settings(parse(*words), {})
