"""What may be listened on, and what the TLS door needs to be told."""

import pytest

from grapevine.model.errors import PermanentInputError
from grapevine.model.identity import ObjectName
from grapevine.settings import ElectionSettings, TlsSettings, operator_settings

SECRET = {"GRAPEVINE_TLS_SECRET": "grapevine-system/grapevine-serving"}


def test_plain_http_is_on_loopback_and_tls_is_off_by_default() -> None:
    settings = operator_settings({})
    assert (settings.listen_host, settings.listen_port, settings.tls) == ("127.0.0.1", 8080, None)


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "localhost:1"])
def test_loopback_may_be_plain(listen: str) -> None:
    assert operator_settings({}, listen=listen).listen_port == 1


@pytest.mark.parametrize("listen", [":8080", "0.0.0.0:8080", "[::]:8080", "10.0.0.1:8080", "operator:8080"])
def test_any_other_address_must_be_asked_for(listen: str) -> None:
    with pytest.raises(
        PermanentInputError, match=r"plain HTTP is for loopback alone.*--tls-listen.*--allow-plain-http"
    ):
        operator_settings({}, listen=listen)

    assert operator_settings({}, listen=listen, allow_plain_http=True).allow_plain_http
    assert operator_settings({"GRAPEVINE_ALLOW_PLAIN_HTTP": "1"}, listen=listen).allow_plain_http


def test_a_secret_is_all_that_tls_needs() -> None:
    assert operator_settings(SECRET).tls == TlsSettings(
        secret=ObjectName("grapevine-system", "grapevine-serving"),
        host="0.0.0.0",
        port=8443,
        ca_configmaps=(ObjectName("grapevine-capture", "grapevine-ca"),),
        names=(
            "grapevine-operator.grapevine-system.svc",
            "grapevine-operator.grapevine-system.svc.cluster.local",
            "grapevine-operator.grapevine-system",
            "grapevine-operator",
        ),
        lifetime_s=90 * 86_400,
        accounts=(ObjectName("grapevine-capture", "grapevine-capture"),),
    )


def test_everything_of_tls_can_be_told() -> None:
    environ = {
        "GRAPEVINE_TLS_SECRET": "a/b",
        "GRAPEVINE_TLS_LISTEN": "10.0.0.1:1",
        "GRAPEVINE_API_TLS_LISTEN": "[::]:2",
        "GRAPEVINE_CA_CONFIGMAP": "c/d, k/l",
        "GRAPEVINE_CAPTURE_SERVICE_ACCOUNTS": "e/f, g/h",
        "GRAPEVINE_TLS_NAMES": "i.svc, j",
        "GRAPEVINE_TLS_LIFETIME_S": "3600",
    }
    expected = TlsSettings(
        secret=ObjectName("a", "b"),
        host="10.0.0.1",
        port=1,
        ca_configmaps=(ObjectName("c", "d"), ObjectName("k", "l")),
        names=("i.svc", "j"),
        lifetime_s=3_600,
        accounts=(ObjectName("e", "f"), ObjectName("g", "h")),
        api=("::", 2),
    )
    assert operator_settings(environ).tls == expected
    assert operator_settings(environ, tls_listen=":2").tls != expected, "a flag wins"


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"GRAPEVINE_TLS_LISTEN": ":8443"}, "--tls-listen needs a Secret"),
        ({"GRAPEVINE_API_TLS_LISTEN": ":8444"}, "--api-tls-listen needs a Secret for its key: GRAPEVINE_TLS_SECRET="),
        (SECRET | {"GRAPEVINE_API_TLS_LISTEN": "8444"}, "--api-tls-listen: '8444' is no address: give HOST:PORT"),
        ({"GRAPEVINE_API": "0.0.0.0:8082"}, "for loopback alone: .*; --api-tls-listen is for other addresses"),
        ({"GRAPEVINE_TLS_SECRET": "grapevine-serving"}, "GRAPEVINE_TLS_SECRET: 'grapevine-serving' names no object"),
        (SECRET | {"GRAPEVINE_CA_CONFIGMAP": "a/b/c"}, "GRAPEVINE_CA_CONFIGMAP: 'a/b/c' names no object"),
        (SECRET | {"GRAPEVINE_CAPTURE_SERVICE_ACCOUNTS": "*/x"}, "SERVICE_ACCOUNTS: .* give NAMESPACE/NAME"),
        (SECRET | {"GRAPEVINE_TLS_NAMES": "*.svc"}, "GRAPEVINE_TLS_NAMES"),
        (SECRET | {"GRAPEVINE_TLS_LIFETIME_S": "3"}, "give 15 seconds to 10 years"),
        (SECRET | {"GRAPEVINE_TLS_LIFETIME_S": "soon"}, "is no whole number"),
    ],
)
def test_says_what_is_wrong_and_what_to_give(environ: dict[str, str], text: str) -> None:
    with pytest.raises(PermanentInputError, match=text):
        operator_settings(environ)


def test_dns_servers_outside_the_cluster_are_addresses_and_networks() -> None:
    environ = {"GRAPEVINE_DNS_SERVERS": "192.0.2.53, 2001:db8::/64"}

    assert operator_settings(environ).resolver.dns_servers == ("192.0.2.53", "2001:db8::/64")
    assert operator_settings(environ, dns_servers="192.0.2.0/24").resolver.dns_servers == ("192.0.2.0/24",)


@pytest.mark.parametrize("wrong", ["dns.example.com", "192.0.2.1/24", "192.0.2.53;192.0.2.54"])
def test_what_is_no_network_is_refused(wrong: str) -> None:
    with pytest.raises(PermanentInputError, match=r"DNS servers: .*give addresses or networks, like"):
        operator_settings({"GRAPEVINE_DNS_SERVERS": wrong})


def test_what_may_be_written_is_one_of_three_policies() -> None:
    settings = operator_settings({"GRAPEVINE_WRITE_POLICY": "sync", "GRAPEVINE_RECREATE_AFTER_S": "5"}).reconcile

    assert (operator_settings({}).reconcile.policy, settings.policy) == ("upsert-only", "sync")
    assert settings.recreate_after_ms == 5_000
    with pytest.raises(PermanentInputError, match="give observe, upsert-only, sync"):
        operator_settings({"GRAPEVINE_WRITE_POLICY": "all"})


POD = {"GRAPEVINE_NAMESPACE": "grapevine-system", "GRAPEVINE_POD_NAME": "operator-a", "GRAPEVINE_POD_UID": "u"}
LEASE = ObjectName("grapevine-system", "grapevine-operator")


def test_leader_election_is_on_where_the_pod_is_named_and_off_elsewhere() -> None:
    assert operator_settings({}).election is None
    assert operator_settings(POD).election == ElectionSettings(LEASE, "operator-a", "u")
    assert operator_settings(POD, leader_elect="off").election is None
    assert operator_settings(POD | {"GRAPEVINE_LEADER_ELECT": "off"}).election is None
    assert operator_settings(POD | {"GRAPEVINE_LEADER_ELECT": "off"}, leader_elect="on").election is not None


@pytest.mark.parametrize(
    ("ip", "environ", "address"),
    [
        ("10.244.0.7", SECRET, "10.244.0.7:8443"),
        ("fd00::7", SECRET | {"GRAPEVINE_TLS_LISTEN": "[::]:9443"}, "[fd00::7]:9443"),
        ("10.244.0.7", {}, ""),
        ("", SECRET, ""),
    ],
)
def test_a_leader_is_found_at_its_pods_tls_listener(ip: str, environ: dict[str, str], address: str) -> None:
    election = operator_settings(POD | environ | {"GRAPEVINE_POD_IP": ip}).election
    assert election is not None
    assert address == election.address


@pytest.mark.parametrize(
    ("environ", "asked", "text"),
    [
        ({}, "on", "GRAPEVINE_POD_NAME is not set"),
        ({"GRAPEVINE_POD_NAME": "a"}, None, "GRAPEVINE_NAMESPACE is not set"),
        ({"GRAPEVINE_LEADER_ELECT": "yes"}, None, "--leader-elect yes: give on or off"),
    ],
)
def test_an_election_needs_to_know_who_takes_part(environ: dict[str, str], asked: str | None, text: str) -> None:
    with pytest.raises(PermanentInputError, match=text):
        operator_settings(environ, leader_elect=asked)


def test_kinds_of_owners_are_named_by_group_version_and_kind() -> None:
    kinds = operator_settings({"GRAPEVINE_OWNER_KINDS": "argoproj.io/v1alpha1/Rollout, core/v1/replicationcontrollers"})

    assert [(k.group, k.version, k.name) for k in kinds.resolver.owner_kinds] == [
        ("argoproj.io", "v1alpha1", "Rollout"),
        ("", "v1", "replicationcontrollers"),
    ]
    assert [str(k) for k in kinds.resolver.owner_kinds] == [
        "argoproj.io/v1alpha1/Rollout",
        "core/v1/replicationcontrollers",
    ]


@pytest.mark.parametrize("text", ["Rollout", "argoproj.io/Rollout", "argoproj.io/v1/Roll out", "a/b/c/d"])
def test_what_names_no_kind_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(PermanentInputError, match=r"GROUP/VERSION/KIND, like argoproj.io/v1alpha1/Rollout"):
        operator_settings({}, owner_kinds=text)


def test_the_settle_time_and_the_naming_of_jobs_are_settings() -> None:
    given = operator_settings({"GRAPEVINE_SETTLE_MS": "500", "GRAPEVINE_NAME_JOBS_BY_IMAGE": "1"}).resolver
    usual = operator_settings({}).resolver

    assert (given.settle_ms, given.name_jobs_by_image) == (500, True)
    assert (usual.settle_ms, usual.name_jobs_by_image) == (2_000, False)
