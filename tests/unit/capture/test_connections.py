from typing import Any

import pytest
from tests.support import packets as p

from grapevine.capture.connections import GENERATION_MS, MAX_SYNS, Connections
from grapevine.capture.counters import Counters, Reason
from grapevine.capture.frames import Packet, parse_network
from grapevine.capture.window import ConnTally


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def connections(counters: Counters) -> Connections:
    return Connections(counters)


def syn(dst: str = p.RESOLVER, dst_port: int = 443, seq: int = 1, **fields: Any) -> Packet:
    segment = p.tcp(b"", seq=seq, flags=p.SYN, dst_port=dst_port, **{"src_port": 40_000, **fields})
    packet = p.ipv4(segment, src=p.CLIENT, dst=dst, proto=6)
    parsed = parse_network(packet, 0, len(packet), 0x0800, -1)
    assert isinstance(parsed, Packet)
    return parsed


def found(tally: ConnTally | None) -> tuple[bytes, int] | None:
    return None if tally is None else (tally.address, tally.port)


def test_keeps_what_the_client_dialled_and_folds_the_copy_behind_nat(
    connections: Connections, counters: Counters
) -> None:
    assert found(connections.find(syn(), 0)) == (b"\x0a\x60\0\x0a", 443)
    assert connections.find(syn(p.COREDNS, 8443), 1) is None
    assert counters[Reason.CONNECTIONS_FOLDED] == 1


def test_a_syn_sent_again_within_seconds_is_the_same_connection(connections: Connections) -> None:
    assert [connections.find(syn(), ms) is None for ms in (0, 1_000, 1_999)] == [False, True, True]
    assert connections.find(syn(), 2 * GENERATION_MS + 1) is not None


@pytest.mark.parametrize("fields", [{"seq": 2}, {"src_port": 40_001}])
def test_another_port_or_sequence_number_is_another_connection_to_the_same(
    connections: Connections, fields: dict[str, int]
) -> None:
    first = connections.find(syn(), 0)
    assert first is not None
    assert connections.find(syn(**fields), 0) is first


def test_forgets_over_its_caps(connections: Connections) -> None:
    for seq in range(2 * MAX_SYNS + 1):
        assert connections.find(syn(seq=seq, dst_port=1 + seq), 0) is not None
    assert connections.find(syn(seq=2 * MAX_SYNS), 0) is None
    assert connections.find(syn(seq=0), 0) is not None
