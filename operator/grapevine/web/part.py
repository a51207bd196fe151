"""The part of the map that a query asks for."""

from collections.abc import Mapping

from grapevine.model.errors import PermanentInputError
from grapevine.view.legend import DASHED, DOTTED, SOLID
from grapevine.view.reach import MAX_DEPTH
from grapevine.view.selection import Part, nodes_called
from grapevine.view.servicemap import STATES, NodeRef, ServiceMap
from grapevine.web.query import BadQueryError, count_of, moment_of, text_of

_LINES = frozenset({SOLID, DASHED, DOTTED})


class UnknownNodeError(PermanentInputError):
    """The query names a node that the map does not have; the text goes into the 404 reply."""


def part_of_query(query: Mapping[str, str], whole: ServiceMap) -> Part:
    """Return what a query asks for of a map.

    Raises:
        BadQueryError: a value is none.
        UnknownNodeError: `focus` is nowhere in the map.
    """
    states = frozenset(_listed(query, "state"))
    if not states <= set(STATES):
        raise BadQueryError(f"state: give some of {', '.join(STATES)}")
    lines = frozenset(_listed(query, "line"))
    if not lines <= _LINES:
        raise BadQueryError(f"line: give some of {', '.join(sorted(_LINES))}")
    return Part(
        namespaces=tuple(dict.fromkeys(_listed(query, "namespace"))),
        focus=_named(query, "focus", whole) if text_of(query, "focus", needed=False) else (),
        depth=depth_of(query, 1),
        since_ms=moment_of(query, "since_ms"),
        new_since_ms=moment_of(query, "new_since_ms"),
        kinds=frozenset(_listed(query, "kind")),
        min_confidence=confidence_of(query),
        states=states,
        lines=lines,
        outside_only=flag_of(query, "outside"),
        search=text_of(query, "search", needed=False),
    )


def node_of_query(query: Mapping[str, str], key: str, whole: ServiceMap) -> NodeRef:
    """Return the one node that a query names.

    Raises:
        BadQueryError: it is missing, or names several.
        UnknownNodeError: it is nowhere in the map.
    """
    refs = _named(query, key, whole)
    if len(refs) > 1:
        raise BadQueryError(f"{key}: names several: {', '.join(map(str, refs[:10]))}")
    return refs[0]


def depth_of(query: Mapping[str, str], default: int) -> int:
    """Return `depth`, from 1 to MAX_DEPTH.

    Raises:
        BadQueryError: it is none of these.
    """
    depth = count_of(query, "depth", MAX_DEPTH, default)
    if not depth:
        raise BadQueryError(f"depth: give a number from 1 to {MAX_DEPTH}")
    return depth


def confidence_of(query: Mapping[str, str]) -> int:
    """Return `confidence`, in percent.

    Raises:
        BadQueryError: it is no percent.
    """
    return count_of(query, "confidence", 100)


def flag_of(query: Mapping[str, str], key: str) -> bool:
    """Return whether something is wanted: `1`, or `0` as by default.

    Raises:
        BadQueryError: it is neither.
    """
    return bool(count_of(query, key, 1))


def _named(query: Mapping[str, str], key: str, whole: ServiceMap) -> tuple[NodeRef, ...]:
    text = text_of(query, key)
    try:
        refs = nodes_called(whole, text, key)
    except PermanentInputError as error:
        raise BadQueryError(str(error)) from error
    if not refs:
        raise UnknownNodeError(f"{key}: nothing in the map is called so")
    return tuple(refs)


def _listed(query: Mapping[str, str], key: str) -> list[str]:
    return [each for each in text_of(query, key, needed=False).split(",") if each]
