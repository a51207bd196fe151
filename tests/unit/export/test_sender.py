"""A tick's work on a clock of its own: what a collector does not take, and what comes of it."""

import logging
from collections.abc import Iterable
from dataclasses import replace

import pytest
from tests.support.builders import T0, a_workload, an_edge, to_workload
from tests.support.telemetry import BOTH, FakeWire, a_snapshot

from grapevine.export.collector_health import WARN_PERIOD_MS
from grapevine.export.sender import Sender
from grapevine.export.settings import TelemetrySettings
from grapevine.export.transport import Answer
from grapevine.model.edge import Edge
from grapevine.model.target import InternetTarget

TICK_S = BOTH.tick_s


def a_sender(wire: FakeWire, settings: TelemetrySettings = BOTH) -> Sender:
    return Sender(settings, wire, clock_ns=wire.clock_ns, wait=wire.wait)


def tick(sender: Sender, wire: FakeWire, edges: Iterable[Edge]) -> None:
    """Let a tick pass, as far as the work itself has not taken that long."""
    began_s = wire.now_s
    sender.tick(a_snapshot(edges, at_ms=int(wire.now_s * 1_000)))
    wire.now_s = max(wire.now_s, began_s + TICK_S)


def counted(sender: Sender, name: str, label: str = "") -> float:
    return next(each.samples[label] for each in sender.metrics() if each.name == name)


def many(clients: int, calls: int, count: int = 1) -> list[Edge]:
    return [
        an_edge(to_workload(f"s{s}"), client=a_workload(f"c{c:03d}"), count=count)
        for c in range(clients)
        for s in range(calls)
    ]


def test_every_live_edge_is_told_once_a_tick() -> None:
    wire = FakeWire()
    sender = a_sender(wire)

    tick(sender, wire, [an_edge(to_workload("cart"), count=3)])
    tick(sender, wire, [an_edge(to_workload("cart"), count=3)])

    assert [("web", "cart", 3), ("web", "cart", 0)] == [each[:3] for each in wire.told]
    assert [{"web → cart": 0}, {"web → cart": 3}] == wire.points
    assert (2, 1) == (counted(sender, "grapevine_otlp_edges_sent"), counted(sender, "grapevine_otlp_live_edges"))


def test_half_an_hour_without_a_collector_loses_no_count_grows_nothing_and_warns_once_a_period(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    wire = FakeWire()
    sender = a_sender(wire)
    tick(sender, wire, many(10, 10))
    tick(sender, wire, many(10, 10))
    sizes = []

    wire.refusal, wire.asked = "connection refused", 0
    for n in range(60):
        tick(sender, wire, many(10, 10, count=2 + n))
        sizes.append(counted(sender, "grapevine_graph_series"))
    assert 2 * 60 == wire.asked, "after a request that was not taken, the rest of its signal waits for the next tick"
    assert {100} == set(sizes)
    wire.refusal, wire.told, wire.points = "", [], []
    tick(sender, wire, many(10, 10, count=61))

    assert {60} == {observations for _, _, observations, _ in wire.told}
    assert {T0 + TICK_S * 1_000} == {since_ms for *_, since_ms in wire.told}, "since they were taken last"
    assert {61} == {value for points in wire.points for value in points.values()}
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    periods = 30 * 60 * 1_000 / WARN_PERIOD_MS
    assert len(warnings) == 2 * periods, "of either signal"
    assert "connection refused" == warnings[0].__dict__["reason"]
    assert ["telemetry is taken again"] * 2 == [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]
    assert 60 * 100 == counted(sender, "grapevine_otlp_edges_dropped", "not-taken")


def test_metrics_and_traces_do_not_wait_for_each_other() -> None:
    wire = FakeWire()
    sender = a_sender(wire)
    wire.send_spans = lambda batch, now_ns: Answer("no traces here")  # type: ignore[method-assign]

    tick(sender, wire, [an_edge(to_workload("cart"))])
    tick(sender, wire, [an_edge(to_workload("cart"), count=4)])

    assert [{"web → cart": 0}, {"web → cart": 4}] == wire.points


def test_a_collector_that_asks_for_time_is_left_alone_that_long() -> None:
    wire = FakeWire(refusal="429", come_back_s=100)
    sender = a_sender(wire, replace(BOTH, metrics=None))
    for _ in range(4):
        tick(sender, wire, [an_edge(to_workload("cart"))])
    assert 1 == wire.asked

    wire.refusal = ""
    tick(sender, wire, [an_edge(to_workload("cart"))])

    assert [("web", "cart", 1)] == [each[:3] for each in wire.told]


def test_a_slow_collector_gets_what_fits_into_a_tick_and_the_rest_first_next_time() -> None:
    wire = FakeWire(request_s=5.0)
    sender = a_sender(wire, replace(BOTH, metrics=None))

    tick(sender, wire, many(20, 100))
    first = {client for client, *_ in wire.told}
    tick(sender, wire, many(20, 100))
    both = {client for client, *_ in wire.told}

    assert 8 == len(first), "four requests of two traces each"
    assert 16 == len(both)
    assert 2 * 1_200 == counted(sender, "grapevine_otlp_edges_dropped", "late")


def test_one_that_is_told_to_stop_sends_no_more() -> None:
    wire = FakeWire(is_stopped=True)
    sender = a_sender(wire, replace(BOTH, metrics=None))

    tick(sender, wire, many(2, 2))

    assert [] == wire.told
    assert 4 == counted(sender, "grapevine_otlp_edges_dropped", "stopped")


def test_lone_calls_are_spread_over_the_tick() -> None:
    wire = FakeWire()
    sender = a_sender(wire, replace(BOTH, metrics=None, max_externals=9_999))
    outside = [an_edge(InternetTarget(f"{n}.example"), client=a_workload(f"c{n % 50:02d}")) for n in range(1_000)]

    tick(sender, wire, sorted(outside, key=lambda edge: edge.client))

    assert 1_000 == len(wire.told)
    assert [1.0] * 4 == wire.slept_s
    assert {200} == {len(calls) for calls in wire.requests}


def test_metrics_are_cut_into_requests() -> None:
    wire = FakeWire(max_points=300)
    sender = a_sender(wire, replace(BOTH, traces=None))

    tick(sender, wire, many(10, 100))

    assert [300, 300, 300, 100] == [len(points) for points in wire.points]
    assert [] == wire.told


def test_metrics_may_go_with_every_other_tick_only() -> None:
    wire = FakeWire()
    sender = a_sender(wire, replace(BOTH, traces=None, metrics_every=2))

    for n in range(4):
        tick(sender, wire, [an_edge(to_workload("cart"), count=n + 1)])

    assert [{"web → cart": 0}, {"web → cart": 3}] == wire.points


def test_the_last_word_is_the_totals_as_of_the_end() -> None:
    wire = FakeWire()
    sender = a_sender(wire)
    tick(sender, wire, [an_edge(to_workload("cart"), count=3)])
    wire.told.clear()

    sender.finish(a_snapshot([an_edge(to_workload("cart"), count=8)], T0 + 40_000))

    assert {"web → cart": 8} == wire.points[-1]
    assert [] == wire.told


def test_the_page_is_made_where_it_is_asked_for_and_needs_no_collector() -> None:
    wire = FakeWire()
    quiet, told = a_sender(wire), a_sender(wire, TelemetrySettings(is_graph_on_metrics_page=True))

    for sender in (quiet, told):
        tick(sender, wire, [an_edge(to_workload("cart"), count=3)])
        tick(sender, wire, [an_edge(to_workload("cart"), count=3)])

    assert b"" == quiet.page
    assert b'{client="web",client_service_namespace="shop",connection_type="",server="cart"' in told.page
    assert b"} 3.0" in told.page
    assert "" == told.why_not()
