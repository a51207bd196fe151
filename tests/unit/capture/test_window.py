from dataclasses import replace

import pytest
from tests.support import packets as p

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import Response
from grapevine.capture.window import FOLD_MS, MAX_CUT_BYTES, MAX_HELD, MAX_WINDOW_ENTRIES, Copy, Cut, Folder, Window
from grapevine.wire.codec import encode_batch
from grapevine.wire.schema import MAX_BODY_BYTES, MAX_RECORDS, Batch, BatchHeader, Hearing

RESPONSE = Response(1, "www.example.com", "A", "NOERROR", ("192.0.2.1",), (), ())
FROM_COREDNS = Copy(1_000, b"\x0a\xf4\0\x25", 40_000, b"\x0a\xf4\0\x20", "udp", p.OTHERHOST, RESPONSE)
FROM_SERVICE = replace(FROM_COREDNS, time_ms=1_001, resolver=b"\x0a\x60\0\x0a", direction=p.OUTGOING)


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def folder(counters: Counters) -> Folder:
    return Folder(counters)


@pytest.fixture
def window(counters: Counters) -> Window:
    return Window("pcap", 1_000, counters)


def named(number: int) -> Copy:
    return replace(FROM_SERVICE, response=replace(RESPONSE, qname=f"n{number}.example.com"))


@pytest.mark.parametrize("copies", [[FROM_COREDNS, FROM_SERVICE], [FROM_SERVICE, FROM_COREDNS]], ids=["usual", "late"])
def test_keeps_the_copy_on_its_way_to_the_client(folder: Folder, counters: Counters, copies: list[Copy]) -> None:
    for copy in copies:
        folder.add(copy, copy.time_ms)
    assert list(folder.release(None)) == [FROM_SERVICE]
    assert counters[Reason.FOLDED] == 1


def test_keeps_the_last_copy_where_none_is_known_to_go_out(folder: Folder) -> None:
    last = replace(FROM_SERVICE, direction=-1)
    for copy in (replace(FROM_COREDNS, direction=-1), last):
        folder.add(copy, copy.time_ms)
    assert list(folder.release(None)) == [last]


def test_keeps_the_last_of_several_outgoing_copies(folder: Folder) -> None:
    on_bridge = replace(FROM_COREDNS, direction=p.OUTGOING)
    for copy in (FROM_COREDNS, on_bridge, FROM_SERVICE):
        folder.add(copy, copy.time_ms)
    assert list(folder.release(None)) == [FROM_SERVICE]


@pytest.mark.parametrize(
    "other",
    [
        replace(FROM_SERVICE, client=b"\x0a\xf4\0\x26"),
        replace(FROM_SERVICE, client_port=40_001),
        replace(FROM_SERVICE, transport="tcp"),
        replace(FROM_SERVICE, response=replace(RESPONSE, transaction_id=2)),
        replace(FROM_SERVICE, response=replace(RESPONSE, qname="cdn.example.net")),
        replace(FROM_SERVICE, response=replace(RESPONSE, qtype="AAAA")),
    ],
)
def test_folds_nothing_that_is_another_response(folder: Folder, other: Copy) -> None:
    folder.add(FROM_SERVICE, FROM_SERVICE.time_ms)
    folder.add(other, other.time_ms)
    assert list(folder.release(None)) == [FROM_SERVICE, other]


def test_holds_a_response_until_its_copies_must_have_come(folder: Folder) -> None:
    folder.add(FROM_COREDNS, FROM_COREDNS.time_ms)
    assert list(folder.release(1_000 + FOLD_MS - 1)) == []
    assert list(folder.release(1_000 + FOLD_MS)) == [FROM_COREDNS]


def test_a_retry_seconds_later_is_a_response_of_its_own(folder: Folder) -> None:
    folder.add(FROM_SERVICE, FROM_SERVICE.time_ms)
    assert list(folder.release(6_000)) == [FROM_SERVICE]
    folder.add(replace(FROM_SERVICE, time_ms=6_000), 6_000)
    assert len(list(folder.release(None))) == 1


def test_releases_early_over_the_cap(folder: Folder, counters: Counters) -> None:
    for number in range(MAX_HELD + 2):
        folder.add(named(number), named(number).time_ms)
    assert len(list(folder.release(1_001))) == 2
    assert counters[Reason.FOLD_EARLY] == 2


def test_sums_up_repeats_within_a_window(window: Window) -> None:
    assert window.advance(1_000) is None
    for time_ms in (1_500, 1_200, 1_900):
        assert window.add(replace(FROM_SERVICE, time_ms=time_ms)) is None
    assert window.advance(1_999) is None
    cut = window.advance(2_000)
    assert cut is not None
    (only,) = cut
    assert (only.first_ms, only.last_ms, only.count) == (1_200, 1_900, 3)
    assert (only.client_ip, only.resolver_ip, only.transport, only.source) == (
        "10.244.0.37",
        "10.96.0.10",
        "udp",
        "pcap",
    )


def test_keeps_what_differs_in_anything_but_times_apart(window: Window) -> None:
    for each in (
        FROM_SERVICE,
        FROM_COREDNS,
        replace(FROM_SERVICE, transport="tcp"),
        replace(FROM_SERVICE, response=replace(RESPONSE, answers=())),
        replace(FROM_SERVICE, response=replace(RESPONSE, rcode="NXDOMAIN")),
        replace(FROM_SERVICE, response=replace(RESPONSE, cnames=("cdn.example.net",))),
    ):
        window.add(each)
    assert [o.count for o in window.flush() or ()] == [1] * 6


def test_an_empty_window_gives_nothing(window: Window) -> None:
    assert window.advance(5_000) is None
    assert window.flush() is None


def test_cuts_at_the_size_of_a_batch_and_bounds_the_window(window: Window, counters: Counters) -> None:
    window.advance(1_000)
    cuts = [window.add(named(n)) for n in range(MAX_WINDOW_ENTRIES + 3)]
    assert [len(cut) for cut in cuts if cut] == [MAX_RECORDS] * 5
    assert counters[Reason.WINDOW_FULL] == 3
    assert window.advance(2_000) is None
    assert window.add(named(0)) is None
    assert [o.count for o in window.advance(3_000) or ()] == [1], "the next window takes them again"


def test_a_cut_of_the_longest_names_fits_a_request(window: Window) -> None:
    label = "\\000" * 63
    longest = ".".join([label, label, label, "\\000" * 61])
    names = tuple(longest[:-2] + f"{i:02d}" for i in range(64))
    cuts: list[Cut] = []
    for n in range(40):
        event = replace(
            FROM_SERVICE, client_port=n, response=replace(RESPONSE, qname=f"{n}", answers=names, cnames=names)
        )
        cut = window.add(event)
        cuts.extend([cut] if cut else [])
    header = BatchHeader("s", 1, 1, "", 0, Hearing((), 0))
    assert cuts
    sizes = [len(encode_batch(Batch(header, cut))) for cut in cuts]
    assert all(MAX_CUT_BYTES * 0.9 < size < MAX_BODY_BYTES - 16_384 for size in sizes)
