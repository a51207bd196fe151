"""`status.resolvedIPs`."""

from typing import Any

from tests.support.builders import T0, an_actual, an_edge, an_object, desired_of, to_workload

from grapevine.intents.read import read_observed
from grapevine.intents.render import render_status
from grapevine.intents.resolved import MAX_RESOLVED_BYTES, resolved_ips
from grapevine.model.target import InternetTarget


def internet(*domains: str) -> dict[str, Any]:
    return {"internet": {"domains": list(domains)}}


def to_domain(name: str, *addresses: str) -> Any:
    return an_edge(InternetTarget(name), names=(name,), addresses=addresses)


FOUND = desired_of(
    [
        to_domain("b.example.com", "192.0.2.2", "192.0.2.3"),
        to_domain("a.example.com", "192.0.2.1", "2001:db8::1", "192.0.2.2"),
        to_domain("nowhere.example.com"),
        an_edge(to_workload("cart")),
    ]
)


def rows(*targets: dict[str, Any], discovered: bool = False) -> list[dict[str, Any]]:
    return resolved_ips(FOUND.observed, an_actual(targets=targets, discovered=discovered))


def test_a_domain_of_the_spec_has_the_addresses_it_resolved_to() -> None:
    assert rows(internet("b.example.com")) == [{"dns": "b.example.com", "ips": ["192.0.2.2", "192.0.2.3"]}]


def test_a_wildcard_has_those_of_every_name_below_it() -> None:
    assert rows(internet("*.example.com")) == [
        {"dns": "*.example.com", "ips": ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"]}
    ]


def test_a_domain_that_did_not_resolve_or_is_not_declared_has_no_entry() -> None:
    assert rows(internet("nowhere.example.com", "else.example.com")) == []


def test_entries_are_sorted_whatever_order_the_spec_has() -> None:
    found = rows(internet("b.example.com"), internet("a.example.com"), internet("b.example.com"))

    assert [row["dns"] for row in found] == ["a.example.com", "b.example.com"]


def test_the_list_is_bounded() -> None:
    names = [f"{n:04}.example.com" for n in range(1_000)]
    found = desired_of([to_domain(name, *(f"2001:db8::{n:x}" for n in range(32))) for name in names])

    told = resolved_ips(found.observed, an_actual(targets=[internet(*names)]))

    assert 0 < len(str(told)) < MAX_RESOLVED_BYTES + 1_000


def test_a_status_gives_them_back_after_a_restart() -> None:
    resource: dict[str, Any] = an_object(targets=[internet("a.example.com"), internet("b.example.com")])
    status = render_status(FOUND, an_actual(targets=resource["spec"]["targets"]), T0)["status"]

    back = {item.names: item.addresses for item in read_observed({**resource, "status": status})}

    assert back["a.example.com",] == ("192.0.2.1", "192.0.2.2", "2001:db8::1")
