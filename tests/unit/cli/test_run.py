"""`grapevine run` on the recorded shop, in this process: truth, golden files, and what bad input ends in."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support import town as t
from tests.support.collector import http_collector
from tests.support.golden import check_golden_tree, read_tree
from tests.support.objects import SHOP
from tests.support.service_graph import CONNECTOR, TEMPO, Flavour, ServiceGraph
from tests.support.truth import intents_of, shop_drawn, shop_truth
from tests.support.worker import worker_capture

from grapevine.cli.main import main
from grapevine.insight.doctor import CODES

FILES = {"pcap": SHOP / "capture.pcap", "cluster": SHOP / "cluster.json", "pod-events": SHOP / "pod-events.jsonl"}


def run(out: Path, **files: Path | str | None) -> int:
    """Run the command on the shop's files, some of them replaced, or left out with None."""
    given = FILES | {name.replace("_", "-"): path for name, path in files.items()}
    flags = [word for name, path in given.items() if path for word in (f"--{name}", str(path))]
    return main(["run", *flags, "--out", str(out)])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "intents"
    assert run(out) == 0
    return out


def test_finds_exactly_who_talks_to_whom_in_the_shop(shop: Path) -> None:
    found = intents_of(yaml.safe_load(text) for text in read_tree(shop).values())

    assert found == shop_truth()
    assert (len(found), sum(map(len, found.values()))) == (13, 21)


@pytest.mark.parametrize("flavour", [TEMPO, CONNECTOR])
def test_a_collector_draws_exactly_the_shop(
    flavour: Flavour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
    with http_collector() as collector:
        assert run(tmp_path / "intents", otlp=collector.url) == 0

    graph = ServiceGraph(flavour)
    for each in collector.traces:
        graph.push_bytes(each.message, each.at_ns / 1e9)
    graph.expire(time.time() + 60)
    assert shop_drawn() == set(graph.edges)
    assert (0, 0, 0) == (graph.dropped, graph.discarded, graph.expired)
    assert {f"{edge.client} → {edge.server}" for edge in shop_drawn()} == set(collector.points()[-1])
    assert "21 edges sent to http://127.0.0.1" in capsys.readouterr().out


def test_a_collector_that_is_not_there_is_one_line(
    tmp_path: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")

    assert run(tmp_path / "intents", otlp=f"http://127.0.0.1:{unused_tcp_port}") == 2

    error = capsys.readouterr().err
    assert f"http://127.0.0.1:{unused_tcp_port}/v1/traces: the telemetry was not taken" in error
    assert "Traceback" not in error


def test_writes_the_golden_files_byte_for_byte(shop: Path) -> None:
    check_golden_tree("shop", shop)


def test_the_same_capture_again_changes_no_file(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "intents"
    shutil.copytree(shop, out)
    before = read_tree(out)

    assert run(out) == 0
    assert read_tree(out) == before


def test_prints_what_was_seen_and_is_no_edge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path)

    printed = capsys.readouterr().out
    (dead,) = [line for line in printed.splitlines() if "dead dependency" in line]
    assert "storefront/web (Deployment) asks for reccomendations, which never resolves (NXDOMAIN)" in dead
    assert "10.244.0.1: a host address: a hostNetwork pod or the node itself" in printed
    assert "\n21 edges:\n" in printed


def test_the_doctor_says_of_files_what_it_says_of_a_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [word for name, path in FILES.items() for word in (f"--{name}", str(path))]
    assert main(["run", *flags, "--out", str(tmp_path / "intents"), "--doctor"]) == 0
    lines = (
        capsys.readouterr().out.partition("What this map does not see (docs/reference/doctor.md):\n")[2].splitlines()
    )
    told = {line.split()[1]: line for line in lines[: len(CODES)]}

    assert tuple(told) == CODES
    assert told["ClientsUnmapped"] == "ok  ClientsUnmapped  16 of 17 client addresses are a pod's"
    assert told["Unaccounted"].startswith("ok  Unaccounted      5,769 lookups: edge 967, search-list 2,879")


def test_connections_confirm_and_forged_answers_do_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = tmp_path / "capture.pcap"
    capture.write_bytes(worker_capture())

    assert run(tmp_path / "intents", pcap=capture) == 0

    printed = capsys.readouterr().out
    assert "→ orders/cart (Deployment), port 80  [never looked up]\n" in printed
    assert "→ api.example.com, port 443\n" in printed
    assert "\n2 edges:\n" in printed
    assert "10.244.0.46: speaks for the cluster's names and is no DNS server of the cluster" in printed
    assert "batch/worker (Deployment) connects to 203.0.113.9, port 22\n" in printed
    assert "connections       host-network 1" in printed


def test_prints_a_row_for_each_client(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path)

    lines = capsys.readouterr().out.splitlines()
    header = next(n for n, line in enumerate(lines) if line.startswith("NAMESPACE"))
    rows = lines[header + 1 : lines.index("", header)]
    clients = [tuple(row.split()[:2]) for row in rows]
    assert clients == sorted(clients)
    assert len(rows) == 13
    assert lines[header].split() == [
        "NAMESPACE", "NAME", "WORKLOAD", "KIND", "TARGETS", "UNDECLARED", "MODE", "READY", "LAST-SEEN", "AGE",
    ]  # fmt: skip


def test_a_capture_cut_in_a_packet_is_used_up_to_the_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = tmp_path / "cut.pcap"
    content = FILES["pcap"].read_bytes()
    cut.write_bytes(content[: len(content) * 3 // 4 + 7])

    assert run(tmp_path / "out", pcap=cut) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith(f"grapevine: {cut}")
    assert captured.err.count("\n") == 1
    assert "DNS responses" in captured.out
    found = intents_of(yaml.safe_load(text) for text in read_tree(tmp_path / "out").values())
    assert all(targets <= shop_truth()[client] for client, targets in found.items())
    assert len(found) > 5


def no_file(path: Path) -> None:
    """Leave the file out."""


def a_text(path: Path) -> None:
    path.write_text("hello, this is a text file\n" * 10)


def no_pods(path: Path) -> None:
    path.write_text(json.dumps({"kind": "List", "items": [{"kind": "Node", "metadata": {"name": "n"}}]}))


@pytest.mark.parametrize(
    ("flag", "make"),
    [
        ("pcap", no_file),
        ("pcap", a_text),
        ("cluster", no_file),
        ("cluster", a_text),
        ("cluster", no_pods),
        ("pod_events", no_file),
        ("pod_events", a_text),
    ],
)
def test_bad_input_ends_in_one_line_that_names_the_file(
    flag: str, make: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "input"
    make(file)

    assert run(tmp_path / "out", **{flag: file}) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"grapevine: {file}")
    assert (captured.err.count("\n"), "Traceback" in captured.err, captured.out) == (1, False, "")


def test_an_output_path_that_is_a_file_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.write_text("")

    assert run(out) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"grapevine: {out}")
    assert captured.err.count("\n") == 1


def test_an_output_file_that_cannot_be_written_ends_at_once_and_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "orders").write_text("in the way of a directory")

    assert run(tmp_path) == 2
    assert f"{tmp_path}: not everything could be written" in capsys.readouterr().err


def test_a_cluster_domain_that_is_none_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [word for name, path in FILES.items() for word in (f"--{name}", str(path))]

    assert main(["run", *flags, "--out", str(tmp_path), "--cluster-domain", "not a domain"]) == 2
    assert "is no DNS domain" in capsys.readouterr().err


def test_a_persons_file_is_read_and_never_read_tree(tmp_path: Path) -> None:
    mine = tmp_path / "storefront" / "mine.yaml"
    mine.parent.mkdir()
    text = """\
# a comment that must stay
apiVersion: k8s.otterize.com/v2beta1
kind: ClientIntents
metadata: {name: mine, namespace: storefront}
spec:
  workload: {name: web, kind: Deployment}
  targets: [{service: {name: catalog}}]
"""
    mine.write_text(text)

    assert run(tmp_path) == 0
    assert mine.read_text() == text
    assert not (tmp_path / "storefront" / "web.yaml").exists()


def test_the_domain_of_the_cluster_is_found_in_the_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cart, redis = t.workload("cart", "10.244.1.1"), t.workload("redis", "10.244.1.2")
    snapshot = [
        *t.workload("web", "10.244.1.3"),
        *cart,
        t.service("cart", "10.96.1.1"),
        t.endpoints("cart", cart[-1]),
        *redis,
        t.service("redis"),
        t.endpoints("redis", redis[-1]),
    ]
    (tmp_path / "cluster.json").write_text(json.dumps({"kind": "List", "items": snapshot}))
    asked = [
        t.answer("10.244.1.3", "redis.town.svc.k8s.example", "10.244.1.2"),
        t.nxdomain("10.244.1.3", "api.example.com.town.svc.k8s.example"),
        t.answer("10.244.1.3", "api.example.com", "192.0.2.1"),
        t.answer("10.244.1.3", "cart.town.svc.k8s.example", "10.96.1.1"),
    ]
    (tmp_path / "dns.pcap").write_bytes(t.capture_of(asked))

    code = run(tmp_path / "out", pcap=tmp_path / "dns.pcap", cluster=tmp_path / "cluster.json", pod_events=None)

    assert code == 0
    assert "cluster domain k8s.example" in capsys.readouterr().out
    found = intents_of(yaml.safe_load(text) for text in read_tree(tmp_path / "out").values())
    assert found == {
        ("town", "Deployment", "web"): {
            ("kubernetes", "cart", "Deployment"),
            ("kubernetes", "redis", "Deployment"),
            ("internet", "api.example.com", ""),
        }
    }
