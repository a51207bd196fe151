"""Kubernetes' JSON → records."""

import json
from typing import Any

import pytest

from grapevine.kube.decode import DecodeError, ObjectDecoder
from grapevine.model.workload import ServiceName
from grapevine.resolver.records import (
    Endpoint,
    NodeRecord,
    OwnerKey,
    OwnerRecord,
    PodRecord,
    Record,
    ServiceRecord,
    SliceRecord,
)
from grapevine.settings import ScopeSettings

OVERRIDES = ("intents.otterize.com/workload-name", "intents.otterize.com/service-name")


def decode(kind: str, obj: dict[str, Any]) -> Record:
    return ObjectDecoder(OVERRIDES).decode(kind, json.dumps(obj).encode())


def pod(*, meta: dict[str, Any] | None = None, **rest: Any) -> PodRecord:
    record = decode("Pod", {"metadata": {"name": "p", "namespace": "n", "uid": "u", **(meta or {})}, **rest})
    assert isinstance(record, PodRecord)
    return record


def test_keeps_of_a_running_pod_what_address_and_workload_need() -> None:
    record = pod(
        meta={"ownerReferences": [{"kind": "ReplicaSet", "name": "rs", "uid": "r", "controller": True}]},
        spec={"containers": [{"name": "c", "image": "i"}], "nodeName": "node-1"},
        status={
            "phase": "Running",
            "startTime": "2026-11-22T21:27:00Z",
            "podIP": "10.0.0.1",
            "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00:0:0::1"}],
        },
    )

    assert record == PodRecord(
        namespace="n",
        name="p",
        uid="u",
        ips=("10.0.0.1", "fd00::1"),
        host_network=False,
        start_ms=1_795_382_820_000,
        end_ms=None,
        deletion_ms=None,
        owner=OwnerKey("ReplicaSet", "rs", "r"),
        override="",
        node="node-1",
    )


def test_a_pod_is_left_out_by_what_its_metadata_says_and_keeps_no_label() -> None:
    scope = ScopeSettings(excluded_labels=("team=infra",))
    records = [
        ObjectDecoder(OVERRIDES, scope).decode(
            "Pod", json.dumps({"metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": labels}}).encode()
        )
        for labels in ({"team": "infra"}, {"team": "shop"}, None)
    ]

    assert [isinstance(r, PodRecord) and r.is_excluded for r in records] == [True, False, False]
    assert pod(meta={"annotations": {"grapevine.dev/ignore": "true"}}).is_excluded


def test_a_pod_without_spec_and_status_is_a_pod_without_address() -> None:
    record = pod()

    assert (record.ips, record.start_ms, record.owner, record.host_network) == ((), None, None, False)


def test_falls_back_to_the_single_address_of_old_servers() -> None:
    assert pod(status={"podIP": "10.0.0.1", "podIPs": None}).ips == ("10.0.0.1",)


def test_drops_an_address_that_is_none() -> None:
    assert pod(status={"podIPs": [{"ip": "10.0.0.1"}, {"ip": "localhost"}, {}]}).ips == ("10.0.0.1",)


def test_takes_the_controller_not_the_first_owner() -> None:
    owners = [{"kind": "Node", "name": "n1", "uid": "1"}, {"kind": "Job", "name": "j", "uid": "2", "controller": True}]

    assert pod(meta={"ownerReferences": owners}).owner == OwnerKey("Job", "j", "2")


def test_an_owner_that_does_not_control_is_no_owner() -> None:
    assert (
        pod(meta={"ownerReferences": [{"kind": "Node", "name": "n1", "uid": "1", "controller": False}]}).owner is None
    )


@pytest.mark.parametrize(
    ("annotations", "override"),
    [
        ({OVERRIDES[1]: "old"}, "old"),
        ({OVERRIDES[1]: "old", OVERRIDES[0]: "new"}, "new"),
        ({OVERRIDES[1]: "old", OVERRIDES[0]: ""}, "old"),
        (None, ""),
    ],
)
def test_the_first_override_annotation_with_a_value_wins(annotations: dict[str, str] | None, override: str) -> None:
    assert pod(meta={"annotations": annotations}).override == override


def finished(*times: str) -> list[dict[str, Any]]:
    return [{"state": {"terminated": {"finishedAt": time}}} for time in times]


def test_a_finished_pod_ends_with_the_last_containers_whole_second() -> None:
    record = pod(
        status={
            "phase": "Succeeded",
            "containerStatuses": finished("1970-01-01T00:00:10Z", "1970-01-01T00:00:12Z"),
            "initContainerStatuses": finished("1970-01-01T00:00:05Z"),
        }
    )

    assert record.end_ms == 12_999


def test_a_terminated_container_does_not_end_a_running_pod() -> None:
    assert pod(status={"phase": "Running", "containerStatuses": finished("1970-01-01T00:00:10Z")}).end_ms is None


def test_an_evicted_pod_ends_with_its_newest_condition() -> None:
    conditions = [{"lastTransitionTime": f"1970-01-01T00:00:0{second}Z"} for second in (3, 7, 5)]

    assert pod(status={"phase": "Failed", "conditions": conditions}).end_ms == 7_999


def test_deletion_timestamp_and_host_network_are_kept() -> None:
    record = pod(meta={"deletionTimestamp": "1970-01-01T00:01:00Z"}, spec={"hostNetwork": True})

    assert (record.deletion_ms, record.host_network) == (60_000, True)


def test_service_is_headless_by_its_cluster_ip() -> None:
    service = {
        "metadata": {"name": "redis", "namespace": "shop"},
        "spec": {"type": "ClusterIP", "clusterIP": "None", "ports": [{"port": 6379, "targetPort": "redis"}]},
    }

    assert decode("Service", service) == ServiceRecord("shop", "redis", True, "", (6379,))


def test_external_name_is_canonical_and_only_of_that_type() -> None:
    meta = {"name": "db", "namespace": "shop"}

    external = {"metadata": meta, "spec": {"type": "ExternalName", "externalName": "DB.Example.com."}}
    assert decode("Service", external) == ServiceRecord("shop", "db", False, "db.example.com", ())
    left_over = {
        "metadata": meta,
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.9", "externalName": "old.example"},
    }
    assert decode("Service", left_over) == ServiceRecord("shop", "db", False, "", (), ("10.96.0.9",))


def test_service_has_its_addresses_of_both_families() -> None:
    spec = {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9", "FD00::0009"]}

    record = decode("Service", {"metadata": {"name": "db", "namespace": "shop"}, "spec": spec})

    assert record == ServiceRecord("shop", "db", False, "", (), ("10.96.0.9", "fd00::9"))


def test_slice_keeps_unready_pods_and_hostnames() -> None:
    endpoint_slice = {
        "metadata": {"name": "redis-x", "namespace": "shop", "labels": {"kubernetes.io/service-name": "redis"}},
        "endpoints": [
            {"targetRef": {"kind": "Pod", "name": "redis-0", "namespace": "shop"}, "hostname": "redis-0"},
            {"targetRef": {"kind": "Pod", "name": "redis-1"}, "conditions": {"ready": False}},
            {"addresses": ["10.244.0.7"], "targetRef": {"kind": "Pod", "name": "redis-2"}},
            {"targetRef": {"kind": "Pod", "name": "stranger", "namespace": "elsewhere"}},
        ],
    }

    assert decode("EndpointSlice", endpoint_slice) == SliceRecord(
        "shop",
        "redis-x",
        "redis",
        (Endpoint("redis-0", "redis-0"), Endpoint("redis-1", ""), Endpoint("redis-2", ""), Endpoint("", "")),
    )


def test_slice_keeps_address_and_port_of_what_is_no_pod() -> None:
    endpoint_slice = {
        "metadata": {"name": "kubernetes", "namespace": "default"},
        "endpoints": [{"addresses": ["10.88.0.1", "host.example.com"]}],
        "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}, {"name": "any"}],
    }

    assert decode("EndpointSlice", endpoint_slice) == SliceRecord(
        "default", "kubernetes", "", (Endpoint("", "", ("10.88.0.1",)),), (6443,)
    )


def test_slice_without_endpoints_is_null_in_json() -> None:
    record = decode("EndpointSlice", {"metadata": {"name": "x", "namespace": "n"}, "endpoints": None})

    assert record == SliceRecord("n", "x", "", ())


def test_node_has_its_addresses_and_the_gateway_of_every_pod_range() -> None:
    node = {
        "metadata": {"name": "node1"},
        "spec": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24", "fd00:1::/64", "nonsense"]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": "10.88.0.1"},
                {"type": "ExternalIP", "address": "203.0.113.1"},
                {"type": "Hostname", "address": "node1"},
                {"type": "InternalIP", "address": "FD00::0001"},
            ]
        },
    }

    assert decode("Node", node) == NodeRecord(
        "node1", ("10.88.0.1", "203.0.113.1", "fd00::1", "10.244.0.1", "fd00:1::1")
    )


def test_node_before_its_first_heartbeat_has_no_address() -> None:
    assert decode("Node", {"metadata": {"name": "node1"}}) == NodeRecord("node1", ())


def test_owner_is_read_from_metadata_alone() -> None:
    partial = {
        "kind": "PartialObjectMetadata",
        "metadata": {
            "name": "cart-5f",
            "namespace": "shop",
            "uid": "u",
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart", "uid": "d", "controller": True}
            ],
        },
    }

    owner = OwnerKey("Deployment", "cart", "d", "apps")
    expected = OwnerRecord("shop", "ReplicaSet", "cart-5f", "u", owner, "apps")
    assert decode("ReplicaSet", partial) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'{"metadata": {}}',
        b'{"metadata": {"name": 3}}',
        b'{"metadata": {"name": "p\xff"}}',
        b'{"metadata": {"name": "p", "deletionTimestamp": "soon"}}',
        b'{"metadata": {"name": "p", "ownerReferences": {}}}',
        b'{"metadata": ' + b"[" * 100_000,
    ],
)
def test_nonsense_is_a_decode_error(raw: bytes) -> None:
    with pytest.raises(DecodeError, match=r"^Pod: "):
        ObjectDecoder(OVERRIDES).decode("Pod", raw)


@pytest.mark.parametrize(
    ("kind", "group", "expected"),
    [
        ("CronJob", "batch", True),
        ("Service", "", True),
        ("Deployment", "", True),
        ("Service", "serving.knative.dev", False),
        ("Secret", "", False),
    ],
)
def test_a_kind_is_known_by_its_group(kind: str, group: str, expected: bool) -> None:
    assert ObjectDecoder(OVERRIDES).is_standard(kind, group) is expected


def test_an_owner_of_a_kind_that_was_added_is_read_from_its_metadata() -> None:
    decoder = ObjectDecoder(OVERRIDES)
    name = decoder.add_owner("serving.knative.dev", "Service")
    raw = json.dumps({"metadata": {"name": "hello", "namespace": "shop", "uid": "u"}, "spec": {"ports": "none"}})

    expected = OwnerRecord("shop", "Service", "hello", "u", None, "serving.knative.dev")
    assert decoder.decode(name, raw.encode()) == expected


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([("main", "registry.example.com:5000/team/backup:1.2")], "backup"),
        ([("main", "backup@sha256:0123")], "backup"),
        ([("a", "dump"), ("istio-proxy", "istio/proxyv2:1"), ("my-sidecar", "x"), ("b", "r/upload:2")], "dump-upload"),
        ([], ""),
    ],
)
def test_a_jobs_pod_keeps_the_names_of_its_images_where_that_is_asked_for(
    containers: list[tuple[str, str]], expected: str
) -> None:
    def images(kind: str, *, with_job_images: bool) -> str:
        owner = {"apiVersion": "batch/v1", "kind": kind, "name": "o", "uid": "1", "controller": True}
        spec = {"containers": [{"name": name, "image": image} for name, image in containers]}
        raw = json.dumps({"metadata": {"name": "p", "ownerReferences": [owner]}, "spec": spec}).encode()
        record = ObjectDecoder((), with_job_images=with_job_images).decode("Pod", raw)
        assert isinstance(record, PodRecord)
        return record.images

    assert images("Job", with_job_images=True) == expected
    assert (images("ReplicaSet", with_job_images=True), images("Job", with_job_images=False)) == ("", "")


@pytest.mark.parametrize(
    ("kind", "metadata", "is_dns_cache"),
    [
        ("DaemonSet", {"namespace": "kube-system", "name": "node-local-dns"}, True),
        ("DaemonSet", {"namespace": "dns", "name": "cache", "labels": {"k8s-app": "node-local-dns"}}, True),
        ("DaemonSet", {"namespace": "kube-system", "name": "kube-proxy"}, False),
        ("Deployment", {"namespace": "kube-system", "name": "node-local-dns"}, False),
    ],
)
def test_nodelocal_dnscache_is_known_by_its_daemonset(
    kind: str, metadata: dict[str, object], is_dns_cache: bool
) -> None:
    record = ObjectDecoder(()).decode(kind, json.dumps({"metadata": metadata}).encode())

    assert isinstance(record, OwnerRecord)
    assert record.is_dns_cache is is_dns_cache


@pytest.mark.parametrize(("value", "is_kept_out"), [("false", True), ("true", False), ("False", False), ("", False)])
def test_only_the_word_false_keeps_a_workload_out(value: str, is_kept_out: bool) -> None:
    assert pod(meta={"annotations": {"grapevine.dev/discover": value}}).is_kept_out is is_kept_out


@pytest.mark.parametrize(
    ("annotations", "labels", "service"),
    [
        (None, {"app.kubernetes.io/name": "shop"}, None),
        ({"resource.opentelemetry.io/service.name": "basket"}, None, ServiceName("basket")),
        ({"resource.opentelemetry.io/service.namespace": "commerce"}, None, ServiceName("", "commerce")),
    ],
)
def test_a_pod_says_in_annotations_what_its_service_is_called(
    annotations: dict[str, str] | None, labels: dict[str, str] | None, service: ServiceName | None
) -> None:
    assert pod(meta={"annotations": annotations, "labels": labels}).service == service


@pytest.mark.parametrize(
    ("annotations", "labels", "name"),
    [
        (None, {"instance": "shop-east", "name": "shop"}, "shop-east"),
        (None, {"name": "shop"}, "shop"),
        ({"resource.opentelemetry.io/service.name": "basket"}, {"name": "shop"}, "basket"),
    ],
)
def test_labels_say_it_where_they_are_asked_for(
    annotations: dict[str, str] | None, labels: dict[str, str], name: str
) -> None:
    meta = {"name": "p", "namespace": "n", "uid": "u", "annotations": annotations, "labels": labels}
    record = ObjectDecoder((), service_labels=("instance", "name")).decode(
        "Pod", json.dumps({"metadata": meta}).encode()
    )

    assert isinstance(record, PodRecord)
    assert record.service == ServiceName(name)
