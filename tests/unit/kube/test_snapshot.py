"""A cluster from files."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from grapevine.kube.snapshot import read_pod_events, read_snapshot
from grapevine.model.errors import PermanentInputError
from grapevine.resolver.records import OwnerRecord, PodRecord, RecordGone, ServiceRecord

SHOP = Path(__file__).parents[2] / "data" / "shop"
OVERRIDES = ("intents.otterize.com/workload-name",)
POD = {"kind": "Pod", "metadata": {"name": "p", "namespace": "n"}}


def test_reads_every_object_of_the_shop_that_a_rule_needs() -> None:
    kinds = Counter(type(record).__name__ for record in read_snapshot(SHOP / "cluster.json", OVERRIDES))

    assert kinds == {"PodRecord": 18, "OwnerRecord": 29, "ServiceRecord": 9, "SliceRecord": 8, "NodeRecord": 1}


def test_reads_the_shops_pod_events() -> None:
    events = list(read_pod_events(SHOP / "pod-events.jsonl", OVERRIDES))

    gone = [event for event in events if isinstance(event, RecordGone)]
    assert [(e.record.name, e.at_ms) for e in gone if isinstance(e.record, PodRecord)] == [
        ("report-29923047-lmfxj", 1_795_382_820_999),
        ("report-29923048-f4dzz", 1_795_382_880_999),
    ]
    assert all(isinstance(event, PodRecord | RecordGone) for event in events)


def test_yaml_reads_like_json(tmp_path: Path) -> None:
    listed = json.loads((SHOP / "cluster.json").read_text())
    copy = tmp_path / "cluster.yaml"
    copy.write_text(yaml.dump(listed))

    assert list(read_snapshot(copy, OVERRIDES)) == list(read_snapshot(SHOP / "cluster.json", OVERRIDES))


def test_the_raw_list_of_one_kind_is_a_snapshot_too(tmp_path: Path) -> None:
    path = tmp_path / "pods.json"
    path.write_text(json.dumps({"kind": "PodList", "items": [{"metadata": {"name": "p", "namespace": "n"}}]}))

    (record,) = read_snapshot(path, OVERRIDES)

    assert isinstance(record, PodRecord)


def test_objects_of_other_groups_are_owners(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    meta = {"name": "web", "namespace": "n", "uid": "u"}
    owners = [
        {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": meta},
        {"apiVersion": "v1", "kind": "ReplicationController", "metadata": meta},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": meta},
    ]
    path.write_text(json.dumps({"kind": "List", "items": [*owners, POD]}))

    knative, controller, service, _ = read_snapshot(path, OVERRIDES)

    assert knative == OwnerRecord("n", "Service", "web", "u", None, "serving.knative.dev")
    assert controller == OwnerRecord("n", "ReplicationController", "web", "u", None)
    assert isinstance(service, ServiceRecord)


def test_one_malformed_object_costs_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps({"kind": "List", "items": [{"kind": "Pod", "metadata": 3}, POD, 5]}))

    assert len(list(read_snapshot(path, OVERRIDES))) == 1
    assert "malformed objects skipped" in caplog.text


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is no List of Kubernetes objects"),
        (b"hello, this is a text file", "is no List of Kubernetes objects"),
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "is no List of Kubernetes objects"),
        (b'{"kind": "Pod"', "is no List of Kubernetes objects"),
        (b'{"kind": "Pod", "metadata": {}}', "is no List of Kubernetes objects"),
        (b"{" * 100_000, "is no List of Kubernetes objects"),
        (b'{"kind": "List", "items": [{"kind": "Node", "metadata": {"name": "n"}}]}', "holds no pod"),
    ],
)
def test_names_the_file_the_fault_and_the_remedy(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "cluster.json"
    path.write_bytes(content)

    with pytest.raises(PermanentInputError) as refused:
        read_snapshot(path, OVERRIDES)

    assert str(refused.value).startswith(f"{path} {what}")
    assert "kubectl get namespaces,nodes,pods" in str(refused.value)
    assert len(str(refused.value)) < 500


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PermanentInputError, match=r"none\.json cannot be read \(No such file"):
        read_snapshot(tmp_path / "none.json", OVERRIDES)


def events_file(tmp_path: Path, *events: dict[str, Any]) -> Path:
    path = tmp_path / "pod-events.jsonl"
    path.write_text("\n".join(json.dumps(event) for event in events))
    return path


def test_a_deleted_pod_without_an_end_ends_at_its_deletion_timestamp(tmp_path: Path) -> None:
    pod = {"metadata": {"name": "p", "namespace": "n", "deletionTimestamp": "1970-01-01T00:00:30Z"}}

    (gone,) = read_pod_events(events_file(tmp_path, {"type": "DELETED", "object": pod}), OVERRIDES)

    assert isinstance(gone, RecordGone)
    assert gone.at_ms == 30_000


def test_a_pod_deleted_by_force_ends_when_the_rows_before_it_had_got_to(tmp_path: Path) -> None:
    def pod(name: str, second: int) -> dict[str, Any]:
        return {"metadata": {"name": name}, "status": {"startTime": f"1970-01-01T00:00:{second:02}Z"}}

    path = events_file(
        tmp_path,
        {"type": "ADDED", "object": pod("a", 10)},
        {"type": "ADDED", "object": pod("b", 40)},
        {"type": "DELETED", "object": pod("a", 10)},
    )

    *_, gone = read_pod_events(path, OVERRIDES)

    assert isinstance(gone, RecordGone)
    assert gone.at_ms == 40_000


def test_bookmarks_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    path = events_file(tmp_path, {"type": "BOOKMARK", "object": {}})
    path.write_text(path.read_text() + "\n\n")

    assert list(read_pod_events(path, OVERRIDES)) == []


@pytest.mark.parametrize("line", ["{", "[]", '{"type": "ADDED"}', '{"type": "ADDED", "object": {"metadata": {}}}'])
def test_names_the_line_that_is_no_event(tmp_path: Path, line: str) -> None:
    path = tmp_path / "pod-events.jsonl"
    path.write_text(json.dumps({"type": "ADDED", "object": POD}) + "\n" + line + "\n")

    with pytest.raises(PermanentInputError, match=r"pod-events\.jsonl, line 2: no pod event .*kubectl get pods"):
        list(read_pod_events(path, OVERRIDES))
