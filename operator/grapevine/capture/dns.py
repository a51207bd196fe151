"""DNS message → the response in it. The only module that imports dnslib, and the fence around it.

RFC 1035 §4 (messages, names, compression), RFC 2782 (SRV), RFC 3597 (unknown types). dnslib decodes names and records
that hold some; what it does with hostile ones (RecursionError on pointer chains, seconds on compression bombs, one bad
record costs the whole message) is kept out by walking each name before it does, within one budget for the message.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error
from typing import Final

from dnslib import QTYPE, RCODE, RR, DNSBuffer, DNSError, DNSQuestion

from grapevine.capture.counters import Reason
from grapevine.wire.schema import MAX_ANSWERS

HEADER_BYTES: Final = 12
MAX_RECORDS_WALKED: Final = 512
"""Answer records looked at in one message; 512 addresses fill 8 KiB."""
MAX_RECORDS_DECODED: Final = 2 * MAX_ANSWERS
MAX_NAME_STEPS: Final = 1_000
"""Labels and pointers followed in one message, all names together: about 2 ms of dnslib."""

_HEADER: Final = Struct("!2xHHH")
"""Flags, number of questions, number of answers."""
_RECORD: Final = Struct("!HHIH")
_QR: Final = 0x8000
_OPCODE: Final = 0x7800
_TC: Final = 0x0200
_RCODE: Final = 0x000F
_IN: Final = 1
_A, _CNAME, _PTR, _AAAA, _SRV = 1, 5, 12, 28, 33
_ADDRESS_BYTES: Final = ((_A, 4), (_AAAA, 16))
_NAME_OFFSETS: Final = ((_CNAME, 0), (_PTR, 0), (_SRV, 6))
"""Types whose data is read as a name, and where in the data it starts."""
_PARSE_ERRORS: Final = (DNSError, RecursionError, UnicodeError, struct_error, IndexError, ValueError)
"""What hostile bytes raise in dnslib 0.9.26 (the first three, measured) and in the walk before it (the others)."""

_MAX_NAME_OCTETS: Final = 255
_MAX_POINTERS: Final = 127
"""Of one name: as many as it can have labels."""
_PLAIN: Final = b"abcdefghijklmnopqrstuvwxyz0123456789-_"
_ESCAPED: Final = tuple(chr(o) if 32 < o < 127 and chr(o) not in ".\\*" else f"\\{o:03d}" for o in range(256))


@dataclass(frozen=True, slots=True)
class Response:
    """One DNS response but for its id, decoded as far as it could be; names and types as in `DnsObservation`."""

    qname: str
    qtype: str
    rcode: str
    answers: tuple[str, ...]
    """Sorted data of the records of the question's type, each once. Types other than A, AAAA, CNAME, PTR and SRV give
    the generic form of RFC 3597 without the data (`\\# <octets>`): that there was an answer, not what it said."""
    cnames: tuple[str, ...]
    notes: tuple[Reason, ...]
    """What is missing although the response is used: `BAD_RECORD`, `CUT_ANSWERS`, once each."""
    ttls: tuple[int, ...] = ()
    """Where in the message the TTL of each answer record stands, in wire order."""
    end: int = -1
    """Where the answer section ends: a message with the same flags, counts and octets up to there, but for id and TTLs,
    is the same response. -1 where it need not be: with notes, or with a name that is read from the octets of a TTL."""


def find_fault(message: bytes) -> Reason | None:
    """Return why the header is that of no response which could be used; None for one that may be."""
    if len(message) < HEADER_BYTES:
        return Reason.SHORT_MESSAGE
    flags, questions, answers = _HEADER.unpack_from(message)
    if not flags & _QR:
        return Reason.QUERY
    if flags & _OPCODE:
        return Reason.OPCODE
    if questions != 1:
        return Reason.QUESTION_COUNT
    return Reason.TRUNCATED_RESPONSE if flags & _TC and not answers else None


def parse_response(message: bytes) -> Response | Reason:
    """Return the response in `message`, or why it is none. Never raises; bounded to about 5 ms on any input."""
    fault = find_fault(message)
    if fault is not None:
        return fault
    flags, _, answers = _HEADER.unpack_from(message)
    reader = _Reader(message)
    try:
        question = reader.question()
        if question.qclass != _IN:
            return Reason.QUESTION_CLASS
        qname = format_name(question.qname.label)
    except _PARSE_ERRORS:
        return Reason.BAD_QUESTION
    reader.records(answers, question.qtype)
    rcode = flags & _RCODE
    return Response(
        qname=qname,
        qtype=QTYPE.forward.get(question.qtype) or f"TYPE{question.qtype}",
        rcode=RCODE.forward.get(rcode) or f"RCODE{rcode}",
        answers=tuple(sorted(reader.answers)[:MAX_ANSWERS]),
        cnames=tuple(_chain(qname, reader.cnames)[:MAX_ANSWERS]),
        notes=reader.notes(),
        ttls=tuple(reader.ttls),
        end=reader.end(),
    )


def format_name(labels: Iterable[bytes]) -> str:
    r"""Return the name in lower case without trailing dot; the root is the empty string.

    Octets that are not printable ASCII, and dots and backslashes within a label, are written `\DDD` (RFC 1035 §5.1);
    so is an asterisk, which stands for names that were folded.
    """
    lower = [label.lower() for label in labels]
    if not b"".join(lower).translate(None, _PLAIN):
        return b".".join(lower).decode("ascii")
    return ".".join("".join([_ESCAPED[octet] for octet in label]) for label in lower)


class _Reader:
    """Reads one message's question and answers; names are walked before dnslib may decode them."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._buffer = DNSBuffer(message)
        self._steps_left = MAX_NAME_STEPS
        self._is_bad = False
        self._is_cut = False
        self.answers: set[str] = set()
        self.cnames: list[tuple[str, str]] = []
        """Owner and target of each CNAME record, in wire order."""
        self.ttls: list[int] = []
        self._records_end = HEADER_BYTES
        self._jumps: list[tuple[int, int]] = []
        """Octets of names that were reached by pointers, from and to."""

    def end(self) -> int:
        """Return `Response.end`."""
        if self.notes() or any(a < ttl + 4 and ttl < b for a, b in self._jumps for ttl in self.ttls):
            return -1
        return self._records_end

    def notes(self) -> tuple[Reason, ...]:
        """Return what could not be read."""
        is_cut = self._is_cut or len(self.answers) > MAX_ANSWERS or len(self.cnames) > MAX_ANSWERS
        return (Reason.BAD_RECORD,) * self._is_bad + (Reason.CUT_ANSWERS,) * is_cut

    def question(self) -> DNSQuestion:
        """Return the question; raises one of `_PARSE_ERRORS`."""
        self._walk(HEADER_BYTES)
        self._buffer.offset = HEADER_BYTES
        return DNSQuestion.parse(self._buffer)

    def records(self, number: int, qtype: int) -> None:
        """Read up to `number` records of the answer section; stops where the bytes make no sense any more."""
        start = int(self._buffer.offset)
        decoded = 0
        for index in range(number):
            if index == MAX_RECORDS_WALKED or decoded == MAX_RECORDS_DECODED:
                self._is_cut = True
                return
            try:
                fixed = self._walk(start)
                rtype, rclass, _, length = _RECORD.unpack_from(self._message, fixed)
            except _PARSE_ERRORS:
                self._note_failure()
                return
            self.ttls.append(fixed + 4)
            data = fixed + _RECORD.size
            if rclass == _IN and rtype in (qtype, _CNAME):
                decoded += 1
                try:
                    self._record(rtype, qtype, start, data, length)
                except _PARSE_ERRORS:
                    self._note_failure()
            start = data + length
        self._records_end = start

    def _note_failure(self) -> None:
        if self._steps_left < 0:
            self._is_cut = True
        else:
            self._is_bad = True

    def _record(self, rtype: int, qtype: int, start: int, data: int, length: int) -> None:
        """Decode the record at `start` whose data is `length` octets at `data`; raises one of `_PARSE_ERRORS`."""
        end = data + length
        if end > len(self._message):
            raise ValueError("data beyond the end of the message")
        for address_type, size in _ADDRESS_BYTES:
            if rtype == address_type:
                if length != size:
                    raise ValueError("address of a wrong length")
                family = socket.AF_INET if size == 4 else socket.AF_INET6
                self.answers.add(socket.inet_ntop(family, self._message[data:end]))  # dnslib takes 15 µs for it
                return
        for name_type, offset in _NAME_OFFSETS:
            if rtype == name_type:
                if self._walk(data + offset) != end:
                    raise ValueError("name does not fill the data")
                self._buffer.offset = start
                record = RR.parse(self._buffer)
                target = format_name((record.rdata.target if rtype == _SRV else record.rdata.label).label)
                if rtype == _CNAME:
                    self.cnames.append((format_name(record.rname.label), target))
                if rtype == qtype:
                    self.answers.add(target)
                return
        self.answers.add(f"\\# {length}")

    def _walk(self, offset: int) -> int:
        """Return the offset behind the name at `offset`, every pointer of it followed.

        Pointers must lead to before the run of labels they end, so no name loops (stricter than RFC 1035 §4.1.4's
        "prior occurrence" in nothing a compressor writes).
        Raises ValueError or IndexError: malformed, too long, or the message's budget is spent.
        """
        message = self._message
        end = -1
        octets = pointers = 0
        run = offset
        while True:
            self._steps_left -= 1
            if self._steps_left < 0:
                raise ValueError("too many labels")
            length = message[offset]
            if length == 0:
                if end < 0:
                    return offset + 1
                self._jumps.append((run, offset + 1))
                return end
            if length < 0x40:
                octets += length + 1
                offset += length + 1
                if octets >= _MAX_NAME_OCTETS:
                    raise ValueError("name too long")
            elif length >= 0xC0:
                pointers += 1
                target = (length & 0x3F) << 8 | message[offset + 1]
                if target >= run or pointers > _MAX_POINTERS:
                    raise ValueError("pointer does not lead backwards, or one of too many")
                if end < 0:
                    end = offset + 2
                else:
                    self._jumps.append((run, offset + 2))
                offset = run = target
            else:
                raise ValueError("reserved label type")


def _chain(qname: str, cnames: list[tuple[str, str]]) -> list[str]:
    """Return the targets in the order in which they lead on from `qname`, then those that no chain reaches."""
    left = dict(cnames)
    if len(left) != len(cnames):  # several targets of one name: no chain to follow, keep what the wire says
        return list(dict.fromkeys(target for _, target in cnames))
    ordered: list[str] = []
    name: str | None = qname
    while name is not None:
        name = left.pop(name, None)
        if name is not None:
            ordered.append(name)
    return list(dict.fromkeys([*ordered, *left.values()]))
