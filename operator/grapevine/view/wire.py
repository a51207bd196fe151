"""The map as JSON values: what the API sends and `-o json` prints (docs/reference/api.md)."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

from grapevine.view import legend
from grapevine.view.difference import Changed, Difference
from grapevine.view.layout import Box, Layout
from grapevine.view.ranking import Dependence, TracingStep
from grapevine.view.reach import Blast, Reached
from grapevine.view.routes import Route, routes
from grapevine.view.servicemap import Link, Node, NodeRef, Relation, ServiceMap
from grapevine.view.theme import hue_numbers

Fields = dict[str, Any]


def ref_fields(ref: NodeRef) -> Fields:
    """Return a node's identity."""
    return {"id": str(ref), "namespace": ref.namespace, "kind": ref.kind, "name": ref.name}


def link_fields(link: Link) -> Fields:
    """Return all that is known of a link."""
    fields: Fields = {
        "client": str(link.client),
        "target": str(link.target),
        "relation": link.relation.value,
        "line": legend.line_of(link),
        "evidence": list(link.evidence),
        "confidence": link.confidence,
        "state": link.state,
        "first_ms": link.first_ms,
        "last_ms": link.last_ms,
        "count": link.count,
        "ports": list(link.ports),
        "sources": list(link.sources),
        "stands_for": link.stands_for,
        "silent_ms": link.silent_ms,
    }
    if link.relation is Relation.BEHIND:
        fields["share"] = link.share
    return fields


def graph_fields(found: ServiceMap, layout: Layout) -> Fields:
    """Return a map with where everything stands, ready to be drawn."""
    first_ms, last_ms = found.span_ms
    lines = routes(found.links, layout.boxes)
    hues = hue_numbers(node.ref.namespace for node in found.nodes)
    return {
        "width": layout.width,
        "height": layout.height,
        "first_ms": first_ms,
        "last_ms": last_ms,
        "calls": found.calls,
        "notes": list(found.notes),
        "islands": [{"namespace": each.namespace, **_box(each.box)} for each in layout.islands],
        "nodes": [
            {**_node(node), "hue": hues.get(node.ref.namespace), **_box(layout.boxes[node.ref])} for node in found.nodes
        ],
        "links": [
            {**link_fields(link), "path": _path(line), "tip": list(line.tip)}
            for link, line in zip(found.links, lines, strict=True)
        ],
    }


def blast_fields(found: Blast) -> Fields:
    """Return a blast radius."""
    return {
        "root": ref_fields(found.root),
        "cause": found.cause.value,
        "circle": [ref_fields(ref) for ref in found.circle],
        "reached": [_reached(each) for each in found.reached],
    }


def difference_fields(found: Difference, most: int | None = None) -> Fields:
    """Return what is different; at most so many of each, and how many there are."""
    parts: dict[str, tuple[int, list[Fields]]] = {
        "came": (len(found.came), [ref_fields(ref) for ref in found.came[:most]]),
        "left": (len(found.left), [ref_fields(ref) for ref in found.left[:most]]),
        "added": (len(found.added), [link_fields(link) for link in found.added[:most]]),
        "gone": (len(found.gone), [link_fields(link) for link in found.gone[:most]]),
        "changed": (len(found.changed), [_changed(each) for each in found.changed[:most]]),
    }
    return {
        "total": {name: number for name, (number, _) in parts.items()},
        **{name: shown for name, (_, shown) in parts.items()},
    }


def dependence_fields(each: Dependence) -> Fields:
    """Return how much depends on a node."""
    return {
        **ref_fields(each.ref),
        "callers": each.callers,
        "dependents": each.dependents,
        "namespaces": each.namespaces,
    }


def tracing_fields(each: TracingStep) -> Fields:
    """Return one workload to instrument."""
    return {
        **ref_fields(each.ref),
        "callers": each.callers,
        "callees": each.callees,
        "between": each.between,
        "adds": each.adds,
        "shows": each.shows,
    }


def _changed(each: Changed) -> Fields:
    return {"what": list(each.what), "before": link_fields(each.before), "after": link_fields(each.after)}


def _reached(each: Reached) -> Fields:
    return {
        **ref_fields(each.ref),
        "sure": each.sure,
        "calls": each.calls,
        "partial": each.is_partial,
        "chain": [link_fields(link) for link in each.chain],
    }


def _node(node: Node) -> Fields:
    return {**ref_fields(node.ref), "stands_for": node.stands_for, "dead": node.dead}


def _box(box: Box) -> Mapping[str, float]:
    return {"x": box.x, "y": box.y, "width": box.width, "height": box.height}


def _path(line: Route) -> list[float]:
    """Return the numbers of an SVG path: start, then of each curve two control points and the end."""
    return [*line.start, *chain.from_iterable(chain.from_iterable(line.curves))]
