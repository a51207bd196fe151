"""Classic BPF: a small assembler, and the filter for a cooked packet socket (data from the network header on). Pure.

Instructions: linux/filter.h, Documentation/networking/filter.rst. A jump is relative to the next instruction; a load
beyond the packet ends the program and passes nothing.
"""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Final, NamedTuple

from grapevine.model.value import value

MAX_SLOTS: Final = 16
"""Slots left out of one kind of packet."""
MAX_HOST_ADDRESSES: Final = 48
"""Addresses of the node that the filter compares."""
MAX_EXTENSIONS: Final = 3
"""IPv6 extension headers followed, for BPF has no loops; what has more is passed, and user space decides."""
OPENING_BYTES: Final = 256
"""Captured of a segment that opens a connection: its headers."""

_WHOLE: Final = 0xFFFF
_MAX_JUMP: Final = 255
_INSTRUCTION: Final = Struct("HBBI")

# Loads of a word, a half and an octet, absolute and relative to X
_LDW_ABS, _LDH_ABS, _LDB_ABS, _LDW, _LDH, _LDB = 0x20, 0x28, 0x30, 0x40, 0x48, 0x50
_LD_MEM, _LDX, _LDX_MEM, _ST, _STX, _TAX, _TXA = 0x60, 0x01, 0x61, 0x02, 0x03, 0x07, 0x87
_ADD, _ADD_X, _AND, _LSH, _RSH = 0x04, 0x0C, 0x54, 0x64, 0x74
_JA, _JEQ, _JSET, _RET = 0x05, 0x15, 0x45, 0x06

# `SKF_AD_OFF` + what the kernel knows of a packet besides its octets
_PROTOCOL, _PACKET_TYPE, _INTERFACE = 0xFFFFF000, 0xFFFFF004, 0xFFFFF008

_IPV4, _IPV6 = 0x0800, 0x86DD
_TAGS: Final = (0x8100, 0x88A8, 0x9100)
_TCP, _UDP, _DNS_PORT = 6, 17, 53
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60
_SYN_ACK, _SYN = 0x12, 0x02
_LOOPBACK: Final = 127

_NETWORK, _NEXT = 0, 1
"""Cells of the scratch memory: where the network header starts, and the protocol of what stands at X."""


class Instruction(NamedTuple):
    """One `struct sock_filter`."""

    code: int
    if_true: int
    if_false: int
    operand: int


class Slot(NamedTuple):
    """Where a copy of a packet is seen."""

    interface: int
    """Index of the interface."""
    direction: int
    """Packet type of Linux there, as in `frames.Packet`."""


@value
class Wanted:
    """What the filter passes, by the kind of packet; a kind that is None is not passed at all.

    The slots of a kind, at most `MAX_SLOTS`, are left out: each packet seen there is seen elsewhere too. That is
    learned of pods, so it does not hold where the client is the node itself.
    """

    responses: tuple[Slot, ...] = ()
    """UDP and TCP from port 53."""
    queries: tuple[Slot, ...] | None = ()
    """UDP and TCP to port 53."""
    openings: tuple[Slot, ...] | None = ()
    """TCP with SYN and without ACK, so ECN-setup SYNs too (RFC 3168 §6.1.1), but those from a loopback address."""
    host_addresses: tuple[bytes, ...] = ()
    """The node's own, 4 or 16 octets each, at most `MAX_HOST_ADDRESSES`."""


class Line(NamedTuple):
    """An instruction whose jumps go to labels."""

    label: str
    code: int
    operand: int | str = 0
    """A label where the code is an unconditional jump."""
    if_true: str = ""
    """Empty for the next line."""
    if_false: str = ""


def wanted_filter(wanted: Wanted) -> tuple[Instruction, ...]:
    """Return the program that passes what is wanted and nothing else.

    Of IPv4 and IPv6 fragments it passes the first, for the others carry no port. Of VLAN tags the kernel takes the
    outer one off what comes in; an inner one's rest then stands before the network header. Of what goes out data starts
    at the network header even where the tags are in band. The kernel names the protocol alike, so the octets decide.
    """
    lines = [
        Line("", _LDX, 0),
        Line("", _LDW_ABS, _PROTOCOL),
        *_jump_by_protocol("tagged"),
        Line("", _RET, 0),
        Line("tagged", _LDX, 4),
        Line("", _LDH_ABS, 2),
        *_jump_by_protocol("tagged twice"),
        Line("", _LDX, 0),
        Line("", _LDB_ABS, 0),
        Line("", _AND, 0xF0),
        Line("", _JEQ, 0x40, "ipv4"),
        Line("", _JEQ, 0x60, "ipv6"),
        Line("", _RET, 0),
        Line("tagged twice", _LDX, 8),
        Line("", _LDH_ABS, 6),
        *_jump_by_protocol("reject"),
        Line("", _RET, 0),
        *_ipv4(),
        *_transport(wanted, 4, source=12, destination=16),
        *_ipv6(),
        *_transport(wanted, 16, source=8, destination=24),
        Line("reject", _RET, 0),
    ]
    return assemble(lines)


def empty_filter() -> tuple[Instruction, ...]:
    """Return the program that passes nothing."""
    return (Instruction(_RET, 0, 0, 0),)


def assemble(lines: Sequence[Line]) -> tuple[Instruction, ...]:
    """Return the program; a conditional jump that is too far for its octet goes by way of unconditional ones.

    Labels must be unique, and jumps go forward (BPF has no others).
    """
    far: set[int] = set()
    while True:
        starts = [0]
        for index in range(len(lines)):
            starts.append(starts[-1] + (3 if index in far else 1))
        targets = {line.label: starts[index] for index, line in enumerate(lines) if line.label}
        more = {
            index
            for index, line in enumerate(lines)
            if any(targets.get(label, 0) - starts[index] - 1 > _MAX_JUMP for label in (line.if_true, line.if_false))
        }
        if more <= far:
            break
        far |= more

    program: list[Instruction] = []
    for index, (_, code, operand, if_true, if_false) in enumerate(lines):
        here, following = starts[index], starts[index + 1]
        if isinstance(operand, str):
            program.append(Instruction(code, 0, 0, targets[operand] - here - 1))
            continue
        yes, no = (targets[way] if way else following for way in (if_true, if_false))
        if index in far:
            program.append(Instruction(code, 0, 1, operand))
            program.append(Instruction(_JA, 0, 0, yes - here - 2))
            program.append(Instruction(_JA, 0, 0, no - here - 3))
        elif if_true or if_false:
            program.append(Instruction(code, yes - here - 1, no - here - 1, operand))
        else:
            program.append(Instruction(code, 0, 0, operand))
    return tuple(program)


def encode(program: tuple[Instruction, ...]) -> bytes:
    """Return the program as the kernel wants it: an array of `struct sock_filter` in the machine's byte order."""
    return b"".join(_INSTRUCTION.pack(*each) for each in program)


def _jump_by_protocol(tagged: str) -> Iterator[Line]:
    yield Line("", _JEQ, _IPV4, "ipv4")
    yield Line("", _JEQ, _IPV6, "ipv6")
    for tag in _TAGS:
        yield Line("", _JEQ, tag, tagged)


def _ipv4() -> Iterator[Line]:
    """With X at the header: go on to "4 transport" with X there."""
    yield Line("ipv4", _STX, _NETWORK)
    yield Line("", _LDH, 6)
    yield Line("", _JSET, 0x1FFF, "reject")
    yield Line("", _LDB, 9)
    yield Line("", _ST, _NEXT)
    yield Line("", _LDB, 0)
    yield Line("", _AND, 0x0F)
    yield Line("", _LSH, 2)
    yield Line("", _ADD_X)
    yield Line("", _TAX)
    yield Line("", _LD_MEM, _NEXT)
    yield Line("", _JEQ, _UDP, "4 transport")
    yield Line("", _JEQ, _TCP, "4 transport", "reject")


def _ipv6() -> Iterator[Line]:
    """With X at the header: go on to "16 transport" with X there."""
    yield Line("ipv6", _STX, _NETWORK)
    yield Line("", _LDB, 6)
    yield Line("", _ST, _NEXT)
    yield Line("", _TXA)
    yield Line("", _ADD, 40)
    for number in range(MAX_EXTENSIONS):
        yield Line(f"header {number}", _TAX)
        yield Line("", _LD_MEM, _NEXT)
        yield Line("", _JEQ, _UDP, "16 transport")
        yield Line("", _JEQ, _TCP, "16 transport")
        yield Line("", _JEQ, _FRAGMENT, f"fragment {number}")
        for header in (_HOP_BY_HOP, _ROUTING):
            yield Line("", _JEQ, header, f"options {number}")
        yield Line("", _JEQ, _DESTINATION, f"options {number}", "reject")
        yield Line(f"fragment {number}", _LDH, 2)
        yield Line("", _JSET, 0xFFF8, "reject")
        yield Line("", _LDB, 0)
        yield Line("", _ST, _NEXT)
        yield Line("", _TXA)
        yield Line("", _ADD, 8)
        yield Line("", _JA, f"header {number + 1}")
        yield Line(f"options {number}", _LDB, 0)
        yield Line("", _ST, _NEXT)
        yield Line("", _LDB, 1)
        yield Line("", _ADD, 1)
        yield Line("", _LSH, 3)
        yield Line("", _ADD_X)
    yield Line(f"header {MAX_EXTENSIONS}", _TAX)
    yield Line("", _LD_MEM, _NEXT)
    yield Line("", _JEQ, _UDP, "16 transport")
    yield Line("", _JEQ, _TCP, "16 transport")
    for header in (_HOP_BY_HOP, _ROUTING, _FRAGMENT):
        yield Line("", _JEQ, header, "not followed")
    yield Line("", _JEQ, _DESTINATION, "not followed", "reject")
    yield Line("not followed", _RET, _WHOLE)


def _transport(wanted: Wanted, size: int, source: int, destination: int) -> Iterator[Line]:
    """With X at the ports: pass what is wanted; addresses are of `size` octets, so far from the network header."""
    yield Line(f"{size} transport", _LDH, 0)
    yield Line("", _JEQ, _DNS_PORT, f"{size} response")
    yield Line("", _LDH, 2)
    yield Line("", _JEQ, _DNS_PORT, "reject" if wanted.queries is None else f"{size} query")
    if wanted.openings is None:
        yield Line("", _RET, 0)
    else:
        yield Line("", _LD_MEM, _NEXT)
        yield Line("", _JEQ, _TCP, "", "reject")
        yield Line("", _LDB, 13)
        yield Line("", _AND, _SYN_ACK)
        yield Line("", _JEQ, _SYN, "", "reject")
        yield from _not_loopback(size, source)
        yield from _select(f"{size} opening", wanted.openings, wanted.host_addresses, size, source, OPENING_BYTES)
    yield from _select(f"{size} response", wanted.responses, wanted.host_addresses, size, destination, _WHOLE)
    if wanted.queries is not None:
        yield from _select(f"{size} query", wanted.queries, wanted.host_addresses, size, source, _WHOLE)


def _not_loopback(size: int, source: int) -> Iterator[Line]:
    """Reject what comes from 127.0.0.0/8 or ::1, else go on."""
    yield Line("", _LDX_MEM, _NETWORK)
    if size == 4:
        yield Line("", _LDB, source)
        yield Line("", _JEQ, _LOOPBACK, "reject")
        return
    for number in range(3):
        yield Line("", _LDW, source + 4 * number)
        yield Line("", _JEQ, 0, "", f"{size} opening")
    yield Line("", _LDW, source + 12)
    yield Line("", _JEQ, 1, "reject")


def _select(
    label: str, slots: Sequence[Slot], host_addresses: Sequence[bytes], size: int, client: int, passed_bytes: int
) -> Iterator[Line]:
    """Pass what is not in the slots, or is the node's own; the client's address is so far from the network header."""
    if not slots:
        yield Line(label, _RET, passed_bytes)
        return
    yield Line(label, _LDW_ABS, _INTERFACE)
    yield Line("", _LSH, 3)
    yield Line("", _TAX)
    yield Line("", _LDW_ABS, _PACKET_TYPE)
    yield Line("", _ADD_X)
    for slot in slots:
        yield Line("", _JEQ, (slot.interface << 3 | slot.direction) & 0xFFFFFFFF, f"{label}, left out")
    yield Line("", _RET, passed_bytes)
    yield Line(f"{label}, left out", _LDX_MEM, _NETWORK)
    own = [address for address in host_addresses if len(address) == size]
    for number, address in enumerate(own):
        yield Line(f"{label}, address {number}", _LDW, client)
        for at in range(4, size, 4):
            yield Line("", _JEQ, _word(address, at - 4), "", f"{label}, address {number + 1}")
            yield Line("", _LDW, client + at)
        yield Line("", _JEQ, _word(address, size - 4), f"{label}, of the node")
    yield Line(f"{label}, address {len(own)}", _RET, 0)
    yield Line(f"{label}, of the node", _RET, passed_bytes)


def _word(address: bytes, at: int) -> int:
    return int.from_bytes(address[at : at + 4], "big")
