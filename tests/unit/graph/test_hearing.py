"""Who is heard, now."""

import pytest
from tests.support.builders import T0

from grapevine.graph import hearing as hearing_module
from grapevine.graph.hearing import HEARD_FOR_MS, Hearing

PACKET, NOTHING = frozenset({"packet"}), frozenset[str]()


def heard(*streams: tuple[str, str], after_ms: int = 0, at: tuple[str, ...] = ("n1",)) -> frozenset[str]:
    """Return what hears a client on these nodes, where streams of (node, source) told of themselves a while ago."""
    hearing = Hearing()
    for number, (node, source) in enumerate(streams):
        hearing.note(f"s{number}", node, (source,), T0)
    return hearing.now(T0 + after_ms).at(at)


def test_a_capture_hears_the_pods_of_its_node() -> None:
    assert (heard(("n1", "packet")), heard(("n2", "packet"))) == (PACKET, NOTHING)


def test_a_client_on_two_nodes_is_heard_where_both_are() -> None:
    nodes = ("n1", "n2")

    assert heard(("n1", "packet"), at=nodes) == NOTHING
    assert heard(("n1", "packet"), ("n2", "packet"), at=nodes) == PACKET


def test_a_client_without_pods_is_heard_where_anybody_is() -> None:
    assert (heard(("n2", "packet"), at=()), heard(at=())) == (PACKET, NOTHING)


def test_a_capture_that_does_not_know_its_node_hears_them_all() -> None:
    assert heard(("", "packet")) == PACKET


@pytest.mark.parametrize("source", ["dnstap", "log"])
def test_what_stands_at_the_dns_hears_every_client(source: str) -> None:
    assert heard(("n2", source)) == {source}


def test_a_file_hears_nobody() -> None:
    assert heard(("n1", "pcap")) == NOTHING


def test_a_stream_is_heard_for_a_while_after_its_last_word() -> None:
    assert heard(("n1", "packet"), after_ms=HEARD_FOR_MS) == PACKET
    assert heard(("n1", "packet"), after_ms=HEARD_FOR_MS + 1) == NOTHING


def test_a_source_that_closed_is_not_heard() -> None:
    hearing = Hearing()
    hearing.note("s", "n1", ("packet",), T0)
    hearing.note("s", "n1", (), T0 + 1)

    assert hearing.now(T0 + 1).at(["n1"]) == NOTHING


def test_streams_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing_module, "_MAX_STREAMS", 1)

    assert heard(("n1", "packet"), ("n2", "packet")) == NOTHING
