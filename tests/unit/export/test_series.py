"""Series of the service graph: where they begin, how long they live, and their bound."""

from prometheus_client.parser import text_string_to_metric_families

from grapevine.export.graph_page import render
from grapevine.export.series import OTHER, SeriesKey, SeriesTable

TTL_MS = 60_000


def a_key(server: str = "cart") -> SeriesKey:
    return SeriesKey("web", "shop", server, "shop", "")


def values(table: SeriesTable) -> dict[str, int]:
    """Export once, and return the values by server."""
    points = table.points()
    table.accept(points)
    return {point.key.server: point.value for point in points}


def test_a_new_series_begins_with_zero_and_tells_its_count_next() -> None:
    table = SeriesTable(10, TTL_MS)
    table.add(a_key(), 5, at_ms=1_000)

    assert {"cart": 0} == values(table)
    table.add(a_key(), 2, at_ms=2_000)
    assert {"cart": 7} == values(table)


def test_zero_comes_first_however_late_a_collector_takes_it() -> None:
    table = SeriesTable(10, TTL_MS)
    for n in range(3):
        table.add(a_key(), 5, at_ms=n)
        table.points()

    assert {"cart": 0} == values(table)
    assert {"cart": 15} == values(table)


def test_a_silent_series_ends_and_a_returning_one_goes_on_with_its_total() -> None:
    table = SeriesTable(10, TTL_MS)
    table.add(a_key(), 5, at_ms=0)
    values(table)

    table.close_silent(TTL_MS)
    assert {"cart": 5} == values(table)
    table.close_silent(TTL_MS + 1)
    assert {} == values(table)

    table.add(a_key(), 1, at_ms=TTL_MS + 2)
    assert {"cart": 5} == values(table)
    assert {"cart": 6} == values(table)


def test_what_is_over_the_bound_is_one_series_that_never_falls() -> None:
    table = SeriesTable(2, TTL_MS)
    for n, server in enumerate(["a", "b", "c", "d"]):
        table.add(a_key(server), 10 + n, at_ms=0)
    values(table)

    assert {"a": 10, "b": 11, "other": 12 + 13} == values(table)
    assert 25 == table.folded
    table.add(a_key("a"), 0, at_ms=TTL_MS + 1)
    table.close_silent(TTL_MS + 1)
    table.add(a_key("c"), 1, at_ms=TTL_MS + 2)
    assert {"a": 10, "c": 0} == values(table)
    table.add(a_key("e"), 4, at_ms=TTL_MS + 3)
    values(table)
    assert 25 + 4 == values(table)["other"]


def test_tombstones_are_bounded_and_one_that_went_begins_anew() -> None:
    table = SeriesTable(1, TTL_MS)
    for n, server in enumerate(["a", "b"]):
        at_ms = n * 2 * TTL_MS
        table.add(a_key(server), 5, at_ms)
        table.close_silent(at_ms + TTL_MS + 1)

    table.add(a_key("a"), 1, at_ms=10 * TTL_MS)

    assert ({"a": 0}, {"a": 1}) == (values(table), values(table))
    assert table.points()[0].start_ms == 10 * TTL_MS


def test_the_page_shows_a_new_series_with_zero_at_first() -> None:
    table = SeriesTable(10, TTL_MS)
    table.add(a_key(), 5, at_ms=1_000)
    assert [0] == [point.value for point in table.page(1_000)]

    table.add(a_key(), 1, at_ms=2_000)

    assert [6] == [point.value for point in table.page(2_000)]


def test_the_page_has_the_names_that_the_service_graph_asks_for() -> None:
    table = SeriesTable(10, TTL_MS)
    table.add(a_key('odd "\n'), 5, at_ms=0)
    table.add(SeriesKey("web", "shop", "api.example.com", "", "virtual_node"), 2, at_ms=0)
    table.add(OTHER, 1, at_ms=0)

    family, _ = text_string_to_metric_families(render(table.page(1), ()).decode())

    assert {
        ("traces_service_graph_request_total", "web", 'odd "\n', "", "shop", "shop", 5.0),
        ("traces_service_graph_request_total", "web", "api.example.com", "virtual_node", "shop", "", 2.0),
        ("traces_service_graph_request_total", "other", "other", "", "", "", 1.0),
    } == {
        (
            s.name,
            s.labels["client"],
            s.labels["server"],
            s.labels["connection_type"],
            s.labels["client_service_namespace"],
            s.labels["server_service_namespace"],
            s.value,
        )
        for s in family.samples
    }
