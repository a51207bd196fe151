"""The way to the operator: over TLS, with a token, to the leader; against real servers on loopback."""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.support.packets import a_batch
from tests.support.tls import NAME, FakeOperator, a_pair, run_operator, server_context

from grapevine.capture.operator_link import OperatorLink
from grapevine.capture.settings import CaptureSettings, load_settings
from grapevine.cli import capture
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.serving.rotation import ServingPair
from grapevine.wire.codec import encode_batch
from grapevine.wire.schema import Reply

BODY = encode_batch(a_batch(1))
PAIR = a_pair()


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where kubelet puts CA and token."""
    (tmp_path / "ca.crt").write_text(PAIR.authority.pem)
    (tmp_path / "token").write_text("t0ken\n")
    return tmp_path


def start(servers: ExitStack, pair: ServingPair | None = PAIR, reply: tuple[int, Reply] | None = None) -> FakeOperator:
    operator = FakeOperator(reply or (202, Reply("one", 0)))
    return servers.enter_context(run_operator(operator, server_context(pair) if pair else None))


def settings(operator: FakeOperator, directory: Path | None, scheme: str = "https") -> CaptureSettings:
    """Return what a person would configure to send to the operator."""
    parser = argparse.ArgumentParser()
    capture.add_parser(parser.add_subparsers())
    url = f"{scheme}://127.0.0.1:{operator.port}"
    args = parser.parse_args(["capture", f"--operator={url}", f"--server-name={NAME}"])
    files = {"GRAPEVINE_CA_FILE": f"{directory}/ca.crt", "GRAPEVINE_TOKEN_FILE": f"{directory}/token"}
    return load_settings(args, files if directory else {})


def test_sends_over_tls_with_the_token_of_the_moment(servers: ExitStack, directory: Path) -> None:
    operator = start(servers)
    with closing(OperatorLink(settings(operator, directory))) as link:
        assert link.post(BODY).status == 202
        (directory / "token").write_text("renewed")
        assert link.post(BODY).status == 202

    assert operator.tokens == ["Bearer t0ken", "Bearer renewed"]
    assert operator.connections == 1


def test_plain_http_gets_no_token_and_no_tls(servers: ExitStack, directory: Path) -> None:
    operator = start(servers, None)
    with closing(OperatorLink(settings(operator, directory, "http"))) as link:
        assert link.post(BODY).status == 202

    assert operator.tokens == [""]


def test_trusts_another_authority_once_its_file_says_so(servers: ExitStack, directory: Path) -> None:
    rotated = a_pair()
    operator = start(servers, rotated)
    with closing(OperatorLink(settings(operator, directory))) as link:
        with pytest.raises(RetryableError, match=r"certificate is not trusted: .*ca\.crt \(--ca-file\)"):
            link.post(BODY)
        (directory / "ca.crt").write_text(PAIR.authority.pem + rotated.authority.pem)
        assert link.post(BODY).status == 202


@pytest.mark.parametrize(
    ("pair", "text"),
    [
        (a_pair("somebody.else.svc"), "not trusted: "),
        (a_pair(now_s=1_000), "certificate has expired"),
    ],
)
def test_never_speaks_to_anybody_else(servers: ExitStack, directory: Path, pair: ServingPair, text: str) -> None:
    operator = start(servers, pair)
    (directory / "ca.crt").write_text(pair.authority.pem)
    with closing(OperatorLink(settings(operator, directory))) as link:
        with pytest.raises(RetryableError, match=text) as failed:
            link.post(BODY)
        assert f"must be for {NAME} (--server-name)" in str(failed.value)

    assert operator.batches == []


@pytest.mark.parametrize(
    ("file", "content", "text"),
    [
        ("ca.crt", None, r"--ca-file .*ca\.crt: No such file or directory; is ConfigMap grapevine-ca mounted\?"),
        ("ca.crt", b"", "holds no PEM certificate"),
        ("token", None, "--token-file .*token: No such file or directory; is the projected .* mounted"),
        ("token", b"\n", "holds no token; give one for audience grapevine"),
        ("token", b"two words", "holds no token"),
        ("token", b"x" * 10_000, "over 8192 bytes"),
        ("token", b"\xff", "not ASCII"),
    ],
)
def test_a_file_it_cannot_use_is_named_at_the_start_and_later(
    servers: ExitStack, directory: Path, file: str, content: bytes | None, text: str
) -> None:
    operator = start(servers)
    with closing(OperatorLink(settings(operator, directory))) as link:
        if content is None:
            (directory / file).unlink()
        else:
            (directory / file).write_bytes(content)
        with pytest.raises(PermanentInputError, match=text):
            OperatorLink(settings(operator, directory))
        with pytest.raises(RetryableError, match=text):
            link.post(BODY)


def test_a_ca_file_of_broken_certificates_is_named(servers: ExitStack, directory: Path) -> None:
    (directory / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with (
        closing(OperatorLink(settings(start(servers), directory))) as link,
        pytest.raises(RetryableError, match=r"ca\.crt: no certificates"),
    ):
        link.post(BODY)


@pytest.mark.parametrize("is_sidecar", [False, True])
def test_goes_to_the_leader_a_follower_names_and_stays_there(
    servers: ExitStack, directory: Path, is_sidecar: bool
) -> None:
    leader = start(servers)
    follower = start(servers, None if is_sidecar else PAIR, (421, Reply("two", 0, "", f"127.0.0.1:{leader.port}")))
    with closing(OperatorLink(settings(follower, directory, "http" if is_sidecar else "https"))) as link:
        assert [link.post(BODY).status for _ in range(3)] == [202, 202, 202]

    assert (len(follower.batches), len(leader.batches)) == (1, 3)
    assert leader.tokens == ["Bearer t0ken"] * 3


def test_a_leader_that_steps_down_sends_it_round_once(servers: ExitStack, directory: Path) -> None:
    third = start(servers)
    second = start(servers)
    first = start(servers, PAIR, (421, Reply("one", 0, "", f"127.0.0.1:{second.port}")))
    with closing(OperatorLink(settings(first, directory))) as link:
        assert link.post(BODY).status == 202
        second.reply = (421, Reply("two", 0, "", f"127.0.0.1:{first.port}"))
        first.reply = (421, Reply("one", 0, "", f"127.0.0.1:{third.port}"))
        assert link.post(BODY).status == 202
        first.reply = third.reply = (421, Reply("three", 0))
        assert link.post(BODY).status == 421, "nobody leads now: to be tried again later"

    assert (len(first.batches), len(second.batches), len(third.batches)) == (3, 2, 2)


def test_a_leader_that_is_gone_sends_it_back_to_the_service(servers: ExitStack, directory: Path) -> None:
    with ExitStack() as short:
        leader = start(short)
        follower = start(servers, PAIR, (421, Reply("two", 0, "", f"127.0.0.1:{leader.port}")))
        link = OperatorLink(settings(follower, directory))
        assert link.post(BODY).status == 202
    with closing(link):
        link._connection.close()  # as the end of the leader's process does
        with pytest.raises(RetryableError, match=f"operator at 127.0.0.1:{leader.port}: "):
            link.post(BODY)
        follower.reply = (202, Reply("two", 0))
        assert link.post(BODY).status == 202


def test_a_leader_that_cannot_be_reached_is_no_failure_of_the_replica_that_named_it(
    servers: ExitStack, directory: Path
) -> None:
    with ExitStack() as short:
        gone = start(short).port
    follower = start(servers, PAIR, (421, Reply("two", 0, "", f"127.0.0.1:{gone}")))
    with closing(OperatorLink(settings(follower, directory))) as link:
        answer = link.post(BODY)
        follower.reply = (202, Reply("two", 0))
        assert link.post(BODY).status == 202

    assert answer.status == 421
    assert f"operator at 127.0.0.1:{gone}: " in answer.unreached


def test_a_sidecar_needs_its_files_once_there_is_a_leader_elsewhere(servers: ExitStack, directory: Path) -> None:
    leader = start(servers)
    beside = start(servers, None)
    pem = (directory / "ca.crt").read_text()
    (directory / "ca.crt").unlink()
    with closing(OperatorLink(settings(beside, directory, "http"))) as link:
        assert link.post(BODY).status == 202
        beside.reply = (421, Reply("two", 0, "", f"127.0.0.1:{leader.port}"))
        assert "ca.crt: No such file" in link.post(BODY).unreached
        (directory / "ca.crt").write_text(pem)
        assert link.post(BODY).status == 202


@pytest.mark.parametrize("leader", ["", "evil.example.com:8443", "127.0.0.1"])
def test_goes_nowhere_it_cannot_trust(servers: ExitStack, directory: Path, leader: str) -> None:
    follower = start(servers, PAIR, (421, Reply("two", 0, "", leader)))
    with closing(OperatorLink(settings(follower, directory))) as link:
        assert link.post(BODY).status == 421


def test_without_a_ca_it_follows_nobody(servers: ExitStack) -> None:
    follower = start(servers, None, (421, Reply("two", 0, "", "127.0.0.1:1")))
    with closing(OperatorLink(settings(follower, None, "http"))) as link:
        assert link.post(BODY).status == 421


@pytest.mark.parametrize(("scheme", "loads"), [("http", False), ("https", True)])
def test_loads_ssl_for_https_alone(directory: Path, scheme: str, loads: bool) -> None:
    program = """
import os, sys
from grapevine.capture.operator_link import OperatorLink
from grapevine.capture.settings import load_settings
from grapevine.cli import main, capture
OperatorLink(load_settings(main._parser("capture", capture).parse_args(["capture"]), os.environ))
print("ssl" in sys.modules)
"""
    env = {
        "PYTHONPATH": str(Path(__file__).parents[3] / "operator"),
        "GRAPEVINE_OPERATOR_URL": f"{scheme}://127.0.0.1:1",
        "GRAPEVINE_CA_FILE": str(directory / "ca.crt"),
        "GRAPEVINE_TOKEN_FILE": str(directory / "token"),
    }
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(loads)
