"""An explanation as text: from the JSON of the API, so that a live map and a file read the same."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from grapevine.insight.explain import Explanation
from grapevine.model.errors import PermanentInputError
from grapevine.model.timestamp import format_s
from grapevine.model.workload import WorkloadRef

_VERDICTS = {
    "dead": "asks for {asked}, which never resolved",
    "unnamed-address": "connects to {asked}, an address no look-up of its led to and nobody in the cluster has",
    "noise": "has no edge to {asked}: it was asked for, and is counted as {reasons}",
    "itself": "is {asked}: what a workload asks of itself is no edge",
    "not-seen": "was never seen to reach {asked}",
    "client-quiet": "exists, and nothing was seen of it; its pods may be on a node that is not heard: grapevine doctor",
    "client-unknown": "no such workload exists, and nothing was ever seen of one; kubectl get clientintents -A",
    "client-ambiguous": "workloads of several kinds have this name; say which: {candidates}",
}


def parse_client(text: str, namespace: str, what: str) -> WorkloadRef:
    """Return the workload meant by `NAME`, `NAMESPACE/NAME` or `NAMESPACE/KIND/NAME`; its kind may be empty.

    Raises:
        PermanentInputError: it is none of these, or has no namespace where `namespace` is empty; `what` is named.
    """
    parts = text.strip("/").split("/")
    if len(parts) == 1 and namespace:
        parts = [namespace, *parts]
    if len(parts) not in (2, 3) or not all(parts):
        raise PermanentInputError(f"{what}: {text!r} names no workload: give NAMESPACE/NAME or NAMESPACE/KIND/NAME")
    return WorkloadRef(parts[0], parts[1] if len(parts) == 3 else "", parts[-1])


def to_json(explanation: Explanation) -> dict[str, Any]:
    """Return what `/api/v1/explain` sends."""
    return asdict(explanation)


def explanation_lines(answer: Mapping[str, Any], client: str = "") -> list[str]:
    """Return the explanation; `client` as it was asked for stands in where the answer knows none."""
    who = _workload(answer["client"]) if answer["client"] else client or "the client"
    lines: list[str] = []
    if template := _VERDICTS.get(answer["verdict"]):
        candidates = ", ".join(f"{c['namespace']}/{c['kind']}/{c['name']}" for c in answer["candidates"])
        lines.append(
            f"{who} {template.format(asked=answer['asked'], candidates=candidates, reasons=_list(answer['reasons']))}"
        )
    if answer["is_on_host_network"]:
        lines.append(
            "  its pods are on the host network: their look-ups carry the address of their node (host-network)"
        )
    for edge in answer["edges"]:
        lines += [*([""] if lines else []), *_edge_lines(who, edge)]
    for dead in answer["dead"]:
        lines.append(f"  {dead['name']}: {dead['rcode']}, {dead['count']:,} look-ups, {_span(dead)}")
    for address in answer["unnamed"]:
        ports = _list(address["ports"])
        lines.append(f"  {address['address']}, port {ports}: {address['count']:,} connections, {_span(address)}")
    if answer["targets"]:
        lines.append(f"  it reaches: {_list(answer['targets'])}")
    if answer["noise"]:
        lines += ["", "Left out of what this client did, by reason (docs/reference/operator.md):"]
        lines += [_noise_line(noise) for noise in answer["noise"]]
    return lines


def _edge_lines(who: str, edge: Mapping[str, Any]) -> Iterator[str]:
    yield f"{who} → {_target(edge['target'])}"
    yield f"  confidence  {edge['confidence']} % ({' and '.join(edge['evidence'])}): {edge['because']}"
    yield f"  seen        at least {edge['count']:,} times, {_span(edge)}"
    for owner in edge["owners"]:
        share = "" if owner["share"] is None else f", {owner['share']} % of what was seen"
        yield f"  behind it   {_workload(owner['workload'])}, {owner['pods']} pods{share}"
    if edge["target"]["type"] == "service" and len(edge["owners"]) != 1:
        several = "several workloads are" if edge["owners"] else "no workload is known"
        yield f"  ambiguity   {several} behind the Service, so the Service is the target"
    if edge["service_ports"]:
        yield f"  port        {_list(edge['service_ports'])}, by the Service"
    for name in edge["names"]:
        yield from _name_lines(name)
    if edge["cut"]:
        yield f"  … and {edge['cut']:,} more names"


def _name_lines(name: Mapping[str, Any]) -> Iterator[str]:
    yield f"  by {name['name'] or 'the address of a pod'}"
    if name["lookups"]:
        answered = "answered" if name["is_answered"] else "not answered: nothing was ready"
        yield f"    look-ups    {name['lookups']['count']:,}, {answered}, {_span(name['lookups'])}"
    if name["connections"]:
        ports = f" to port {_list(name['ports'])}" if name["ports"] else ""
        yield f"    connections {name['connections']['count']:,}{ports}, {_span(name['connections'])}"
    for label, key in (
        ("pods", "pods"),
        ("resolvers", "resolvers"),
        ("answers", "answers"),
        ("heard by", "sources"),
        ("shared with", "shared_with"),
    ):
        if name[key]:
            yield f"    {label:<11} {_list(name[key])}"
    if not name["pods"]:
        yield "    pods        not known: seen before the operator started, or over the bound of what it remembers"


def _noise_line(noise: Mapping[str, Any]) -> str:
    sample = f", as {_list(noise['names'])}" if noise["names"] else ""
    return f"  {noise['reason']:<26} {noise['count']:,}{sample}"


def _span(seen: Mapping[str, Any]) -> str:
    first, last = format_s(seen["first_ms"]), format_s(seen["last_ms"])
    return f"at {first}" if first == last else f"{first} to {last}"


def _workload(ref: Mapping[str, Any]) -> str:
    return f"{ref['namespace']}/{ref['name']}" + (f" ({ref['kind']})" if ref["kind"] else "")


def _target(target: Mapping[str, Any]) -> str:
    if target["type"] == "internet":
        return str(target["name"])
    kind = "Service" if target["type"] == "service" else target["kind"]
    return _workload({**target, "kind": kind})


def _list(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
