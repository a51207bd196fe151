"""From a pod to the workload it is of."""

from dataclasses import replace

import pytest
from tests.support.builders import LATER, T0, a_deployment, a_pod, a_workload, an_index, an_owner, owned_by

from grapevine.model.workload import WorkloadRef
from grapevine.resolver.owners import OwnerIndex, Root
from grapevine.resolver.records import OwnerKey, OwnerRecord, PodRecord, Record, RecordGone


@pytest.mark.parametrize(
    ("records", "owner", "kind", "name"),
    [
        (a_deployment("web"), owned_by("ReplicaSet", "web-1"), "Deployment", "web"),
        ([an_owner("ReplicaSet", "alone")], owned_by("ReplicaSet", "alone"), "ReplicaSet", "alone"),
        ([an_owner("StatefulSet", "redis")], owned_by("StatefulSet", "redis"), "StatefulSet", "redis"),
        ([an_owner("DaemonSet", "logs")], owned_by("DaemonSet", "logs"), "DaemonSet", "logs"),
        ([an_owner("Job", "migrate")], owned_by("Job", "migrate"), "Job", "migrate"),
        (
            [an_owner("CronJob", "report"), an_owner("Job", "report-28471234", owned_by("CronJob", "report"))],
            owned_by("Job", "report-28471234"),
            "CronJob",
            "report",
        ),
        ([an_owner("CronJob", "a-1")], owned_by("Job", "a-1-28471234"), "CronJob", "a-1"),
        ([], owned_by("Rollout", "blue"), "Rollout", "blue"),
        ([an_owner("ReplicaSet", "r", owned_by("Rollout", "r"))], owned_by("ReplicaSet", "r"), "Rollout", "r"),
    ],
)
def test_names_the_root_of_the_chain(records: list[Record], owner: OwnerKey, kind: str, name: str) -> None:
    index = an_index(*records)

    assert index.workload_of(a_pod(owner=owner)) == (WorkloadRef("shop", kind, name), True)


@pytest.mark.parametrize(
    ("records", "owner", "expected"),
    [
        ([], owned_by("ReplicaSet", "web-1"), "ReplicaSet/web-1"),
        (a_deployment("web")[1:], owned_by("ReplicaSet", "web-1"), "Deployment/web"),
        ([], owned_by("Job", "report-28471234"), "Job/report-28471234"),
        (
            [an_owner("CronJob", "report", namespace="elsewhere")],
            owned_by("Job", "report-28471234"),
            "Job/report-28471234",
        ),
    ],
)
def test_an_owner_not_delivered_is_a_guess(records: list[Record], owner: OwnerKey, expected: str) -> None:
    workload, is_certain = an_index(*records).workload_of(a_pod(owner=owner))

    assert (f"{workload.kind}/{workload.name}", is_certain) == (expected, False)


def test_the_uid_chooses_among_owners_of_one_name() -> None:
    old = an_owner("ReplicaSet", "web-1", owned_by("Deployment", "old"), uid="1")
    new = an_owner("ReplicaSet", "web-1", owned_by("Rollout", "new"), uid="2")
    index = an_index(an_owner("Deployment", "old"), old, new)

    assert index.workload_of(a_pod(owner=owned_by("ReplicaSet", "web-1", uid="1")))[0].name == "old"


def test_the_newest_owner_stands_in_for_an_unknown_uid() -> None:
    old = an_owner("ReplicaSet", "web-1", owned_by("Rollout", "old"), uid="1")
    new = an_owner("ReplicaSet", "web-1", owned_by("Rollout", "new"), uid="2")
    index = an_index(old, new)

    assert index.workload_of(a_pod(owner=owned_by("ReplicaSet", "web-1", uid="3")))[0].name == "new"


def test_a_cycle_of_owners_ends() -> None:
    a = an_owner("ReplicaSet", "a", owned_by("ReplicaSet", "b"))
    b = an_owner("ReplicaSet", "b", owned_by("ReplicaSet", "a"))

    assert an_index(a, b).workload_of(a_pod(owner=owned_by("ReplicaSet", "a")))[0].kind == "ReplicaSet"


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (a_pod("debug"), "Pod/debug"),
        (a_pod("my.pod"), "Pod/my_pod"),
        (a_pod("etcd-node1", owner=owned_by("Node", "node1")), "Pod/etcd"),
        (a_pod("etcd-node1.example.net", owner=owned_by("Node", "node1.example.net")), "Pod/etcd"),
        (a_pod(owner=owned_by("Rollout", "a.b")), "Rollout/a_b"),
        (a_pod(override="billing-ui", owner=owned_by("Rollout", "x")), "/billing-ui"),
        (a_pod("p", override="not a name"), "Pod/p"),
        (a_pod("p", override="two.parts"), "Pod/p"),
    ],
)
def test_names_the_workload_of_a_pod_without_chain(pod: PodRecord, expected: str) -> None:
    workload, is_certain = an_index().workload_of(pod)

    assert (f"{workload.kind}/{workload.name}", is_certain) == (expected, True)


KNATIVE = "serving.knative.dev"


def knative(kind: str, name: str, owner: OwnerKey | None = None) -> OwnerRecord:
    return OwnerRecord("shop", kind, name, f"uid-{kind}-{name}", owner, KNATIVE)


def owned_by_knative(kind: str, name: str) -> OwnerKey:
    return OwnerKey(kind, name, f"uid-{kind}-{name}", KNATIVE)


def test_a_chain_goes_on_through_kinds_of_other_groups() -> None:
    index = an_index(
        an_owner("ReplicaSet", "hello-1-d-5f", owned_by("Deployment", "hello-1-d")),
        an_owner("Deployment", "hello-1-d", owned_by_knative("Revision", "hello-1")),
        knative("Revision", "hello-1", owned_by_knative("Configuration", "hello")),
        knative("Configuration", "hello", owned_by_knative("Service", "hello")),
        knative("Service", "hello"),
    )
    pod = a_pod(owner=owned_by("ReplicaSet", "hello-1-d-5f"))

    assert index.workload_of(pod) == (WorkloadRef("shop", "Service", "hello"), True)
    assert index.unread_owners() == {}


def test_a_kind_of_the_same_name_in_another_group_is_another_owner() -> None:
    index = an_index(an_owner("Deployment", "web", owned_by("Rollout", "canary")))
    other = OwnerKey("Deployment", "web", "uid-Deployment-web", "example.com")

    assert index.workload_of(a_pod(owner=other))[0] == a_workload("web")
    assert index.unread_owners() == {"Deployment.example.com": 1}


def test_an_owner_of_the_whole_cluster_is_found_from_every_namespace() -> None:
    index = an_index(OwnerRecord("", "Fleet", "all", "f", OwnerKey("Team", "blue", "t", "example.com"), "example.com"))

    assert index.workload_of(a_pod(owner=OwnerKey("Fleet", "all", "f", "example.com")))[0].name == "blue"


def test_an_owner_that_could_not_be_read_is_said_until_it_is() -> None:
    index = an_index(an_owner("ReplicaSet", "web-1", owned_by_knative("Revision", "web-1")))
    pod = a_pod(owner=owned_by("ReplicaSet", "web-1"))
    (workload, is_certain), before = index.workload_of(pod), index.unread_owners()
    said = index.unread_owner(workload)
    index.apply([knative("Revision", "web-1")], LATER)

    assert (str(workload.kind), is_certain, said) == ("Revision", True, "Revision.serving.knative.dev")
    assert (before, index.unread_owners(), index.unread_owner(workload)) == ({said: 1}, {}, "")


def test_an_owner_of_a_kind_that_is_followed_may_only_be_late() -> None:
    index = an_index()
    pod = a_pod(owner=owned_by_knative("Revision", "web-1"))
    before = index.workload_of(pod)
    index.follow_owners(KNATIVE, "Revision")

    assert (before[1], index.workload_of(pod)[1]) == (True, False)


def test_a_job_that_nothing_owns_is_named_by_its_images_where_they_are_kept() -> None:
    job = replace(a_pod(owner=owned_by("Job", "backup-x7f")), images="my.backup")
    index = an_index(an_owner("Job", "backup-x7f"))
    cron = an_index(an_owner("Job", "backup-x7f", owned_by("CronJob", "backup")), an_owner("CronJob", "backup"))

    assert index.workload_of(job)[0] == a_workload("my_backup", kind="Job")
    assert cron.workload_of(job)[0] == a_workload("backup", kind="CronJob")


def test_the_owner_gone_longest_gives_way_to_the_bound_unless_pods_need_it() -> None:
    index = OwnerIndex(max_tombstones=2)
    for n, name in enumerate(("needed", "b", "c")):
        index.put(an_owner("ReplicaSet", name))
        index.mark_gone(an_owner("ReplicaSet", name), T0 + n)
        index.forget_before(T0 + 1, [("shop", owned_by("ReplicaSet", "needed"))])
    found = [index.root_of("shop", owned_by("ReplicaSet", name)).is_certain for name in ("needed", "b", "c")]

    assert (found, index.forgotten) == ([True, False, True], 1)


def test_same_named_workloads_of_two_kinds_are_two() -> None:
    deployment = an_index().workload_of(a_pod(owner=owned_by("Rollout", "foo")))
    stateful = an_index().workload_of(a_pod(owner=owned_by("Experiment", "foo")))

    assert deployment != stateful


def test_a_deleted_owner_is_known_until_it_is_forgotten() -> None:
    index = OwnerIndex()
    record = an_owner("ReplicaSet", "web-1", owned_by("Rollout", "web"))
    index.put(record)
    index.mark_gone(record, T0)

    index.forget_before(T0, ())
    before = index.root_of("shop", owned_by("ReplicaSet", "web-1"))
    index.forget_before(T0 + 1, ())

    after = index.root_of("shop", owned_by("ReplicaSet", "web-1"))
    assert before == Root("Rollout", "web", is_certain=True, unread="Rollout")
    assert after == Root("ReplicaSet", "web-1", is_certain=False, unread="ReplicaSet.apps")


def test_deleted_owners_stay_as_long_as_a_pod_of_theirs() -> None:
    pod = a_pod(owner=owned_by("ReplicaSet", "web-1"))
    index = an_index(*a_deployment("web"), pod, *(RecordGone(r, T0) for r in a_deployment("web")))

    index.forget_before(T0 + 10**9)

    assert index.workload_of(pod) == (a_workload(), True)


def test_deleted_owners_go_with_their_last_pod() -> None:
    pod = a_pod(owner=owned_by("ReplicaSet", "web-1"), end_ms=T0 + 999)
    index = an_index(*a_deployment("web"), pod, *(RecordGone(r, T0) for r in (*a_deployment("web"), pod)))

    index.forget_before(T0 + 10**9)

    assert index.workload_of(pod) == (a_workload("web-1", kind="ReplicaSet"), False)


def test_an_owner_made_again_is_no_tombstone() -> None:
    record = an_owner("ReplicaSet", "web-1", owned_by("Rollout", "web"))
    index = an_index(record, RecordGone(record, T0), record)

    index.forget_before(T0 + 10**9)

    assert index.workload_of(a_pod(owner=owned_by("ReplicaSet", "web-1")))[1]


def test_the_end_of_an_owner_never_heard_of_is_harmless() -> None:
    index = an_index(RecordGone(an_owner("Job", "x"), T0))

    index.forget_before(T0 + 10**9)

    assert index.workload_of(a_pod(owner=owned_by("Job", "x")))[1] is False


def test_a_dns_cache_is_known_until_its_daemonset_goes() -> None:
    cache = replace(an_owner("DaemonSet", "node-local-dns"), is_dns_cache=True)
    index = an_index(cache, an_owner("DaemonSet", "kube-proxy"))
    assert index.dns_caches() == [cache]

    index.apply([RecordGone(cache, T0)], LATER)
    assert index.dns_caches() == []
