"""A16: what is heard while the operator is away is kept within a bound, counted where it is over, and comes after.

Its neighbours: A13, the operator's restart, in test_shop; A17, rights without a wildcard, in test_rbac.
"""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from tests.support import packets as p
from tests.support import taps as t
from tests.support.api import Api, Object
from tests.support.controlplane import ControlPlane
from tests.support.eventually import eventually
from tests.support.processes import Operator, run_grapevine, start_dnstap

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("clientintents_crd"), pytest.mark.timeout(180)]

INTENTS = "k8s.otterize.com/v2beta1"
SPOOL_BYTES = 2 << 20
CLIENT_IP = "10.77.16.1"
ROUNDS, STRANGERS = 30, 400
"""Of look-ups while the operator is away: over twice what the spool holds, most of them by nobody."""
LONG = ".".join(["x" * 60] * 3)
MAX_GROWTH_MIB = 16
"""The spool, and a window of strangers' look-ups."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def a_pod(api: Api, namespace: str) -> Object:
    spec = {"containers": [{"name": "c", "image": "i"}]}
    pod = api.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": "asker"}, "spec": spec}
    )
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    return api.merge_status(
        pod, {"phase": "Running", "podIP": CLIENT_IP, "podIPs": [{"ip": CLIENT_IP}], "startTime": started}
    )


@pytest.fixture
def operator(control_plane: ControlPlane, tmp_path: Path) -> Operator:
    """One that does not run yet, and believes the server that tells."""
    return Operator(control_plane.kubeconfig(), tmp_path / "operator.log", dns_servers="127.0.0.1", park_ms="500")


class Teller:
    """A DNS server that tells a capture with a small spool of its answers."""

    def __init__(self, address: tuple[str, int], capture: "Popen[str]") -> None:
        self.capture = capture
        self._sender = t.TapSender(address)
        self._sender.send(t.READY)
        self._sender.receive(len(t.ACCEPT))
        self._sender.send(t.START)
        self._rounds = self._told = 0

    def close(self) -> None:
        """Go away."""
        self._sender.socket.close()

    def tell(self, name: str, client: str = CLIENT_IP) -> None:
        """Tell of one answer."""
        self._told += 1
        answer = p.dns_response(name, records=[p.a_record("192.0.2.1")], transaction_id=self._told % 65_536)
        self._sender.send_taps(t.message(answer, client=client, response_ms=now_ms()))

    def tell_a_round(self) -> bool:
        """Tell of a new name of the pod's, and of strangers' long ones; return whether all rounds are told."""
        self.tell(f"r{self._rounds}.example.org")
        for n in range(STRANGERS):
            self.tell(f"r{self._rounds}.{LONG}.example.org", f"10.78.{n // 200}.{n % 200}")
        self._rounds += 1
        return self._rounds >= ROUNDS

    def rss_mib(self) -> float:
        """Return what capture holds in memory."""
        lines = Path(f"/proc/{self.capture.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def _accepts(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=1):
            return True
    except OSError:
        return False


@pytest.fixture
def teller(operator: Operator) -> Iterator[Teller]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = ("127.0.0.1", held.getsockname()[1])
    flags = ("--window-ms=100", f"--spool-bytes={SPOOL_BYTES}")
    capture = start_dnstap(f"tcp://{address[0]}:{address[1]}", operator.url, *flags)
    try:
        eventually(lambda: _accepts(address), timeout_s=30)
        teller = Teller(address, capture)
        yield teller
        teller.close()
    finally:
        capture.kill()
        capture.communicate()


def domains(api: Api, namespace: str) -> set[str]:
    targets = [each for o in api.list(INTENTS, "ClientIntents", namespace) for each in o["spec"]["targets"]]
    return {domain for each in targets for domain in each["internet"]["domains"]}


def test_a16_while_the_operator_is_away_the_spool_is_bounded_and_counts_and_then_all_goes_on(
    api: Api, namespace: str, operator: Operator, teller: Teller
) -> None:
    a_pod(api, namespace)
    before_mib = teller.rss_mib()
    eventually(teller.tell_a_round, timeout_s=60, every_s=0.1)  # each in a window, and so a batch, of its own
    assert teller.rss_mib() - before_mib <= MAX_GROWTH_MIB

    with operator:
        eventually(lambda: f"r{ROUNDS - 1}.example.org" in domains(api, namespace), timeout_s=60)
        assert "r0.example.org" not in domains(api, namespace)

        teller.tell("after.example.org")
        eventually(lambda: "after.example.org" in domains(api, namespace), timeout_s=60)
        eventually(lambda: "spool-overflow" in _losses(operator), timeout_s=30)  # counters come with a heartbeat
        booked = operator.metrics()

    assert booked['grapevine_lookups_booked{as="missing"}'] == 0


def _losses(operator: Operator) -> str:
    done = run_grapevine("doctor", f"--operator={operator.api_url}", "-o", "json")
    assert done.stderr == ""
    losses = next(each for each in json.loads(done.stdout)["findings"] if each["check"] == "Losses")
    return str(losses["found"])
