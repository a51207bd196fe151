"""Capture and operator over TLS: two processes, tokens and RBAC of a real API server, nothing but deploy/'s rights."""

import base64
import http.client
import json
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.api import Api
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.expired import expired
from tests.support.granted import INTENTS, freshly_installed, granting_plane
from tests.support.kubelet import CAPTURE, Kubelet, bind_pod, request_token
from tests.support.objects import SHOP
from tests.support.packets import a_batch
from tests.support.processes import GRAPEVINE, Operator, TlsOperator, start_capture
from tests.support.truth import intents_of, shop_truth

from grapevine.serving.certificates import material_of
from grapevine.serving.rotation import Material
from grapevine.wire.codec import decode_reply, encode_batch
from grapevine.wire.schema import CONTENT_TYPE, PATH, Reply

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PCAP = SHOP / "capture.pcap"


@pytest.fixture(scope="module")
def plane(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with the shop and what the manifests grant; shared by this module."""
    with granting_plane(tmp_path_factory.mktemp("transport"), control_plane_binaries) as plane:
        yield plane


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[Api]:
    """The API server as freshly installed."""
    with freshly_installed(plane) as connection:
        yield connection


@pytest.fixture
def operator(plane: ControlPlane, api: Api, tmp_path: Path) -> Iterator[TlsOperator]:
    """A running operator."""
    with TlsOperator(plane, tmp_path / "operator.log") as process:
        yield process


@pytest.fixture
def kubelet(plane: ControlPlane, operator: TlsOperator, tmp_path: Path) -> Iterator[Kubelet]:
    """Capture's files, kept up to date."""
    with Kubelet(plane, tmp_path / "run") as kubelet:
        yield kubelet


def held(api: Api) -> Material:
    data = api.get("v1", "Secret", "grapevine-system", "grapevine-serving").get("data", {})
    return material_of({key: base64.b64decode(value) for key, value in data.items()})


def published(api: Api) -> str:
    data: dict[str, str] = api.get("v1", "ConfigMap", CAPTURE, "grapevine-ca")["data"]
    return data["ca.crt"]


def post(api: Api, operator: TlsOperator, token: str, seq: int = 1) -> tuple[int, Reply]:
    context = ssl.create_default_context(cadata=published(api))
    connection = http.client.HTTPSConnection("localhost", operator.tls_port, timeout=10, context=context)
    headers = {"Content-Type": CONTENT_TYPE, "Authorization": f"Bearer {token}"}
    try:
        connection.request("POST", PATH, encode_batch(a_batch(seq)), headers)
        answer = connection.getresponse()
        return answer.status, decode_reply(answer.read())
    finally:
        connection.close()


def test_maps_the_shop_with_no_right_but_those_of_the_manifests(
    api: Api, operator: TlsOperator, kubelet: Kubelet
) -> None:
    capture = start_capture(PCAP, operator.url, *kubelet.flags)
    output, _ = capture.communicate(timeout=120)

    assert capture.returncode == 0, output
    assert shop_truth() == intents_of(api.list(INTENTS, "ClientIntents"))
    assert 0 == operator.stop()
    assert "orbidden" not in operator.log_text()
    assert " 403" not in operator.log_text()
    secret = api.get("v1", "Secret", "grapevine-system", "grapevine-serving")
    assert {"tls.crt", "tls.key", "ca.crt"} == set(secret["data"])
    assert "PRIVATE" not in operator.log_text() + published(api)
    operator.start()


def a_good_token(api: Api) -> str:
    return request_token(api, CAPTURE, CAPTURE, "grapevine", bind_pod(api, CAPTURE, CAPTURE, "node-9"))


def a_token_of_another_audience(api: Api) -> str:
    return request_token(api, CAPTURE, CAPTURE, "vault", bind_pod(api, CAPTURE, CAPTURE, "node-9"))


def a_token_of_another_account(api: Api) -> str:
    account = {"kind": "ServiceAccount", "metadata": {"namespace": CAPTURE, "name": "neighbour"}}
    api.apply({"apiVersion": "v1", **account}, manager="tests")
    return request_token(api, CAPTURE, "neighbour", "grapevine", bind_pod(api, CAPTURE, "neighbour", "node-9"))


def a_token_of_no_pod(api: Api) -> str:
    return request_token(api, CAPTURE, CAPTURE, "grapevine")


@pytest.mark.parametrize(
    ("token", "result", "reason"),
    [
        (a_token_of_another_audience, "token-refused", "is invalid for the target audiences"),
        (a_token_of_another_account, "wrong-account", "grapevine-capture/neighbour is not capture's"),
        (a_token_of_no_pod, "no-node", "the token names neither node nor pod"),
        (lambda _: "no.token.at.all", "token-refused", "invalid bearer token"),
    ],
)
def test_lets_nobody_else_in(
    api: Api, operator: TlsOperator, token: Callable[[Api], str], result: str, reason: str
) -> None:
    status, reply = post(api, operator, token(api))

    assert status == 401
    assert reason in reply.reason
    assert {result: 1} == operator.requests()


def test_an_expired_token_is_refused_and_a_pods_end_is_its_tokens(
    plane: ControlPlane, api: Api, operator: TlsOperator
) -> None:
    status, reply = post(api, operator, expired(plane, a_good_token(api)))
    assert (401, True) == (status, "expired" in reply.reason), reply.reason

    pod = bind_pod(api, CAPTURE, CAPTURE, "node-9")
    token = request_token(api, CAPTURE, CAPTURE, "grapevine", pod)
    api.delete({**pod, "apiVersion": "v1", "kind": "Pod"})
    assert 401 == post(api, operator, token)[0]
    assert {"token-refused": 2} == operator.requests()


def test_a_token_that_names_its_pod_alone_is_of_the_pods_node(api: Api, operator: TlsOperator) -> None:
    """As Kubernetes before 1.32 makes every token; since then only of a pod that is not scheduled yet."""
    pod = bind_pod(api, CAPTURE, CAPTURE, "")
    token = request_token(api, CAPTURE, CAPTURE, "grapevine", pod)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["kubernetes.io"]
    assert ("pod" in claims, "node" in claims) == (True, False)
    assert "is not known yet" in post(api, operator, token)[1].reason

    target = {"apiVersion": "v1", "kind": "Node", "name": "node-9"}
    path = api.path("v1", "Pod", CAPTURE, pod["metadata"]["name"], "binding")
    api.request("POST", path, {"metadata": {"name": pod["metadata"]["name"]}, "target": target})
    eventually(lambda: post(api, operator, token)[0] == 202)


def test_a_replayed_batch_counts_once(api: Api, operator: TlsOperator) -> None:
    token = a_good_token(api)
    assert [202, 202] == [post(api, operator, token, seq=7)[0] for _ in range(2)]

    eventually(lambda: operator.metrics()['grapevine_pipeline_events_total{event="duplicate-batches"}'] == 1)


def test_a_restart_takes_the_certificate_that_is_there(api: Api, operator: TlsOperator, kubelet: Kubelet) -> None:
    before = held(api), published(api)
    assert before[0].current is not None
    operator.kill()
    operator.start()

    assert before == (held(api), published(api))


@contextmanager
def live_capture(operator: Operator, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """Run a capture that has heard nothing yet, and sends a heartbeat every five seconds."""
    command = [*GRAPEVINE, "capture", "--source=pcap", "--file=-", f"--operator={operator.url}", *flags]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_rotation_is_no_failure_for_a_capture_that_runs(plane: ControlPlane, api: Api, tmp_path: Path) -> None:
    """Lifetime 30 s: a successor after 20, served 3.3 s later, the first one's authority gone after 30."""
    with (
        TlsOperator(plane, tmp_path / "operator.log", tls_lifetime_s="30") as operator,
        Kubelet(plane, tmp_path / "run") as kubelet,
        live_capture(operator, *kubelet.flags) as running,
    ):
        first = held(api).current
        assert first is not None
        statuses: list[int] = []
        token = a_good_token(api)

        def is_rotated() -> bool:
            statuses.append(post(api, operator, token)[0])  # a new handshake every time, trusting what is published
            return held(api).current not in (None, first)

        eventually(is_rotated, timeout_s=40, every_s=0.25)
        eventually(lambda: operator.metrics()["grapevine_tls_certificates_total"] >= 2)
        assert first.authority.pem in published(api)
        eventually(lambda: first.authority.pem not in published(api), timeout_s=20)
        assert {202} == {*statuses}, "no handshake failed on the way"
        with live_capture(operator, *kubelet.flags) as second:
            accepted = operator.requests()["accepted"]
            eventually(lambda: operator.requests()["accepted"] >= accepted + 2, timeout_s=15)
            outputs = [end(each) for each in (running, second)]

    assert ["", ""] == outputs, "neither had to try anything again"
    assert "orbidden" not in operator.log_text()


def end(capture: subprocess.Popen[str]) -> str:
    """End a capture as kubelet does, and return what it printed."""
    capture.terminate()
    output, _ = capture.communicate(timeout=15)
    return output


def test_capture_says_whom_it_does_not_trust_and_goes_on_once_it_does(
    api: Api, operator: TlsOperator, kubelet: Kubelet, tmp_path: Path
) -> None:
    other = tmp_path / "other.crt"
    other.write_text(published(api))
    token = next(flag for flag in kubelet.flags if flag.startswith("--token-file"))
    secret = api.get("v1", "Secret", "grapevine-system", "grapevine-serving")
    operator.kill()
    api.request("PUT", api.path_of(secret), {**secret, "data": None})
    operator.start()

    with live_capture(operator, f"--ca-file={other}", token) as capture:
        eventually(lambda: operator.requests().get("handshake", 0) >= 1)
        other.write_text(published(api))
        eventually(lambda: operator.requests().get("accepted", 0) >= 1, timeout_s=20)
        output = end(capture)

    assert "the operator's certificate is not trusted: " in output
    assert "other.crt (--ca-file)" in output
