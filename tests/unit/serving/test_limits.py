"""How much one peer may ask for."""

from grapevine.serving.limits import ListenLimits, PeerTable

LIMITS = ListenLimits(requests_per_s=2, burst=3, max_in_flight=4, max_in_flight_per_peer=2, max_peers=2)


def test_a_burst_then_the_rate() -> None:
    peers = PeerTable(LIMITS)

    def ask(now_s: float) -> str | None:
        answer = peers.try_enter("a", now_s)
        if answer is None:
            peers.leave("a")
        return answer

    assert [ask(0) for _ in range(4)] == [None, None, None, "rate"]
    assert [ask(1) for _ in range(3)] == [None, None, "rate"]


def test_an_idle_peer_saves_no_more_than_a_burst() -> None:
    peers = PeerTable(ListenLimits(requests_per_s=2, burst=1))
    peers.try_enter("a", 0)

    assert [peers.try_enter("a", 1_000), peers.try_enter("a", 1_000)] == [None, "rate"]


def test_one_peer_cannot_hold_every_place() -> None:
    peers = PeerTable(LIMITS)

    assert [peers.try_enter("a", 0) for _ in range(3)] == [None, None, "busy"]
    assert peers.try_enter("b", 0) is None
    peers.leave("a")
    assert peers.in_flight == 2


def test_all_places_taken_is_busy_for_everybody() -> None:
    peers = PeerTable(ListenLimits(max_in_flight=1))

    assert [peers.try_enter("a", 0), peers.try_enter("b", 0)] == [None, "busy"]


def test_the_table_forgets_the_peer_silent_longest() -> None:
    peers = PeerTable(LIMITS)
    for address in ("a", "b", "a", "c"):
        assert peers.try_enter(address, 0) is None

    assert len(peers) == 2
    for address in ("a", "b", "a", "c"):
        peers.leave(address)
    assert peers.in_flight == 0
