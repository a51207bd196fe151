from dataclasses import replace

import pytest

from grapevine.capture import window as module
from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import Response
from grapevine.capture.window import (
    MAX_CLIENT_ENTRIES,
    MAX_CLIENT_PARENTS,
    MAX_CUT_BYTES,
    MAX_KNOWN,
    MAX_WINDOW_ENTRIES,
    PATIENCE,
    ConnTally,
    Cuts,
    DnsTally,
    Window,
    parent_of,
)
from grapevine.model.observation import ConnObservation, DnsObservation
from grapevine.wire.codec import encode_batch
from grapevine.wire.schema import MAX_BODY_BYTES, MAX_RECORDS, Batch, BatchHeader, Hearing

RESPONSE = Response("www.example.com", "A", "NOERROR", ("192.0.2.1",), (), ())
CLIENT, SERVICE, COREDNS = b"\x0a\xf4\0\x25", b"\x0a\x60\0\x0a", b"\x0a\xf4\0\x20"


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def window(counters: Counters) -> Window:
    return Window("pcap", 1_000, counters)


def tally(window: Window, qname: str = "www.example.com", client: int = 0, **fields: object) -> DnsTally:
    address = CLIENT if not client else client.to_bytes(4, "big")
    return window.tally(address, SERVICE, replace(RESPONSE, qname=qname, **fields), "udp")  # type: ignore[arg-type]


def responses(cuts: Cuts) -> list[DnsObservation]:
    return [o for cut in cuts for o in cut if isinstance(o, DnsObservation)]


def test_sums_up_repeats_within_a_window(window: Window) -> None:
    assert window.advance(1_000) == ()
    for time_ms in (1_500, 1_200, 1_900):
        assert window.count(tally(window), time_ms) == ()
    assert window.advance(1_999) == ()
    (only,) = responses(window.advance(2_000))
    assert (only.first_ms, only.last_ms, only.count) == (1_200, 1_900, 3)
    assert (only.client_ip, only.resolver_ip, only.transport, only.source) == (
        "10.244.0.37",
        "10.96.0.10",
        "udp",
        "pcap",
    )


def test_keeps_what_differs_in_anything_but_times_apart(window: Window) -> None:
    for client, resolver, response, transport in (
        (CLIENT, SERVICE, RESPONSE, "udp"),
        (SERVICE, SERVICE, RESPONSE, "udp"),
        (CLIENT, COREDNS, RESPONSE, "udp"),
        (CLIENT, SERVICE, RESPONSE, "tcp"),
        (CLIENT, SERVICE, replace(RESPONSE, answers=()), "udp"),
        (CLIENT, SERVICE, replace(RESPONSE, rcode="NXDOMAIN"), "udp"),
        (CLIENT, SERVICE, replace(RESPONSE, cnames=("cdn.example.net",)), "udp"),
    ):
        window.count(window.tally(client, resolver, response, transport), 1_000)
    assert [o.count for o in responses(window.flush())] == [1] * 7


def test_a_tally_goes_on_in_the_next_window(window: Window) -> None:
    kept = tally(window)
    for _ in range(2):
        window.count(kept, 1_000)
    assert [o.count for o in responses(window.flush())] == [2]
    window.count(kept, 2_000)
    (only,) = responses(window.flush())
    assert (only.first_ms, only.last_ms, only.count) == (2_000, 2_000, 1)


def test_tallies_of_the_same_content_are_counted_as_one(window: Window, counters: Counters) -> None:
    forgotten = tally(window)
    for n in range(MAX_KNOWN):
        tally(window, f"n{n}.example.com")
    again = tally(window)
    assert again is not forgotten
    for each in (again, forgotten, again):
        window.count(each, 1_000)
    assert [o.count for o in responses(window.flush())] == [3]
    assert counters[Reason.EVENTS] == 3


def test_connections_stand_beside_responses(window: Window, counters: Counters) -> None:
    dialled = ConnTally(CLIENT, SERVICE, 443)
    window.count(dialled, 1_000)
    window.count(tally(window), 1_100)
    window.count(dialled, 1_200)
    ((connection, _),) = window.flush()
    assert connection == ConnObservation(1_000, 1_200, 2, "10.244.0.37", "10.96.0.10", 443, "tcp", "pcap")
    assert (counters[Reason.CONNECTIONS], counters[Reason.EVENTS]) == (2, 1)


def test_an_empty_window_gives_nothing(window: Window) -> None:
    assert window.advance(5_000) == ()
    assert window.flush() == ()


def test_bounds_the_window_and_cuts_it_into_batches_at_its_end(window: Window, counters: Counters) -> None:
    window.advance(1_000)
    for _ in range(2):
        for n in range(MAX_WINDOW_ENTRIES + 3):
            assert window.count(tally(window, client=1 + n), 1_500) == ()
    assert window.count(ConnTally(CLIENT, SERVICE, 443), 1_500) == ()
    assert (counters[Reason.WINDOW_FULL], counters[Reason.CONNECTIONS_FULL]) == (6, 1)
    cuts = window.advance(2_000)
    assert [len(cut) for cut in cuts] == [MAX_RECORDS] * 5
    assert {o.count for o in responses(cuts)} == {2}
    assert window.count(tally(window, client=1), 2_500) == ()
    assert [o.count for o in responses(window.advance(3_000))] == [1], "the next window takes them again"


def test_a_flood_of_names_is_folded_to_their_parent(window: Window, counters: Counters) -> None:
    known = tally(window, "known.example.com")
    window.count(known, 1_000)
    for n in range(MAX_CLIENT_ENTRIES + 10):
        window.count(tally(window, f"n{n}.example.com", rcode="NXDOMAIN", answers=()), 1_000 + n)
    window.count(known, 2_000)
    window.count(tally(window, "www.example.net", client=7), 2_000)
    cut = responses(window.flush())
    folded = [o for o in cut if o.qname.startswith("*")]
    assert [(o.qname, o.rcode, o.answers, o.count) for o in folded] == [("*.example.com", "NXDOMAIN", (), 11)]
    assert sum(o.client_ip == "10.244.0.37" for o in cut) == MAX_CLIENT_ENTRIES + 1
    assert [o.count for o in cut if o.qname in ("known.example.com", "www.example.net")] == [2, 1]
    assert (counters[Reason.NAME_FLOOD], counters[Reason.EVENTS]) == (11, sum(o.count for o in cut))


def test_folded_names_tell_whether_there_were_answers(window: Window) -> None:
    for n in range(MAX_CLIENT_ENTRIES):
        window.count(tally(window, f"n{n}.example.com"), 1_000)
    for qname, answers in (("a.x.test", ("192.0.2.1",)), ("b.x.test", ("192.0.2.2",)), ("c.x.test", ())):
        window.count(tally(window, qname, answers=answers), 1_000)
    folded = [o for o in responses(window.flush()) if o.qname == "*.x.test"]
    assert [(o.answers, o.count) for o in folded] == [(("192.0.2.1",), 2), ((), 1)]


def test_a_flood_of_parents_is_bounded_too(window: Window, counters: Counters) -> None:
    for n in range(MAX_CLIENT_ENTRIES + MAX_CLIENT_PARENTS + 5):
        window.count(tally(window, f"www.n{n}.example.com"), 1_000)
    assert len(responses(window.flush())) == MAX_CLIENT_ENTRIES + MAX_CLIENT_PARENTS
    assert counters[Reason.WINDOW_FULL] == 5


def test_a_flood_of_connections_is_bounded_by_client(window: Window, counters: Counters) -> None:
    for port in range(1, MAX_CLIENT_ENTRIES + 4):
        window.count(ConnTally(CLIENT, SERVICE, port), 1_000)
    window.count(ConnTally(COREDNS, SERVICE, 443), 1_000)
    assert [len(cut) for cut in window.flush()] == [MAX_CLIENT_ENTRIES + 1]
    assert counters[Reason.CONNECTIONS_FULL] == 3


def test_an_observation_cut_early_takes_no_second_place_of_its_client(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = [tally(window, f"n{n}.example.com") for n in range(MAX_CLIENT_ENTRIES)]
    monkeypatch.setattr(module, "MAX_OPEN_BYTES", sum(each.wire_bytes for each in mine))
    cuts = [window.count(each, 1_000) for each in mine]
    assert [len(cut) for cut in cuts[-1]] == [MAX_CLIENT_ENTRIES]
    for each in mine:
        window.count(each, 1_000)
    assert not [o for o in responses(window.flush()) if o.qname.startswith("*")]


@pytest.mark.parametrize(
    ("qname", "parent"),
    [
        ("a.b.example.com", "*.b.example.com"),
        ("a.example.com", "*.example.com"),
        ("example.com", "*"),
        ("com", "*"),
        ("", "*"),
    ],
)
def test_a_parent_keeps_two_labels_at_least(qname: str, parent: str) -> None:
    assert parent_of(qname) == parent


def test_a_cut_of_the_longest_names_fits_a_request(window: Window) -> None:
    label = "\\000" * 63
    longest = ".".join([label, label, label, "\\000" * 61])
    names = tuple(longest[:-2] + f"{i:02d}" for i in range(64))
    cuts = [cut for n in range(40) for cut in window.count(tally(window, f"{n}", answers=names, cnames=names), 1_000)]
    header = BatchHeader("s", 1, 1, "", 0, Hearing((), 0))
    assert cuts
    sizes = [len(encode_batch(Batch(header, cut))) for cut in cuts]
    assert max(sizes) < MAX_BODY_BYTES - 16_384
    assert min(sizes[:-1]) > MAX_CUT_BYTES * 0.9, "all but the last are full"


def passing(window: Window, now_ms: int, seconds: int, *names: str) -> list[int]:
    """Let seconds go by with a look-up of each name in each of them; return those at whose end a window was cut."""
    cut_s = []
    for second in range(seconds):
        for name in names:
            window.count(tally(window, name), now_ms + second * 1_000)
        if window.advance(now_ms + (second + 1) * 1_000):
            cut_s.append(second)
    return cut_s


def test_repeats_alone_wait_where_that_is_wanted(counters: Counters) -> None:
    window = Window("packet", 1_000, counters, is_patient=True)
    window.advance(1_000)

    assert [0, PATIENCE, 2 * PATIENCE] == passing(window, 1_000, 2 * PATIENCE + 2, "www.example.com")


def test_what_is_new_does_not_wait(counters: Counters) -> None:
    window = Window("packet", 1_000, counters, is_patient=True)
    window.advance(1_000)
    passing(window, 1_000, 3, "www.example.com")

    assert [0, PATIENCE] == passing(window, 4_000, PATIENCE + 1, "www.example.com", "new.example.com")


def test_a_client_near_its_cap_does_not_wait(counters: Counters) -> None:
    window = Window("packet", 1_000, counters, is_patient=True)
    window.advance(1_000)
    names = [f"n{number}.example.com" for number in range(MAX_CLIENT_ENTRIES // 2 + 1)]

    assert [0, 1, 2] == passing(window, 1_000, 3, *names)
    assert 0 == counters[Reason.WINDOW_FULL]
