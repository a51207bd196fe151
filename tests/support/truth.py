"""Who really talks to whom in the shop, in the form both ends of the pipeline are compared in."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from tests.support.objects import SHOP
from tests.support.service_graph import DrawnEdge

Intents = dict[tuple[str, str, str], frozenset[tuple[str, str, str]]]
"""(namespace, kind, name) of a client → its targets as (member, name or domain, kind)."""


def shop_truth() -> Intents:
    """Return `truth.yaml`."""
    truth = yaml.safe_load((SHOP / "truth.yaml").read_text())
    return {_client(client): frozenset(_stated(target) for target in targets) for client, targets in truth.items()}


def shop_drawn(*, is_namespace_named: bool = False) -> set[DrawnEdge]:
    """Return the shop's edges as a service graph draws them; nodes of the cluster are `namespace/name` if asked."""

    def called(namespace: str, name: str) -> str:
        return f"{namespace}/{name}" if is_namespace_named else name

    drawn = set()
    for (namespace, _, client), targets in shop_truth().items():
        for member, text, _ in targets:
            name, _, of = (text, "", "") if member == "internet" else text.partition(".")
            server = name if member == "internet" else called(of or namespace, name)
            inside = ("", namespace, of or namespace) if member == "kubernetes" else ("virtual_node", namespace, "")
            drawn.add(DrawnEdge(called(namespace, client), server, *inside))
    return drawn


def intents_of(resources: Iterable[Mapping[str, Any]]) -> Intents:
    """Return what ClientIntents objects say."""
    found: Intents = {}
    for resource in resources:
        workload = resource["spec"]["workload"]
        client = (resource["metadata"]["namespace"], workload.get("kind", ""), workload["name"])
        targets = [_rendered(target) for target in resource["spec"]["targets"]]
        assert client not in found, f"two objects for {client}"
        assert len(targets) == len(set(targets)), f"a target twice in {client}: {targets}"
        found[client] = frozenset(targets)
    return found


def _client(text: str) -> tuple[str, str, str]:
    namespace, kind, name = text.split("/")
    return namespace, kind, name


def _stated(text: str) -> tuple[str, str, str]:
    member, name, *kind = text.split()
    return member, name, kind[0] if kind else ""


def _rendered(target: Mapping[str, Any]) -> tuple[str, str, str]:
    ((member, fields),) = target.items()
    if member == "internet":
        (domain,) = fields["domains"]
        return member, domain, ""
    return member, fields["name"], fields.get("kind", "")
