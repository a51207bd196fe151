import os
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.support import packets as p

from grapevine.capture.counters import Counters
from grapevine.capture.intake import Intake
from grapevine.capture.sources.pcap import Frame, PcapDecoder, PcapSource
from grapevine.model.errors import PermanentInputError

FRAMES = [(1_795_382_769_123, b"first frame"), (1_795_382_769_124, b""), (1_795_382_770_000, b"third")]


def decode(data: bytes, *, chunk: int = 1 << 16) -> tuple[list[Frame], str | None]:
    decoder = PcapDecoder("x.pcap")
    frames = [f for i in range(0, len(data), chunk) for f in decoder.feed(data[i : i + chunk])]
    return frames, decoder.close()


def ng(order: str, packets: Iterable[bytes], *interfaces: bytes) -> bytes:
    return p.pcapng_section(order) + b"".join(interfaces) + b"".join(packets)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
def test_reads_classic_files(order: str, nanoseconds: bool, chunk: int) -> None:
    data = p.pcap(FRAMES, linktype=1, order=order, nanoseconds=nanoseconds)
    assert decode(data, chunk=chunk) == ([Frame(1, frame, time_ms) for time_ms, frame in FRAMES], None)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
def test_reads_pcapng_of_several_interfaces(order: str, chunk: int) -> None:
    interfaces = [
        p.pcapng_interface(1, order),
        p.pcapng_interface(276, order, tsresol=9),
        p.pcapng_interface(101, order, tsresol=0x80 | 10),
    ]
    packets = [
        p.pcapng_packet(0, 5_000_123, b"micro", order),
        p.pcapng_packet(1, 6_000_000_000, b"nano", order),
        p.pcapng_block(4, b"a name resolution block", order),
        p.pcapng_packet(2, 7 * 1_024 + 512, b"binary", order),
    ]
    expected = [Frame(1, b"micro", 5_000), Frame(276, b"nano", 6_000), Frame(101, b"binary", 7_500)]
    assert decode(ng(order, packets, *interfaces), chunk=chunk) == (expected, None)


def test_reads_pcapng_of_several_sections_in_either_byte_order() -> None:
    data = b"".join(
        ng(order, [p.pcapng_packet(0, 1_000_000, order.encode(), order)], p.pcapng_interface(linktype, order))
        for order, linktype in (("<", 1), (">", 276))
    )
    assert decode(data) == ([Frame(1, b"<", 1_000), Frame(276, b">", 1_000)], None)


def test_a_simple_packet_takes_the_time_before_it_and_ends_at_the_snap_length() -> None:
    packets = [p.pcapng_packet(0, 3_000_000, b"timed"), p.pcapng_simple_packet(b"simple")]
    frames, _ = decode(ng("<", packets, p.pcapng_interface(1, snap_bytes=5)))
    assert frames == [Frame(1, b"timed", 3_000), Frame(1, b"simpl", 3_000)]


def test_skips_packets_of_an_interface_nobody_described() -> None:
    assert decode(ng("<", [p.pcapng_packet(3, 0, b"?")], p.pcapng_interface(1))) == ([], None)


@pytest.mark.parametrize(
    "data", [p.pcap(FRAMES)[:-2], ng("<", [p.pcapng_packet(0, 0, b"x")], p.pcapng_interface(1))[:-3]]
)
def test_a_cut_file_is_used_up_to_the_cut_with_a_warning(data: bytes) -> None:
    frames, warning = decode(data)
    assert len(frames) == (2 if data.startswith(b"\xd4") else 0)
    assert "x.pcap: cut within a packet at byte" in str(warning)


@pytest.mark.parametrize(
    "damage",
    [p.pcap(FRAMES) + b"\xff" * 40, p.pcapng_section() + b"\xff" * 40, p.pcapng_section() + b"\x0a\x0d\x0d\x0a" * 8],
)
def test_a_damaged_file_is_used_up_to_the_damage_with_a_warning(damage: bytes) -> None:
    frames, warning = decode(damage, chunk=16)
    assert len(frames) in (0, 3)
    assert "x.pcap: damaged at byte" in str(warning)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "x.pcap: the file is empty"),
        (b"apiVersion: v1\nkind: Pod\n", "x.pcap: no pcap or pcapng file (it begins with 'apiVersion: ')"),
        (b"\xd4\xc3", "x.pcap: no pcap or pcapng file"),
        (p.pcap(FRAMES)[:20], "x.pcap: no pcap or pcapng file"),
        (p.pcapng_section()[:8] + b"\0\0\0\0", "x.pcap: no pcap or pcapng file"),
        (b"\x1f\x8b\x08\0", "x.pcap: compressed by gzip"),
        (p.pcap(FRAMES, linktype=147), "x.pcap: link type 147 is not supported (known: 1, 101, "),
        (ng("<", [p.pcapng_packet(0, 0, b"")], p.pcapng_interface(147)), "x.pcap: link type 147 is not supported"),
    ],
)
def test_wrong_input_is_named_with_what_to_do(data: bytes, text: str) -> None:
    with pytest.raises(PermanentInputError) as caught:
        decode(data)
    assert text in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PermanentInputError, match=r"gone\.pcap: cannot be opened: No such file"):
        PcapSource(str(tmp_path / "gone.pcap"))


def test_a_directory_is_named(tmp_path: Path) -> None:
    source = PcapSource(str(tmp_path))
    with pytest.raises(PermanentInputError, match="cannot be read: Is a directory"):
        source.frames()
    source.close()


def test_reads_a_file_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "one.pcap"
    path.write_bytes(p.pcap([(5, p.cooked_v2(p.ipv4(p.udp(b"x"))))]))
    source = PcapSource(str(path))
    taken: list[tuple[int, ...]] = []
    assert source.drain(lambda data, start, end, *rest: taken.append((len(data), start, end, *rest)))
    assert taken == [(49, 20, 49, 0x0800, p.OUTGOING, 5)]
    assert (source.drain(lambda *_: None), source.finish()) == (False, None)
    os.fstat(source.fileno())
    source.close()


def test_takes_no_more_memory_for_a_longer_stream() -> None:
    """12 MB in chunks as they are read, through the intake; the answers never end, the names do."""
    names = [f"service-{n}.shop.svc.cluster.local" for n in range(50)]
    frames = [
        p.cooked_v2(p.ipv4(p.udp(p.dns_response(each, records=[p.a_record("10.96.0.7")] * 20)))) for each in names
    ]
    header = p.pcap([])
    decoder, intake = PcapDecoder("endless"), Intake("pcap", 1_000, Counters())
    decoder.feed(header)

    def read(seconds: range) -> int:
        for second in seconds:
            chunk = p.pcap((second * 1_000 + n, each) for n, each in enumerate(frames * 20))[len(header) :]
            for linktype, data, time_ms in decoder.feed(chunk[:70_000]) + decoder.feed(chunk[70_000:]):
                p.hear(intake, data, time_ms, linktype)
            intake.take()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        early_bytes = read(range(5))
        late_bytes = read(range(5, 25))
    finally:
        tracemalloc.stop()
    assert late_bytes - early_bytes < 200_000
