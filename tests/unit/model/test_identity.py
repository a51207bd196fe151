"""Identities that must not be taken for one another."""

from grapevine.model.errors import GrapevineError, PermanentInputError, RetryableError
from grapevine.model.target import ServiceTarget, Target, WorkloadTarget
from grapevine.model.workload import WorkloadRef


def test_a_workload_is_told_by_namespace_kind_and_name() -> None:
    refs = {
        WorkloadRef("a", "K", "b"),
        WorkloadRef("b", "K", "a"),
        WorkloadRef("a", "L", "b"),
        WorkloadRef("a", "", "b"),
    }

    assert len(refs) == 4


def test_a_workload_prints_for_messages() -> None:
    assert str(WorkloadRef("shop", "Deployment", "web")) == "shop/Deployment/web"


def test_a_service_is_no_workload_of_its_name() -> None:
    targets: set[Target] = {ServiceTarget("shop", "web"), WorkloadTarget(WorkloadRef("shop", "", "web"))}

    assert len(targets) == 2


def test_both_families_of_errors_have_one_root() -> None:
    assert issubclass(PermanentInputError, GrapevineError)
    assert RetryableError("busy", after_s=3).after_s == 3
