r"""A line of CoreDNS's log → the look-up it tells of. Pure; hostile lines give a `Reason`, never an error.

The `log` plugin of CoreDNS, NodeLocal DNSCache and OpenShift DNS (https://coredns.io/plugins/log/): its common and its
combined format, and any other with client, name, type and response code. A client decides what stands in `{name}`,
but cannot break out of it: the plugin writes blanks, quotes and backslashes as `\X`, and other octets as `\DDD`.

A line has no answers: no addresses, no CNAMEs.
"""

import re
import socket
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from grapevine.capture.complaints import Complaints
from grapevine.capture.counters import Counters, Reason
from grapevine.capture.dns import format_name
from grapevine.capture.sources.tap import unmap
from grapevine.model.errors import PermanentInputError
from grapevine.wire.schema import MAX_NAME_CHARS

COMMON: Final = '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode}'
"""CoreDNS's own format as far as it is read; the combined one begins with it."""
SHORT: Final = "{remote} {name} {type} {rcode}"
DEFAULT_FORMATS: Final = (COMMON, SHORT)
MAX_LINE_BYTES: Final = 4_096
"""Longest line looked at: a name of 255 octets, each escaped, is a quarter of it."""
MAX_FORMAT_CHARS: Final = 512

_REMEDY: Final = "give --line-format what stands behind `log .` in the Corefile"

_NEEDED: Final = ("remote", "name", "type", "rcode")
_FIELDS: Final = {
    "remote": r"\[?(?P<remote>[0-9A-Fa-f:.]{2,45})(?:%[^\]\s]{1,16})?\]?",
    "name": r"(?P<name>(?=[^\s\"])[^\s\\\"]*(?:\\[ -~][^\s\\\"]*)*)",
    "type": r"(?P<type>[A-Z][A-Z0-9-]{0,15})",
    "rcode": r"(?P<rcode>[A-Z]{1,16}|[0-9]{1,5})",
    "port": r"(?P<port>[0-9]{1,5})",
    ">id": r"(?P<id>[0-9]{1,5})",
    "proto": r"(?P<proto>[a-z]{1,8})",
    "class": r"(?P<class>[A-Z0-9]{1,16})",
    "when": r"[^\]\"]{0,40}",
}
"""How each placeholder we read is written, and one that holds a blank; any other has none."""
_OTHER_FIELD: Final = r"[^ \"]{0,256}"
_PLACEHOLDER: Final = re.compile(r"\{([^{}\s]+)\}")
_STAMP: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
_PREFIX: Final = rf"(?:\[pod/\S+ )?(?:(?P<stamp>{_STAMP}) )?(?:std(?:out|err) [FP] )?(?:\[INFO\] )?"
"""What stands before the plugin's own text: `kubectl logs --prefix --timestamps`, the container runtime's log file, and
CoreDNS's level."""
_STAMP_PARTS: Final = re.compile(r"(.{19})(?:\.(\d+))?(.+)")
_LOOKS_MEANT: Final = re.compile(
    _PREFIX + r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f.]{0,15}){2,8}\]?)[: ]\S"
)
_ESCAPE: Final = re.compile(r"\\(?:([0-9]{3})|(.))|(\.)")


class LogLine(NamedTuple):
    """One response, as the server logged it."""

    client: bytes
    """Address, 4 or 16 octets."""
    client_port: int
    """0 where the format has none."""
    transaction_id: int | None
    """None where the format has none."""
    transport: str
    """`udp` or `tcp`; `udp` where the format does not tell."""
    qname: str
    """Names and types as in `DnsObservation`."""
    qtype: str
    rcode: str
    time_ms: int
    """The time that stands before the line, ms since the epoch; 0 where none does."""


class LogParser:
    """Reads lines of any of several formats; remembers the last second it read, for reading the next faster."""

    def __init__(self, formats: Sequence[str] = DEFAULT_FORMATS) -> None:
        """Take formats as the Corefile has them, the likeliest first.

        Raises:
            PermanentInputError: one of them does not tell who asked for what and what came of it.
        """
        self._patterns = [compile_format(each) for each in formats]
        self._clock = StampReader()

    def parse(self, line: bytes) -> LogLine | Reason:
        """Return the look-up in `line` (without its end), or why there is none."""
        if len(line) > MAX_LINE_BYTES:
            return Reason.LOG_OTHER
        text = line.decode("latin-1")
        for pattern in self._patterns:
            found = pattern.match(text)
            if found is not None:
                return self._line(found.groupdict())
        return Reason.LOG_FORMAT if _LOOKS_MEANT.match(text) else Reason.LOG_OTHER

    def _line(self, fields: dict[str, str | None]) -> LogLine | Reason:
        if fields.get("class") not in (None, "IN"):
            return Reason.QUESTION_CLASS
        try:
            remote = fields["remote"] or ""
            client = unmap(socket.inet_pton(socket.AF_INET6 if ":" in remote else socket.AF_INET, remote))
            qname = normalise_name(fields["name"] or "")
        except (OSError, ValueError):
            return Reason.LOG_FORMAT
        rcode = fields["rcode"] or ""
        stamp, transaction_id = fields["stamp"], fields.get("id")
        return LogLine(
            client=client,
            client_port=int(fields.get("port") or 0) & 0xFFFF,
            transaction_id=None if transaction_id is None else int(transaction_id),
            transport="udp" if fields.get("proto") in (None, "udp") else "tcp",
            qname=qname,
            qtype=fields["type"] or "",
            rcode=f"RCODE{rcode}" if rcode.isdecimal() else rcode,
            time_ms=max(0, self._clock.try_read_ns(stamp) or 0) // 1_000_000 if stamp else 0,
        )


class LogReader:
    """Reads lines and counts those that tell of no look-up; complains where the format seems to be another."""

    def __init__(self, parser: LogParser, counters: Counters) -> None:
        self._parser = parser
        self._counters = counters
        self._complaints = Complaints(counters)

    def read(self, line: bytes, who: str, now_s: float) -> LogLine | None:
        """Return the look-up in a line of `who`'s log; `now_s` is a monotonic clock's."""
        self._counters.add(Reason.FRAMES)
        found = self._parser.parse(line)
        if isinstance(found, LogLine):
            return found
        self._counters.add(found)
        if found is Reason.LOG_FORMAT:
            self._complaints.add(found, who, _REMEDY, now_s)
        return None


class StampReader:
    """RFC 3339 → nanoseconds; a second read once is not read again."""

    def __init__(self) -> None:
        self._second = ("", "")
        self._second_ns: int | None = None

    def try_read_ns(self, stamp: str) -> int | None:
        """Return nanoseconds since the epoch; None where it is no time."""
        found = _STAMP_PARTS.fullmatch(stamp)
        if found is None:
            return None
        second, fraction, zone = found.groups()
        if (second, zone) != self._second:
            try:
                moment = datetime.fromisoformat(second + zone)
                self._second_ns = int(moment.timestamp()) * 10**9 if moment.tzinfo else None
            except (ValueError, OverflowError):
                self._second_ns = None
            self._second = (second, zone)
        if self._second_ns is None:
            return None
        return self._second_ns + (int(fraction[:9].ljust(9, "0")) if fraction else 0)


def compile_format(text: str) -> re.Pattern[str]:
    """Return what matches the lines of a format of CoreDNS's `log`, from their beginning up to the last thing needed.

    Linear in the line: no field can begin where the one before it might go on, and all but the name are bounded.

    Raises:
        PermanentInputError: too long, a placeholder twice, or one of `{remote} {name} {type} {rcode}` missing.
    """
    text = {"common": COMMON, "combined": COMMON}.get(text, text)
    names = [_lower(name) for name in _PLACEHOLDER.findall(text)]
    missing = [name for name in _NEEDED if name not in names]
    read = [name for name in names if name in _FIELDS]
    if missing or len(read) != len(set(read)) or len(text) > MAX_FORMAT_CHARS:
        raise PermanentInputError(
            f"log format {text[:80]!r}: give what the Corefile's log line has, at most {MAX_FORMAT_CHARS} characters "
            "with {remote}, {name}, {type} and {rcode}, each once"
        )
    pieces, at = [], 0
    for found in _PLACEHOLDER.finditer(text):
        pieces += [re.escape(text[at : found.start()]), _FIELDS.get(_lower(found[1]), _OTHER_FIELD)]
        at = found.end()
        names.pop(0)
        if not set(_FIELDS) & set(names):
            break
    return re.compile(f'{_PREFIX}{"".join(pieces)}(?![^\\s"])')


def _lower(placeholder: str) -> str:
    """Return a placeholder as we know it: those of the header may have any case."""
    return placeholder.lower() if placeholder.startswith(">") else placeholder


def normalise_name(text: str) -> str:
    r"""Return a name as CoreDNS writes it in the form of `DnsObservation`: `a\ b.` gives `a\032b`.

    Raises:
        ValueError: it is no name, or too long for one.
    """
    if "\\" not in text and "*" not in text:
        name = text.lower().removesuffix(".")
        has_empty_label = ".." in name or name.startswith(".")
        if not name.isascii() or not name.isprintable() or len(name) > MAX_NAME_CHARS or has_empty_label:
            raise ValueError("no name")
        return name
    labels, label, at = [], bytearray(), 0
    for found in _ESCAPE.finditer(text):
        label += text[at : found.start()].encode("latin-1")
        at = found.end()
        if found[3]:
            labels.append(bytes(label))
            label.clear()
        else:
            label.append(int(found[1]) if found[1] else ord(found[2]))  # ValueError over 255
    label += text[at:].encode("latin-1")
    name = format_name([*labels, bytes(label)] if label else labels)
    if not all(labels) or len(name) > MAX_NAME_CHARS:
        raise ValueError("no name")
    return name
