"""DNS message → the response in it. Pure.

RFC 1035 §4 (messages, names, compression), RFC 2782 (SRV), RFC 3597 (unknown types). Hostile messages end in a reason
or a note: every name is walked within one budget for the message, and one bad record does not cost the others. No
library does it: dnslib costs a node 1.4 MiB to read two names (docs/decisions/008); the tests compare with it.
"""

import socket
from collections.abc import Iterable
from struct import Struct
from struct import error as struct_error
from typing import Final

from grapevine.capture.counters import Reason
from grapevine.model.value import value
from grapevine.wire.schema import MAX_ANSWERS

HEADER_BYTES: Final = 12
MAX_RECORDS_WALKED: Final = 512
"""Answer records looked at in one message; 512 addresses fill 8 KiB."""
MAX_RECORDS_DECODED: Final = 2 * MAX_ANSWERS
MAX_NAME_STEPS: Final = 1_000
"""Labels and pointers followed in one message, all names together."""

_HEADER: Final = Struct("!2xHHH")
"""Flags, number of questions, number of answers."""
_QUESTION: Final = Struct("!HH")
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
_PARSE_ERRORS: Final = (struct_error, IndexError, ValueError)
"""What hostile bytes raise in here."""

_MAX_NAME_OCTETS: Final = 255
_MAX_POINTERS: Final = 127
"""Of one name: as many as it can have labels."""
_TYPES: Final = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 17: "RP",
    18: "AFSDB", 24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 36: "KX", 37: "CERT", 38: "A6",
    39: "DNAME", 41: "OPT", 42: "APL", 43: "DS", 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY",
    49: "DHCID", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 59: "CDS", 60: "CDNSKEY",
    61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS", 99: "SPF", 108: "EUI48", 109: "EUI64",
    249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI", 257: "CAA", 32768: "TA", 32769: "DLV",
}  # fmt: skip
"""Mnemonics of https://www.iana.org/assignments/dns-parameters, of types that are still asked for."""
_CODES: Final = (
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
    "NOTZONE",
)  # fmt: skip
"""Likewise of response codes, from 0 on."""
_PLAIN: Final = b"abcdefghijklmnopqrstuvwxyz0123456789-_"
_ESCAPED: Final = tuple(chr(o) if 32 < o < 127 and chr(o) not in ".\\*" else f"\\{o:03d}" for o in range(256))


@value
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
        qname, qtype, qclass = reader.question()
    except _PARSE_ERRORS:
        return Reason.BAD_QUESTION
    if qclass != _IN:
        return Reason.QUESTION_CLASS
    reader.records(answers, qtype)
    rcode = flags & _RCODE
    return Response(
        qname=qname,
        qtype=_TYPES.get(qtype) or f"TYPE{qtype}",
        rcode=_CODES[rcode] if rcode < len(_CODES) else f"RCODE{rcode}",
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
    """Reads one message's question and answers."""

    def __init__(self, message: bytes) -> None:
        self._message = message
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

    def question(self) -> tuple[str, int, int]:
        """Return the question's name, type and class; raises one of `_PARSE_ERRORS`."""
        qname, end = self._name(HEADER_BYTES)
        qtype, qclass = _QUESTION.unpack_from(self._message, end)
        self._records_end = end + _QUESTION.size
        return qname, qtype, qclass

    def records(self, number: int, qtype: int) -> None:
        """Read up to `number` records of the answer section; stops where the bytes make no sense any more."""
        start = self._records_end
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
                self.answers.add(socket.inet_ntop(family, self._message[data:end]))
                return
        for name_type, offset in _NAME_OFFSETS:
            if rtype == name_type:
                target, behind = self._name(data + offset)
                if behind != end:
                    raise ValueError("name does not fill the data")
                if rtype == _CNAME:
                    self.cnames.append((self._name(start)[0], target))
                if rtype == qtype:
                    self.answers.add(target)
                return
        self.answers.add(f"\\# {length}")

    def _name(self, offset: int) -> tuple[str, int]:
        """Return the name at `offset` and the offset behind it; raises as `_walk`."""
        labels: list[bytes] = []
        end = self._walk(offset, labels)
        return format_name(labels), end

    def _walk(self, offset: int, labels: list[bytes] | None = None) -> int:
        """Return the offset behind the name at `offset`, every pointer of it followed; add its labels to `labels`.

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
                if labels is not None:
                    labels.append(message[offset + 1 : offset + 1 + length])
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
