"""A tick's calls as requests: one trace a client and hundred calls, whole traces a request. Pure.

Why one trace a client and not one a call: a burst of ten thousand one-call traces exceeds Tempo's limit of live ones.
Why never a trace, let alone a pair, over two requests: the collector's connector waits two seconds for the other half,
and any two requests may go to different collectors. Why few client-only calls at once: these wait in a store of a
thousand.

Source: Grafana Tempo, metrics-generator; OpenTelemetry Collector contrib, servicegraph connector.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from grapevine.export.calls import Call
from grapevine.export.nodes import VirtualNode

MAX_CALLS = 100
"""Calls of one trace: 201 spans, which a viewer still shows."""
MAX_SPANS = 512
"""Spans of one request."""
MAX_WAITING = 200
"""Client-only calls of one request, and a second."""


@dataclass(slots=True)
class SpanBatch:
    """One request."""

    traces: list[Sequence[Call]] = field(default_factory=list)
    """Calls of one client each, at most `MAX_CALLS`."""
    spans: int = 0
    """Roots included."""
    waiting: int = 0
    """Calls whose far end has no resource, so that a back end waits for it in vain before it draws them."""

    @property
    def calls(self) -> Iterator[Call]:
        """All calls."""
        return itertools.chain.from_iterable(self.traces)


def span_batches(calls: Sequence[Call]) -> Iterator[SpanBatch]:
    """Yield the requests, in order; a client's calls must be next to each other."""
    batch = SpanBatch()
    for _, group in itertools.groupby(calls, key=lambda call: call.client):
        of_client = list(group)
        for at in range(0, len(of_client), MAX_CALLS):
            trace = of_client[at : at + MAX_CALLS]
            waiting = sum(isinstance(call.server, VirtualNode) for call in trace)
            spans = 1 + 2 * len(trace) - waiting
            if batch.traces and (batch.spans + spans > MAX_SPANS or batch.waiting + waiting > MAX_WAITING):
                yield batch
                batch = SpanBatch()
            batch.traces.append(trace)
            batch.spans += spans
            batch.waiting += waiting
    if batch.traces:
        yield batch


def pause_s(waiting: int, all_waiting: int, tick_s: int) -> float:
    """Return how long to wait after a request with so many client-only calls: all of them must fit into half a tick."""
    return waiting / max(MAX_WAITING, all_waiting / (tick_s / 2))
