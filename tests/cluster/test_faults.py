"""What fails on a real cluster, one fault at a time: nothing seen before is lost, and nothing heard meanwhile.

Tests run in any order on one node; each leaves Grapevine installed, the shop running and all of it seen.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.installation import wait_for_map, wait_for_shop, wait_ready
from tests.cluster.newcomer import NAMESPACE, apply_newcomer, edges_of, time_to_edges_s, wait_over, wait_running
from tests.cluster.node import CAPTURE, OPERATOR, Node, process_of
from tests.cluster.shop import pod
from tests.support.eventually import eventually
from tests.support.packets import a_record, dns_response, ethernet, ipv4, pcap, udp
from tests.support.processes import run_grapevine

pytestmark = [pytest.mark.cluster, pytest.mark.root, pytest.mark.timeout(900)]

OUTAGE_S = 60.0
MAX_CAPTURE_RSS_MIB = 32
"""The bound of an idle capture with TLS, 24, and a full spool, 8."""
HOUR_S = 3_600
CLUSTER_DNS = "10.96.0.10"
STOP_FIRST_THREAD = """
import ctypes, os, sys
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p
SEIZE, INTERRUPT, ANY_THREAD = 0x4206, 0x4207, 0x40000000
pid = int(sys.argv[1])
for request in (SEIZE, INTERRUPT):
    if ptrace(request, pid, None, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
os.waitpid(pid, ANY_THREAD)  # it stands still
os.waitpid(pid, ANY_THREAD)  # it has ended
"""
"""Program that has the first thread of a process stand still, and no other, until the process ends (ptrace(2))."""
_DEPLOYMENT = ("deployment/grapevine-operator", "-n", "grapevine-system")
_ETHERNET = 1


@pytest.fixture(autouse=True)
def _whole(mapped: Node) -> Iterator[None]:
    """After each fault, everything is as before it."""
    yield
    wait_ready(mapped)
    wait_for_shop(mapped)


def _operator_pod(node: Node) -> str:
    (found,) = node.objects("pods", "-n", "grapevine-system", "-l", "app.kubernetes.io/name=grapevine-operator")
    name: str = found["metadata"]["name"]
    return name


@pytest.mark.parametrize("which", [OPERATOR, CAPTURE], ids=["operator", "capture"])
def test_killed_it_comes_back_and_loses_nothing(mapped: Node, newcomer: str, which: tuple[str, ...]) -> None:
    os.kill(int(process_of(*which).name), signal.SIGKILL)

    apply_newcomer(mapped, newcomer)

    time_to_edges_s(mapped, newcomer)


def test_an_evicted_operator_loses_nothing(mapped: Node, newcomer: str) -> None:
    name = _operator_pod(mapped)
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"namespace": "grapevine-system", "name": name},
    }
    path = f"/api/v1/namespaces/grapevine-system/pods/{name}/eviction"
    mapped.kubectl.run("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))

    apply_newcomer(mapped, newcomer, once=True)

    wait_for_map(mapped, edges_of(newcomer))
    wait_ready(mapped)
    assert name != _operator_pod(mapped)


def test_restarted_with_batches_in_flight_the_operator_loses_none(mapped: Node, newcomer: str) -> None:
    apply_newcomer(mapped, newcomer, once=True)
    mapped.kubectl.run("rollout", "restart", *_DEPLOYMENT)
    apply_newcomer(mapped, f"{newcomer}-after", once=True)

    wait_for_map(mapped, edges_of(newcomer) | edges_of(f"{newcomer}-after"))


def test_an_operator_that_stands_still_is_restarted(mapped: Node, newcomer: str) -> None:
    stalled = process_of(*OPERATOR)
    os.kill(int(stalled.name), signal.SIGSTOP)

    apply_newcomer(mapped, newcomer, once=True)

    eventually(lambda: not stalled.exists(), timeout_s=240, every_s=0.5)
    wait_for_map(mapped, edges_of(newcomer))


def test_a_capture_that_stands_still_ends_itself_and_is_restarted(mapped: Node, newcomer: str) -> None:
    stalled = process_of(*CAPTURE)
    with subprocess.Popen([sys.executable, "-c", STOP_FIRST_THREAD, stalled.name]) as stopping:
        eventually(lambda: not stalled.exists(), timeout_s=240, every_s=0.5)
        assert stopping.wait(10) == 0

    apply_newcomer(mapped, newcomer)

    time_to_edges_s(mapped, newcomer)
    (capture,) = mapped.objects("pods", "-n", "grapevine-capture")
    (container,) = capture["status"]["containerStatuses"]
    assert container["lastState"]["terminated"]["exitCode"] == 1


def test_without_an_operator_capture_keeps_its_bounds_and_what_it_heard(mapped: Node, newcomer: str) -> None:
    capture, operator = process_of(*CAPTURE), process_of(*OPERATOR)
    mapped.kubectl.run("scale", *_DEPLOYMENT, "--replicas=0")
    eventually(lambda: not operator.exists(), timeout_s=90, every_s=0.2)
    apply_newcomer(mapped, newcomer, once=True)
    wait_over(mapped, newcomer)

    time.sleep(OUTAGE_S)  # the outage is the test's subject, not a way to wait
    rss_mib = _rss_mib(capture)
    mapped.kubectl.run("scale", *_DEPLOYMENT, "--replicas=1")

    wait_for_map(mapped, edges_of(newcomer))
    print(f"\ncapture after {OUTAGE_S:.0f} s without an operator: {rss_mib:.0f} MiB RSS")
    assert rss_mib <= MAX_CAPTURE_RSS_MIB
    assert capture == process_of(*CAPTURE)


def _rss_mib(process: Path) -> float:
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024


def test_an_api_server_away_for_a_minute_loses_nothing_heard_meanwhile(mapped: Node, newcomer: str) -> None:
    asks, heard_meanwhile = "dns://www.example.org", "cdn.example.net"
    before = frozenset({("internet", "www.example.org", "")})
    mapped.apply(pod(NAMESPACE, newcomer, asks))
    wait_for_map(mapped, {(NAMESPACE, "Pod", newcomer): before})

    mapped.stop_api_server()
    _look_up(process_of("-call", asks), heard_meanwhile)
    time.sleep(OUTAGE_S)  # the outage is the test's subject, not a way to wait
    mapped.start_api_server()

    eventually(mapped.answers, timeout_s=90, every_s=0.5)
    back_s = time.monotonic()
    apply_newcomer(mapped, f"{newcomer}-after", once=True)
    wait_for_map(mapped, {(NAMESPACE, "Pod", newcomer): before | {("internet", heard_meanwhile, "")}})
    print(f"\nedges heard while the API server was away visible {time.monotonic() - back_s:.1f} s after it was back")
    wait_for_map(mapped, edges_of(f"{newcomer}-after"))


def _look_up(process: Path, name: str) -> None:
    """Ask the cluster's DNS for a name, once, in the network of a pod's process."""
    ask = (
        "import socket, sys; asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); asker.settimeout(5);"
        "asker.sendto(bytes.fromhex(sys.argv[1]), (sys.argv[2], 53)); asker.recv(512)"
    )
    question = dns_response(name, flags=0x0100).hex()
    command = ["nsenter", f"--net={process / 'ns' / 'net'}", sys.executable, "-c", ask, question, CLUSTER_DNS]
    subprocess.run(command, check=True, timeout=30)


def test_a_restart_of_coredns_loses_nothing(mapped: Node, newcomer: str) -> None:
    dns = ("deployment/coredns", "-n", "kube-system")
    mapped.kubectl.run("rollout", "restart", *dns)
    mapped.kubectl.run("rollout", "status", *dns, "--timeout=90s", timeout_s=100)

    apply_newcomer(mapped, newcomer)

    time_to_edges_s(mapped, newcomer)


def test_a_capture_whose_clock_is_ahead_harms_no_edge_but_its_own(mapped: Node, newcomer: str, tmp_path: Path) -> None:
    mapped.apply(pod(NAMESPACE, newcomer))  # asks for nothing itself
    address = wait_running(mapped, newcomer)["status"]["podIP"]
    answer = dns_response("www.example.org", records=[a_record("192.0.2.1")])
    frame = ethernet(ipv4(udp(answer), src="10.96.0.10", dst=address))
    ahead_ms = int((time.time() + HOUR_S) * 1000)
    (tmp_path / "ahead.pcap").write_bytes(pcap([(ahead_ms, frame)], linktype=_ETHERNET))

    sent = run_grapevine(
        *("capture", "--source=pcap", f"--file={tmp_path / 'ahead.pcap'}", "--match=off"),
        *_credentials(mapped, tmp_path),
    )
    assert sent.returncode == 0, sent.stdout + sent.stderr

    wait_for_map(mapped, {(NAMESPACE, "Pod", newcomer): frozenset({("internet", "www.example.org", "")})})
    apply_newcomer(mapped, f"{newcomer}-after", once=True)
    wait_for_map(mapped, edges_of(f"{newcomer}-after"))


def _credentials(node: Node, directory: Path) -> list[str]:
    """Return arguments with which a capture of this machine may send to the operator, as the node's own does."""
    (capture,) = node.objects("pods", "-n", "grapevine-capture")
    (operator,) = node.objects("pods", "-n", "grapevine-system")
    token = node.kubectl.run(
        *("create", "token", "grapevine-capture", "-n", "grapevine-capture", "--audience=grapevine"),
        *("--bound-object-kind=Pod", f"--bound-object-name={capture['metadata']['name']}"),
        f"--bound-object-uid={capture['metadata']['uid']}",
    )
    ca = node.kubectl.run(
        "get", "configmap", "-n", "grapevine-capture", "grapevine-ca", "-o", r"jsonpath={.data.ca\.crt}"
    )
    for name, text in (("token", token), ("ca.crt", ca)):
        (directory / name).write_text(text)
    return [
        f"--operator=https://{operator['status']['podIP']}:8443",
        "--server-name=grapevine-operator.grapevine-system.svc",
        f"--ca-file={directory / 'ca.crt'}",
        f"--token-file={directory / 'token'}",
    ]
