"""List pages and watch events → changes."""

import json
from typing import Any

import pytest

from grapevine.kube.cache import Cache, Kind
from grapevine.kube.decode import ObjectDecoder
from grapevine.kube.errors import ExpiredError
from grapevine.model.errors import RetryableError
from grapevine.resolver.records import NodeRecord, PodRecord, RecordGone

PODS = Kind("Pod", "/api/v1/pods")


def pod(name: str, *, uid: str = "u", ip: str = "10.0.0.1", **meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "uid": uid, **meta}, "status": {"podIP": ip}}


def record(name: str, *, uid: str = "u", ip: str = "10.0.0.1", deletion_ms: int | None = None) -> PodRecord:
    return PodRecord("n", name, uid, (ip,), False, None, None, deletion_ms, None, "")


def page(*items: Any, version: str = "7", more: str = "") -> bytes:
    return json.dumps({"metadata": {"resourceVersion": version, "continue": more}, "items": list(items)}).encode()


def event(kind: str, obj: Any) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def listed(*items: Any) -> Cache:
    """Return a cache after one complete list."""
    cache = Cache(PODS, ObjectDecoder(()))
    cache.begin_list()
    cache.apply_page(page(*items), 0)
    cache.finish_list(0)
    return cache


def test_a_list_tells_every_object_and_where_to_go_on() -> None:
    cache = Cache(PODS, ObjectDecoder(()))
    cache.begin_list()

    first = cache.apply_page(page(pod("a"), more="token"), 0)
    last = cache.apply_page(page(pod("b"), version="7"), 0)

    assert ([*first.changes, *last.changes], first.continue_token) == ([record("a"), record("b")], "token")
    assert (last.version, last.continue_token, list(cache.finish_list(0))) == ("7", "", [])


def test_a_relist_tells_only_what_differs_and_sweeps_what_is_missing() -> None:
    cache = listed(pod("same"), pod("moved"), pod("ghost"))
    cache.begin_list()

    changes = cache.apply_page(page(pod("same"), pod("moved", ip="10.0.0.2")), 5).changes

    assert changes == [record("moved", ip="10.0.0.2")]
    assert cache.finish_list(5) == [RecordGone(record("ghost"), 5, 0)]
    assert len(cache) == 2


def test_an_unfinished_list_sweeps_nothing_and_does_not_count_for_the_next() -> None:
    cache = listed(pod("a"), pod("b"))
    cache.begin_list()
    cache.apply_page(page(pod("a"), more="expired"), 5)
    cache.begin_list()
    cache.apply_page(page(pod("b")), 6)

    assert cache.finish_list(6) == [RecordGone(record("a"), 6, 0)]


def test_a_ghost_ended_no_later_than_its_deletion_timestamp() -> None:
    cache = listed(
        pod("early", deletionTimestamp="1970-01-01T00:00:03Z"), pod("late", deletionTimestamp="1970-01-01T01:00:00Z")
    )
    cache.begin_list()
    cache.apply_page(page(), 5_000)

    assert [gone.at_ms for gone in cache.finish_list(5_000) if isinstance(gone, RecordGone)] == [3_000, 5_000]


def test_an_object_made_anew_under_its_name_ends_the_old_one() -> None:
    cache = listed(pod("redis-0", uid="old"))

    changes = cache.apply_event(event("MODIFIED", pod("redis-0", uid="new")), 9).changes

    assert changes == [RecordGone(record("redis-0", uid="old"), 9, 0), record("redis-0", uid="new")]


def test_events_change_the_state() -> None:
    cache = listed()

    added = cache.apply_event(event("ADDED", pod("a", resourceVersion="8")), 1)
    noise = cache.apply_event(event("MODIFIED", pod("a", resourceVersion="9", labels={"x": "y"})), 2)
    deleted = cache.apply_event(event("DELETED", pod("a", resourceVersion="10")), 3)

    assert (added.changes, added.version) == ([record("a")], "8")
    assert (noise.changes, noise.version) == ([], "9")
    assert (deleted.changes, deleted.version) == ([RecordGone(record("a"), 3)], "10")
    assert len(cache) == 0


def test_a_bookmark_only_moves_on() -> None:
    bookmark = listed(pod("a")).apply_event(event("BOOKMARK", {"metadata": {"resourceVersion": "42"}}), 0)

    assert (list(bookmark.changes), bookmark.version) == ([], "42")


@pytest.mark.parametrize(("code", "error"), [(410, ExpiredError), (500, RetryableError), (None, RetryableError)])
def test_an_error_event_is_an_error(code: int | None, error: type[Exception]) -> None:
    status = {"kind": "Status", "metadata": {}, "message": "too old resource version", "code": code}

    with pytest.raises(error):
        listed().apply_event(event("ERROR", status if code else {}), 0)


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"{", b"[]", b'{"type": "ADDED"}', b"<html>", b'{"type": "ADDED", "object": 3}']
)
def test_bytes_that_are_no_event_are_worth_another_try(line: bytes) -> None:
    with pytest.raises(RetryableError, match="no event"):
        listed().apply_event(line, 0)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"items": []}', page(pod("a"))[:-5], b"[" * 100_000])
def test_bytes_that_are_no_list_are_worth_another_try(body: bytes) -> None:
    with pytest.raises(RetryableError, match="no list"):
        listed().apply_page(body, 0)


def test_malformed_objects_are_counted_and_cost_no_other() -> None:
    cache = listed(pod("a"), {"metadata": 3}, 5)
    cache.apply_event(event("ADDED", {"metadata": {"resourceVersion": "8"}}), 0)

    assert (len(cache), cache.rejected) == (1, 3)


def test_a_list_without_items_is_empty() -> None:
    cache = Cache(Kind("Node", "/api/v1/nodes"), ObjectDecoder(()))
    empty = cache.apply_page(b'{"metadata": {"resourceVersion": "1"}, "items": null}', 0)
    node = cache.apply_page(page({"metadata": {"name": "n1"}}), 0)

    assert (list(empty.changes), node.changes) == ([], [NodeRecord("n1", ())])


def test_what_is_found_missing_was_there_when_the_watch_last_told_anything() -> None:
    cache = listed(pod("ghost"))
    cache.apply_event(event("ADDED", pod("other")), 4_000)
    cache.begin_list()
    cache.apply_page(page(pod("other")), 9_000)

    assert cache.finish_list(9_000) == [RecordGone(record("ghost"), 9_000, 4_000)]
