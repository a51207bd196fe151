"""The packet filter, as classic BPF for a cooked packet socket: data starts at the network header. Pure.

Instructions: linux/filter.h, Documentation/networking/filter.rst. A jump is relative to the next instruction.
"""

from struct import Struct
from typing import Final, NamedTuple

_LD_HALF_ABS, _LD_BYTE_ABS, _LD_HALF_IND = 0x28, 0x30, 0x48
_LDX_IHL: Final = 0xB1
"""X = 4 * (octet & 0x0F): the length of an IPv4 header."""
_JEQ, _JSET, _RET = 0x15, 0x45, 0x06
_AD_PROTOCOL: Final = 0xFFFFF000
"""`SKF_AD_OFF + SKF_AD_PROTOCOL`: the frame's ethertype."""
_IPV4, _IPV6 = 0x0800, 0x86DD
_TCP, _UDP, _DNS_PORT = 6, 17, 53
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60
_WHOLE: Final = 0xFFFF
_INSTRUCTION: Final = Struct("HBBI")


class Instruction(NamedTuple):
    """One `struct sock_filter`."""

    code: int
    if_true: int
    if_false: int
    operand: int


def dns_filter() -> tuple[Instruction, ...]:
    """Return the program that passes UDP and TCP from port 53 over IPv4 and IPv6, and nothing else.

    IPv4 fragments but the first are not passed, for they carry no port. IPv6 with extension headers is passed whatever
    it carries, for BPF cannot follow them; `frames` does.
    """
    accept, reject = "accept", "reject"
    program: list[tuple[str, int, str, str, int]] = [
        ("", _LD_HALF_ABS, "", "", _AD_PROTOCOL),
        ("", _JEQ, "ipv4", "ipv6?", _IPV4),
        ("ipv4", _LD_BYTE_ABS, "", "", 9),
        ("", _JEQ, "unfragmented?", "", _UDP),
        ("", _JEQ, "unfragmented?", reject, _TCP),
        ("unfragmented?", _LD_HALF_ABS, "", "", 6),
        ("", _JSET, reject, "", 0x1FFF),
        ("", _LDX_IHL, "", "", 0),
        ("", _LD_HALF_IND, "", "", 0),
        ("", _JEQ, accept, reject, _DNS_PORT),
        ("ipv6?", _JEQ, "", reject, _IPV6),
        ("", _LD_BYTE_ABS, "", "", 6),
        ("", _JEQ, "port6", "", _UDP),
        ("", _JEQ, "port6", "", _TCP),
        ("", _JEQ, accept, "", _HOP_BY_HOP),
        ("", _JEQ, accept, "", _ROUTING),
        ("", _JEQ, accept, "", _DESTINATION),
        ("", _JEQ, accept, reject, _FRAGMENT),
        ("port6", _LD_HALF_ABS, "", "", 40),
        ("", _JEQ, accept, reject, _DNS_PORT),
        (reject, _RET, "", "", 0),
        (accept, _RET, "", "", _WHOLE),
    ]
    labels = {label: index for index, (label, *_) in enumerate(program) if label}

    def distance(index: int, label: str) -> int:
        return labels[label] - index - 1 if label else 0

    return tuple(
        Instruction(code, distance(index, yes), distance(index, no), operand)
        for index, (_, code, yes, no, operand) in enumerate(program)
    )


def empty_filter() -> tuple[Instruction, ...]:
    """Return the program that passes nothing."""
    return (Instruction(_RET, 0, 0, 0),)


def encode(program: tuple[Instruction, ...]) -> bytes:
    """Return the program as the kernel wants it: an array of `struct sock_filter` in the machine's byte order."""
    return b"".join(_INSTRUCTION.pack(*each) for each in program)
