"""Which Events are written: nothing twice within an hour, not too many of one object, not too many at once."""

import pytest
from tests.support.builders import T0

from grapevine.model.event import Event, ObjectRef
from grapevine.reconcile import event_book
from grapevine.reconcile.event_book import MAX_OF_OBJECT, MAX_WAITING, WINDOW_MS, EventBook


def an_event(number: int = 0, *, reason: str = "NewEdge", about: str = "web") -> Event:
    return Event(ObjectRef("shop", about, f"uid-{about}"), reason, "a note", subject=str(number))


def taken(book: EventBook) -> list[Event]:
    return list(iter(book.take, None))


def left_out(book: EventBook) -> dict[str, int]:
    return {why: count for why, count in book.left_out.items() if count}


def test_hands_out_in_order_what_differs_by_object_reason_or_subject() -> None:
    events = [an_event(), an_event(1), an_event(reason="Conflict"), an_event(about="cart")]
    book = EventBook()
    for event in events:
        book.offer(event, T0)

    assert (len(book), taken(book), len(book)) == (4, events, 0)
    assert left_out(book) == {}


def test_says_nothing_twice_within_the_window() -> None:
    book = EventBook()
    for at_ms in (T0, T0 + 1, T0 + WINDOW_MS - 1, T0 + WINDOW_MS):
        book.offer(an_event(), at_ms)

    assert len(book) == 2
    assert left_out(book) == {"repeated": 2}


def test_an_object_has_its_share_and_others_theirs() -> None:
    book = EventBook()
    for number in range(MAX_OF_OBJECT + 3):
        book.offer(an_event(number), T0)
    book.offer(an_event(about="cart"), T0)
    book.offer(an_event(MAX_OF_OBJECT), T0 + WINDOW_MS)

    assert len(book) == MAX_OF_OBJECT + 2
    assert left_out(book) == {"object-full": 3}


def test_what_is_too_much_at_once_is_left_out_and_may_be_said_later() -> None:
    book = EventBook()
    for number in range(MAX_WAITING + 1):
        book.offer(an_event(about=f"web-{number}"), T0)
    assert (len(book), left_out(book)) == (MAX_WAITING, {"queue-full": 1})

    book.take()
    book.offer(an_event(about=f"web-{MAX_WAITING}"), T0 + 1)
    assert len(book) == MAX_WAITING


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_book, "MAX_REMEMBERED", 2)
    book = EventBook()
    for about in ("web", "cart", "catalog", "web", "catalog"):
        book.offer(an_event(about=about), T0)

    assert [event.about.name for event in taken(book)] == ["web", "cart", "catalog", "web"]
