"""Two replicas on a real API server: one leads, and whatever becomes of it, the map ends as the truth."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.support.api import Api, Object
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.eventually import eventually
from tests.support.granted import INTENTS, LEASE, freshly_installed, granting_plane
from tests.support.kubelet import Kubelet
from tests.support.objects import SHOP
from tests.support.processes import TlsOperator, run_grapevine, start_capture
from tests.support.truth import intents_of, shop_truth

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PCAP = SHOP / "capture.pcap"
HAND_OVER_S = 60.0
"""Generous: 14 s is the bound on an idle machine."""


@pytest.fixture(scope="module")
def plane(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server with the shop and what the manifests grant; shared by this module."""
    with granting_plane(tmp_path_factory.mktemp("leadership"), control_plane_binaries) as plane:
        yield plane


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[Api]:
    """The API server as freshly installed."""
    with freshly_installed(plane) as connection:
        yield connection


@pytest.fixture
def replicas(plane: ControlPlane, api: Api, tmp_path: Path) -> Iterator[tuple[TlsOperator, TlsOperator]]:
    """Two replicas that are ready, the first of which leads."""
    with ExitStack() as stack:
        first = stack.enter_context(TlsOperator.replica(plane, tmp_path, "operator-a"))
        eventually(first.leads)
        second = stack.enter_context(TlsOperator.replica(plane, tmp_path, "operator-b"))
        assert (True, False) == (first.leads(), second.leads())
        yield first, second


@contextmanager
def capture_by(plane: ControlPlane, operator: TlsOperator, directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a capture of the shop that was told of one replica alone."""
    with Kubelet(plane, directory / "run") as kubelet, start_capture(PCAP, operator.url, *kubelet.flags) as capture:
        try:
            yield capture
        finally:
            capture.kill()


def objects(api: Api) -> list[Object]:
    return api.list(INTENTS, "ClientIntents")


def holder(api: Api) -> str:
    """Return the pod that has the Lease; empty for none."""
    lease = api.get("coordination.k8s.io/v1", "Lease", "grapevine-system", "grapevine-operator")
    pod: str = lease["spec"].get("holderIdentity", "").partition("/")[0]
    return pod


def finish(capture: subprocess.Popen[str]) -> None:
    """Wait until all that was heard is durable."""
    output, _ = capture.communicate(timeout=120)
    assert capture.returncode == 0, output


def test_the_leader_killed_the_other_one_ends_with_the_truth(
    plane: ControlPlane, api: Api, replicas: tuple[TlsOperator, TlsOperator], tmp_path: Path
) -> None:
    first, second = replicas
    with capture_by(plane, second, tmp_path) as capture:  # which sends it to the first
        eventually(lambda: objects(api), timeout_s=60)
        assert second.requests()["not-leader"] >= 1
        first.kill()
        killed_s = time.monotonic()
        eventually(second.leads, timeout_s=HAND_OVER_S)
        print(f"hand-over after a kill: {time.monotonic() - killed_s:.1f} s")
        finish(capture)

    assert shop_truth() == intents_of(objects(api))
    assert "operator-b" == holder(api)


def test_a_leader_that_stood_still_for_longer_than_its_lease_writes_nothing_more(
    plane: ControlPlane, api: Api, replicas: tuple[TlsOperator, TlsOperator], tmp_path: Path
) -> None:
    first, second = replicas
    with capture_by(plane, second, tmp_path) as capture:
        eventually(lambda: objects(api), timeout_s=60)
        first.freeze()
        eventually(second.leads, timeout_s=HAND_OVER_S)
        finish(capture)
    eventually(lambda: second.metrics()["grapevine_intents_pending"] == 0)
    assert shop_truth() == intents_of(objects(api))
    before = written(api)
    own = writes(second)

    first.thaw()
    assert 2 == first.wait_ended()

    assert before == written(api)
    assert own == writes(second), "nor was there anything to set right again"
    assert "Lease grapevine-system/grapevine-operator is of pod operator-b now" in first.log_text()
    first.start()
    assert (False, True) == (first.leads(), second.leads())


def writes(operator: TlsOperator) -> dict[str, float]:
    """Return what the operator wrote, by kind."""
    return {k: v for k, v in operator.metrics().items() if k.startswith("grapevine_intents_writes_total")}


def written(api: Api) -> dict[str, str]:
    """Return the version of every object: it changes with each write."""
    return {str(o["metadata"]["uid"]): str(o["metadata"]["resourceVersion"]) for o in objects(api)}


def test_a_leader_that_is_told_to_end_hands_over_at_once(
    plane: ControlPlane, api: Api, replicas: tuple[TlsOperator, TlsOperator], tmp_path: Path
) -> None:
    first, second = replicas
    with capture_by(plane, second, tmp_path) as capture:
        eventually(lambda: objects(api), timeout_s=60)
        assert 0 == first.stop()
        assert "operator-a" != holder(api), "it is free: nobody waits for its time to pass"
        eventually(second.leads, timeout_s=HAND_OVER_S)
        finish(capture)
    assert shop_truth() == intents_of(objects(api))

    first.start()
    refused = run_grapevine("explain", "storefront/web", "cart", f"--operator={first.api_url}")
    assert (2, True) == (refused.returncode, "this replica follows, operator-b leads" in refused.stderr), refused.stderr
    answered = run_grapevine("explain", "storefront/web", "cart.orders", f"--operator={second.api_url}")
    assert 0 == answered.returncode, answered.stderr


def test_a_leader_cut_off_from_the_api_server_leads_on_once_it_is_back(
    plane: ControlPlane, api: Api, tmp_path: Path
) -> None:
    del api  # its connection would not outlive the API server
    with TlsOperator.replica(plane, tmp_path, "operator-a") as operator:
        eventually(operator.leads)
        pid, term = operator.pid, operator.metrics()["grapevine_lease_term"]
        plane.stop_apiserver()
        try:
            eventually(lambda: not operator.leads(), timeout_s=HAND_OVER_S)
            told = run_grapevine("doctor", f"--operator={operator.api_url}")
        finally:
            plane.start_apiserver()
        eventually(operator.leads, timeout_s=HAND_OVER_S)

        assert (1, True) == (told.returncode, "no replica leads" in told.stdout), told.stdout
        assert (pid, term) == (operator.pid, operator.metrics()["grapevine_lease_term"])
        operator.kill()
        operator.start()
        eventually(operator.leads, timeout_s=HAND_OVER_S)
        assert term + 1 == operator.metrics()["grapevine_lease_term"]
        with plane.api() as back:
            back.delete(LEASE)
        assert 2 == operator.wait_ended(), "whoever deletes the Lease has all replicas begin anew"
