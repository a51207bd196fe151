"""Log lines as CoreDNS writes them, and as nobody should."""

import pytest
from tests.support.taps import pack

from grapevine.capture.counters import Reason
from grapevine.capture.sources.corelog import COMMON, SHORT, LogLine, LogParser, StampReader, compile_format
from grapevine.model.errors import PermanentInputError

IN_COMMON = (
    b'[INFO] 10.244.0.37:39729 - 4660 "A IN www.example.net. tcp 33 false 65535" NOERROR qr,aa,rd 110 0.000480651s'
)
MEANT = LogLine(pack("10.244.0.37"), 39_729, 4_660, "tcp", "www.example.net", "A", "NOERROR", 0)


def parse(line: bytes | str, *formats: str) -> LogLine | Reason:
    parser = LogParser(formats) if formats else LogParser()
    return parser.parse(line.encode() if isinstance(line, str) else line)


def named(name: str) -> str | Reason:
    found = parse(f"[INFO] 10.244.0.37 {name} A NOERROR")
    return found.qname if isinstance(found, LogLine) else found


def test_reads_the_common_format() -> None:
    assert parse(IN_COMMON) == MEANT


def test_reads_the_combined_format() -> None:
    assert parse(IN_COMMON + b' "0"') == MEANT


def test_reads_a_short_format_and_knows_no_transaction_then() -> None:
    found = parse(b"[INFO] 10.244.0.37 www.example.net. AAAA NXDOMAIN 4660 0.000105837s")
    assert found == LogLine(pack("10.244.0.37"), 0, None, "udp", "www.example.net", "AAAA", "NXDOMAIN", 0)


def test_reads_a_format_of_ones_own() -> None:
    line = b"[INFO] NOERROR tcp www.example.net. A 4660 [fd00::37]:39729 kube-system"
    found = parse(line, "{rcode} {proto} {name} {type} {>ID} {remote}:{port} {/kubernetes/namespace}")
    assert found == MEANT._replace(client=pack("fd00::37"))


@pytest.mark.parametrize(
    "before",
    ["", "2026-11-23T00:17:09.669794202Z [INFO] ", "[pod/coredns-5d78c9869d-abcde/coredns] [INFO] ", "[INFO] "],
)
def test_reads_a_line_whatever_wrote_something_before_it(before: str) -> None:
    found = parse(before.encode() + IN_COMMON.removeprefix(b"[INFO] "))
    assert isinstance(found, LogLine)
    assert found._replace(time_ms=0) == MEANT


def test_takes_the_time_before_the_line_in_any_zone() -> None:
    for stamp in ("1970-01-01T00:00:01.0015Z", "1970-01-01T02:00:01.001500000+02:00"):
        found = parse(f"{stamp} stdout F ".encode() + IN_COMMON)
        assert isinstance(found, LogLine)
        assert found.time_ms == 1_001


def test_an_address_mapped_into_ipv6_is_the_one_within() -> None:
    assert parse(IN_COMMON.replace(b"10.244.0.37", b"[::ffff:10.244.0.37]")) == MEANT


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (".", ""),
        ("WWW.Example.net.", "www.example.net"),
        ("_redis._tcp.example.net.", "_redis._tcp.example.net"),
        ("*.example.net.", r"\042.example.net"),
        ("*.example.com.", r"\042.example.com"),
        (r"a\ b\"c.x\.\\y.\000\255\010.example.com.", r'a\032b"c.x\046\092y.\000\255\010.example.com'),
        (r"\ \ A\ NOERROR.example.com.", r"\032\032a\032noerror.example.com"),
        ("..", Reason.LOG_FORMAT),
        (".example.net.", Reason.LOG_FORMAT),
        ("www..example.net.", Reason.LOG_FORMAT),
        (r"\256.example.net.", Reason.LOG_FORMAT),
        (r"a.\.\..b\\..", Reason.LOG_FORMAT),
        ("caf\u00e9.example.net.", Reason.LOG_FORMAT),
        ("\x01.example.net.", Reason.LOG_FORMAT),
        ("x" * 1_024, Reason.LOG_FORMAT),
        ("\\000" * 1_000 + ".", Reason.LOG_FORMAT),
    ],
)
def test_a_name_has_one_form_whoever_wrote_it(written: str, name: str | Reason) -> None:
    assert named(written) == name


def test_a_name_cannot_pretend_to_be_the_rest_of_the_line() -> None:
    name = rb"x.\ udp\ 1\ false\ 512\"\ NOERROR\ 10.0.0.1:1\ -\ 1\ \"A\ IN\ forged.example.com."
    found = parse(
        IN_COMMON.replace(b"www.example.net.", name + b"www.example.net.").replace(b"NOERROR q", b"REFUSED q")
    )
    assert isinstance(found, LogLine)
    assert (found.qname[-15:], found.rcode) == ("www.example.net", "REFUSED")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", Reason.LOG_OTHER),
        (b"CoreDNS-1.14.7", Reason.LOG_OTHER),
        (b".:53", Reason.LOG_OTHER),
        (b".:53 on 127.0.0.1", Reason.LOG_OTHER),
        (b"10.244.0.in-addr.arpa.:53", Reason.LOG_OTHER),
        (b"[INFO] [fd00::37]:1 www.example.net.", Reason.LOG_FORMAT),
        (b"[INFO] plugin/reload: Running configuration SHA512 = 4f2a", Reason.LOG_OTHER),
        (b"[ERROR] plugin/errors: 2 nothing.test. A: plugin/hosts: no next plugin found", Reason.LOG_OTHER),
        (IN_COMMON + b"x" * 4_096, Reason.LOG_OTHER),
        (b"[INFO] 10.244.0.37 A www.example.net.", Reason.LOG_FORMAT),
        (b"[INFO] 10.244.0.37:1 www.example.net.", Reason.LOG_FORMAT),
        (IN_COMMON.replace(b"10.244.0.37", b"10.244.0.370"), Reason.LOG_FORMAT),
        (IN_COMMON.replace(b" IN ", b" CH "), Reason.QUESTION_CLASS),
    ],
)
def test_says_what_a_line_is_that_tells_of_no_look_up(line: bytes, reason: Reason) -> None:
    assert parse(line) is reason


def test_a_response_code_without_a_name_keeps_its_number() -> None:
    found = parse(IN_COMMON.replace(b"NOERROR", b"23"))
    assert isinstance(found, LogLine)
    assert found.rcode == "RCODE23"


@pytest.mark.parametrize("text", ["", "{remote} {name} {type}", SHORT + " {name}", SHORT + " " * 512])
def test_a_format_that_does_not_tell_enough_is_refused_with_what_is_needed(text: str) -> None:
    with pytest.raises(PermanentInputError, match=r"with \{remote\}, \{name\}, \{type\} and \{rcode\}, each once"):
        compile_format(text)


def test_the_names_of_coredns_own_formats_stand_for_them() -> None:
    assert compile_format("combined") == compile_format("common") == compile_format(COMMON)


@pytest.mark.parametrize("stamp", ["1970-13-01T00:00:00Z", "1970-01-01T00:00:00", "nine"])
def test_a_time_that_is_none_gives_none(stamp: str) -> None:
    assert StampReader().try_read_ns(stamp) is None
