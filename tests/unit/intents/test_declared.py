"""A person's object held against what was observed."""

from typing import Any

import pytest
from tests.support.builders import a_workload, an_actual, an_edge, desired_of, to_workload

from grapevine.intents.declared import compare, unresolved_reason
from grapevine.model.edge import DeadDependency, Edge
from grapevine.model.target import InternetTarget, ServiceTarget

CART = an_edge(to_workload("cart", namespace="orders"), names=("cart-svc.orders.svc.cluster.local",))
PAYMENT = an_edge(ServiceTarget("payments", "payment"), names=("payment.payments.svc.cluster.local",))
API = an_edge(ServiceTarget("default", "kubernetes"), names=("kubernetes.default.svc.cluster.local",))
S3 = an_edge(InternetTarget("b.s3.example.com"), names=("b.s3.example.com",))
ALIAS = an_edge(InternetTarget("api.example.com"), names=("ext.shop.svc.cluster.local",))


def kubernetes(name: str, kind: str = "") -> dict[str, Any]:
    return {"kubernetes": {"name": name, **({"kind": kind} if kind else {})}}


def service(name: str) -> dict[str, Any]:
    return {"service": {"name": name}}


def domains(*names: str) -> dict[str, Any]:
    return {"internet": {"domains": list(names)}}


@pytest.mark.parametrize(
    ("edge", "target"),
    [
        (CART, kubernetes("cart.orders")),
        (CART, kubernetes("cart.orders", "Deployment")),
        (CART, kubernetes("cart-svc.orders", "Service")),
        (CART, service("cart-svc.orders")),
        (CART, {"kafka": {"name": "cart.orders"}}),
        (an_edge(to_workload("web2")), kubernetes("web2")),
        (PAYMENT, service("payment.payments")),
        (PAYMENT, kubernetes("payment.payments", "Service")),
        (PAYMENT, kubernetes("payment.payments")),
        (PAYMENT, {"kafka": {"name": "payment.payments"}}),
        (API, service("kubernetes.default")),
        (S3, domains("b.s3.example.com")),
        (S3, domains("other.example.com", "*.s3.example.com")),
        (S3, domains("*.example.com")),
        (S3, domains("B.S3.Example.com.")),
        (ALIAS, service("ext")),
        (ALIAS, domains("api.example.com")),
    ],
)
def test_a_target_declares_the_edge(edge: Edge, target: dict[str, Any]) -> None:
    findings = compare(desired_of([edge]), an_actual(targets=[target], discovered=False))

    assert ([i.declared for i in findings.observed], findings.undeclared, findings.unused) == ([True], 0, 0)


@pytest.mark.parametrize(
    ("edge", "target"),
    [
        (CART, kubernetes("cart")),
        (CART, kubernetes("cart.orders", "StatefulSet")),
        (CART, kubernetes("cart.orders", "Service")),
        (CART, service("cart.orders")),
        (CART, service("svc.orders")),
        (PAYMENT, kubernetes("payment.payments", "Deployment")),
        (API, service("kubernetes")),
        (S3, domains("*.b.s3.example.com")),
        (S3, domains("s3.example.com")),
        (an_edge(InternetTarget("evilexample.com")), domains("*.example.com")),
    ],
)
def test_a_target_of_something_else_is_unused_and_the_edge_undeclared(edge: Edge, target: dict[str, Any]) -> None:
    findings = compare(desired_of([edge]), an_actual(targets=[target], discovered=False))

    assert ([i.declared for i in findings.observed], findings.undeclared, findings.unused) == ([False], 1, 1)


@pytest.mark.parametrize(
    "target",
    [
        {"internet": {"ips": ["192.0.2.1"]}},
        {"internet": {"ips": ["192.0.2.1"], "domains": ["x.example.com"]}},
        {"sql": {"name": "payment.payments", "privileges": ["ALL"]}},
        {"aws": {"arn": "arn:aws:s3:::b"}},
        {"gcp": {"resource": "r"}},
        {"azure": {"scope": "/s"}},
    ],
)
def test_a_target_whose_use_dns_cannot_show_is_never_unused_and_declares_nothing(target: dict[str, Any]) -> None:
    findings = compare(desired_of([PAYMENT]), an_actual(targets=[target], discovered=False))

    assert (findings.undeclared, findings.unused) == (1, 0)


def test_a_discovered_object_has_no_findings() -> None:
    findings = compare(desired_of([CART]), an_actual(targets=[service("x")]))

    assert ([i.declared for i in findings.observed], findings.undeclared, findings.unused) == ([None], 0, 0)


def test_a_dead_dependency_is_neither_declared_nor_undeclared() -> None:
    dead = DeadDependency(a_workload(), "ghost", "NXDOMAIN", 0, 0, 1)

    findings = compare(desired_of([], [dead]), an_actual(discovered=False))

    assert ([i.declared for i in findings.observed], findings.undeclared) == ([None], 0)


@pytest.mark.parametrize(
    ("targets", "reason", "names"),
    [
        ([], "DeadDependency", ["cart", "api.example.com"]),
        ([kubernetes("cart")], "KubernetesServiceNotFound", ["cart"]),
        ([service("cart.shop")], "KubernetesServiceNotFound", ["cart"]),
        ([service("cart.orders")], "DeadDependency", ["cart", "api.example.com"]),
        ([domains("api.example.com")], "IntentToUnresolvedDns", ["api.example.com"]),
        ([domains("*.example.com")], "IntentToUnresolvedDns", ["api.example.com"]),
        ([domains("api.example.com"), kubernetes("cart")], "KubernetesServiceNotFound", ["cart"]),
    ],
)
def test_what_never_resolved_has_otterizes_reason_where_a_spec_names_it(
    targets: list[dict[str, Any]], reason: str, names: list[str]
) -> None:
    dead = ["cart", "api.example.com"]

    assert unresolved_reason(dead, an_actual(discovered=False, targets=targets)) == (reason, names)
    assert unresolved_reason(dead, an_actual(targets=targets)) == ("DeadDependency", dead)


@pytest.mark.parametrize("name", ["payment.payments", "payment.payments.svc"])
def test_a_service_elsewhere_is_named_with_its_namespace(name: str) -> None:
    actual = an_actual(discovered=False, targets=[service("payment.payments")])

    assert unresolved_reason([name], actual) == ("KubernetesServiceNotFound", [name])
