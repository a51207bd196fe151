"""The map for a page: the graph with places, its calls as a table, blast radius, search, intents.

Everything is bounded: what is computed runs in a thread, few at a time, and is given up after a while; what is sent has
a most. An answer carries an ETag of its bytes, so that a page that asks again is told in one line that nothing changed.
docs/reference/openapi.yaml describes all of it, and a test asks by that description.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import msgspec
from aiohttp import web

from grapevine.model.errors import RetryableError
from grapevine.model.metric import Metric
from grapevine.view.reach import MAX_DEPTH, Blast, Cause, blast
from grapevine.view.selection import MAX_NODES, MAX_OUTSIDE, drawable, kind_of, part_of
from grapevine.view.servicemap import Link, Relation, ServiceMap
from grapevine.view.table import SORTED_BY, sorted_links, to_csv
from grapevine.view.wire import blast_fields, graph_fields, link_fields, ref_fields
from grapevine.web.difference import difference
from grapevine.web.part import (
    UnknownNodeError,
    confidence_of,
    depth_of,
    flag_of,
    node_of_query,
    part_of_query,
)
from grapevine.web.places import Places
from grapevine.web.query import BadQueryError, count_of, text_of
from grapevine.web.tagged import tagged

MAX_EDGES = 2_000
"""Links of one page of the table."""
MAX_ROWS = 50_000
"""Links of a CSV file."""
MAX_CHOICES = 500
"""Namespaces and kinds that can be chosen, of each."""
MAX_FOUND = 50
MAX_REACHED = 500
MAX_CHAIN_LINKS = 10_000
"""Links of all chains of a blast radius."""
MAX_AT_ONCE = 2
MAX_WAITING = 16
"""Questions that wait while MAX_AT_ONCE are answered; one more is told to come again."""
TIMEOUT_S = 20.0

_JSON, _CSV, _YAML = "application/json", "text/csv", "application/yaml"
_DOWNLOAD = 'attachment; filename="map.csv"'


class Maps(Protocol):
    """Where the map is."""

    @property
    def changes(self) -> int:
        """A number of what `current` answers now, which grows with each change of what the map says."""

    async def look(self) -> int:
        """Have `current` answer with what is new, and return the number of it."""

    async def current(self) -> ServiceMap:
        """Return the whole map."""

    def intents_yaml(self, namespace: str, kind: str, name: str) -> str | None:
        """Return a client's ClientIntents in YAML; None for one that is unknown."""


Answer = Callable[[ServiceMap, Mapping[str, str]], bytes]


def graph(whole: ServiceMap, query: Mapping[str, str], places: Places) -> bytes:
    """Answer `/api/v1/graph`; what stood somewhere in the answer before stays there, as far as can be."""
    part = part_of(whole, part_of_query(query, whole))
    drawn = drawable(part, most_outside=MAX_NODES if flag_of(query, "expand") else MAX_OUTSIDE)
    if len(drawn.nodes) > MAX_NODES or len(drawn.links) > MAX_ROWS:
        raise BadQueryError("the map is too large to be drawn: ask for a namespace or a focus")
    fields = graph_fields(drawn, places.lay_out(query, drawn))
    return msgspec.json.encode({**fields, "choices": _choices(whole)})


def edges(whole: ServiceMap, query: Mapping[str, str]) -> bytes:
    """Answer `/api/v1/edges`."""
    links: Sequence[Link] = part_of(whole, part_of_query(query, whole)).links
    start, number = count_of(query, "offset", MAX_ROWS), count_of(query, "limit", MAX_EDGES, MAX_EDGES)
    sort = text_of(query, "sort", needed=False)
    if sort.removeprefix("-") not in {"", *SORTED_BY}:
        raise BadQueryError(f"sort: give one of {', '.join(SORTED_BY)}, with - in front the other way around")
    if flag_of(query, "calls"):
        links = [link for link in links if link.relation is Relation.CALLS]
    if sort:
        links = sorted_links(links, sort.removeprefix("-"), is_reverse=sort.startswith("-"))
    page = links[start : start + number]
    return msgspec.json.encode({"total": len(links), "links": [link_fields(link) for link in page]})


def edges_csv(whole: ServiceMap, query: Mapping[str, str]) -> bytes:
    """Answer `/api/v1/edges.csv`."""
    found = part_of(whole, part_of_query(query, whole))
    return to_csv(ServiceMap(found.nodes, found.links[:MAX_ROWS])).encode()


def search(whole: ServiceMap, query: Mapping[str, str]) -> bytes:
    """Answer `/api/v1/search`."""
    text = text_of(query, "q").lower()
    found = [node.ref for node in whole.nodes if text in node.ref.words.lower()]
    found.sort(key=lambda ref: (not ref.name.lower().startswith(text), ref))
    return msgspec.json.encode({"total": len(found), "nodes": [ref_fields(ref) for ref in found[:MAX_FOUND]]})


def blast_radius(whole: ServiceMap, query: Mapping[str, str]) -> bytes:
    """Answer `/api/v1/blast`."""
    cause = text_of(query, "cause")
    if cause not in set(Cause):
        raise BadQueryError(f"cause: give one of {', '.join(Cause)}")
    root = node_of_query(query, "workload", whole)
    least = confidence_of(query)
    found = blast(whole, root, Cause(cause), depth=depth_of(query, MAX_DEPTH), min_confidence=least)
    kept = _surest(found)
    return msgspec.json.encode({**blast_fields(kept), "total": len(found.reached)})


ANSWERS: Mapping[str, tuple[Answer, str]] = {
    "/api/v1/edges": (edges, _JSON),
    "/api/v1/edges.csv": (edges_csv, _CSV),
    "/api/v1/search": (search, _JSON),
    "/api/v1/blast": (blast_radius, _JSON),
    "/api/v1/diff": (difference, _JSON),
}
"""Path → what computes the answer from the map and the query, in a thread, and its type."""


class GraphAnswers:
    """Answers questions about the map, few at a time."""

    def __init__(self, maps: Maps) -> None:
        self.maps = maps
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)
        self._places = Places()
        self._waiting = 0
        self._refused: Counter[str] = Counter()

    def metrics(self) -> list[Metric]:
        """Return how many wait, and how many were not answered."""
        waiting = "Questions about the map that are answered now or wait for it."
        refused = "Questions about the map that were told to come again: too many waited, or it took too long."
        return [
            Metric("grapevine_map_questions", "gauge", waiting, {"": self._waiting}),
            Metric("grapevine_map_questions_refused", "counter", refused, dict(self._refused), "reason"),
        ]

    def routes(self) -> Mapping[str, Callable[[web.Request], Awaitable[web.Response]]]:
        """Return what answers each path."""
        answers: dict[str, tuple[Answer, str]] = {
            **ANSWERS,
            "/api/v1/graph": (partial(graph, places=self._places), _JSON),
        }
        return {path: self._handler(*of) for path, of in answers.items()} | {"/api/v1/intents": self._intents}

    def _handler(self, answer: Answer, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            body = await self._computed(answer, request.query)
            return tagged(request, body, content_type, _DOWNLOAD if content_type == _CSV else "")

        return handle

    async def _computed(self, answer: Answer, query: Mapping[str, str]) -> bytes:
        """Return an answer.

        Raises:
            BadQueryError: the query is none of this endpoint's.
            UnknownNodeError: it names a node that is not there.
            RetryableError: too many wait, or it takes too long.
        """
        if self._waiting >= MAX_WAITING:
            self._refused["busy"] += 1
            raise RetryableError(f"{MAX_WAITING} other questions wait: come again", after_s=5)
        self._waiting += 1
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._at_once.acquire()
                # A thread cannot be ended: its turn is over when it is, not when nobody waits for it any more.
                task = asyncio.create_task(self._in_turn(answer, query))
                task.add_done_callback(_retrieved)
                return await asyncio.shield(task)
        except TimeoutError as error:
            self._refused["timeout"] += 1
            raise RetryableError(f"no answer within {TIMEOUT_S:.0f} s: ask for less", after_s=5) from error
        finally:
            self._waiting -= 1

    async def _in_turn(self, answer: Answer, query: Mapping[str, str]) -> bytes:
        try:
            return await asyncio.to_thread(answer, await self.maps.current(), query)
        finally:
            self._at_once.release()

    async def _intents(self, request: web.Request) -> web.Response:
        parts = text_of(request.query, "client").split("/")
        if len(parts) != 3:
            raise BadQueryError("client: give NAMESPACE/KIND/NAME")
        text = self.maps.intents_yaml(*parts)
        if text is None:
            raise UnknownNodeError("client: nothing is known of one called so")
        return tagged(request, text.encode(), _YAML)


def _retrieved(task: "asyncio.Task[bytes]") -> None:
    """Take note of a failure that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


def _choices(whole: ServiceMap) -> Mapping[str, list[str]]:
    """Return what a part can be chosen by."""
    namespaces = {node.ref.namespace for node in whole.nodes if not node.ref.is_outside}
    kinds = {kind_of(node.ref) for node in whole.nodes}
    return {"namespaces": sorted(namespaces)[:MAX_CHOICES], "kinds": sorted(kinds)[:MAX_CHOICES]}


def _surest(found: Blast) -> Blast:
    """Return a blast radius within the bounds."""
    kept = []
    links = 0
    for each in found.reached[:MAX_REACHED]:
        links += len(each.chain)
        if links > MAX_CHAIN_LINKS:
            break
        kept.append(each)
    return Blast(found.root, found.cause, tuple(kept), found.circle[:MAX_REACHED])
