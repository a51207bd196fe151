"""A pod's log over several streams: nothing twice, nothing left out, whatever breaks."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.capture.http1 import MAX_HEAD_BYTES, Server
from grapevine.capture.sources.podlog import MAX_REASON_BYTES, PodLog, parse_pods
from grapevine.wire.schema import DnsPod

SERVER = Server("10.96.0.1", 443, "", is_https=True)
POD = DnsPod("kube-system", "coredns-5d78c9869d-abcde", "10.244.0.32")
OK = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"


def stamped(*lines: tuple[int, str]) -> bytes:
    """Return lines of a log with their times, in nanoseconds after 1970-01-01T00:00:01."""
    return b"".join(f"1970-01-01T00:00:{1 + ns // 10**9:02}.{ns % 10**9:09}Z {text}\n".encode() for ns, text in lines)


def texts(lines: Sequence[bytes]) -> list[str]:
    return [line.decode().partition(" ")[2] for line in lines]


def query(log: PodLog) -> str:
    head, _, _ = log.request(SERVER, "t0ken").decode().partition(" HTTP/1.0\r\n")
    return head.partition("?")[2]


def test_asks_for_one_pods_log_from_its_end_on() -> None:
    assert PodLog(POD, "dns").request(Server("::1", 6443, "/base", is_https=True), "t0ken") == (
        b"GET /base/api/v1/namespaces/kube-system/pods/coredns-5d78c9869d-abcde/log"
        b"?follow=true&timestamps=true&container=dns&tailLines=0 HTTP/1.0\r\n"
        b"Host: [::1]:6443\r\nAuthorization: Bearer t0ken\r\nAccept: */*\r\n\r\n"
    )


def test_resumes_with_the_second_of_the_last_line_and_leaves_out_what_came() -> None:
    log = PodLog(POD)
    log.request(SERVER, "t0ken")
    before = stamped((100, "a"), (200, "b"), (200, "c"))
    assert texts(log.feed(OK + before + b"1970-01-01T00:00:01.000000300Z not whole")[0]) == ["a", "b", "c"]
    assert query(log) == "follow=true&timestamps=true&sinceTime=1970-01-01T00:00:01Z"
    lines, repeated = log.feed(OK + before + stamped((200, "d"), (300, "not whole"), (250, "late")))
    assert (texts(lines), repeated) == (["d", "not whole", "late"], 3)


def test_begins_at_the_end_again_where_nothing_had_come() -> None:
    log = PodLog(POD)
    log.request(SERVER, "t0ken")
    assert log.feed(OK) == ([], 0)
    assert query(log).endswith("tailLines=0")


def test_takes_a_line_without_a_time_as_it_is() -> None:
    log = PodLog(POD)
    log.request(SERVER, "t0ken")
    assert log.feed(OK + b"failed to watch file\n\n") == ([b"failed to watch file", b""], 0)


@given(st.data())
def test_every_line_comes_once_wherever_streams_break_and_however_they_are_cut(data: st.DataObject) -> None:
    steps = data.draw(st.lists(st.sampled_from([0, 0, 1, 5, 10**9 - 1, 10**9]), min_size=1, max_size=12))
    times = [sum(steps[: i + 1]) for i in range(len(steps))]
    written = [(ns, f"line {i}") for i, ns in enumerate(times)]
    log, got = PodLog(POD), []
    since_s = 0
    for _ in range(data.draw(st.integers(0, 3))):
        log.request(SERVER, "t0ken")
        stream = OK + stamped(*[line for line in written if line[0] // 10**9 >= since_s])
        stream = stream[: data.draw(st.integers(0, len(stream)))]
        cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=4)))
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            got += texts(log.feed(stream[start:end])[0])
        since_s = times[len(got) - 1] // 10**9 if got else 0
    log.request(SERVER, "t0ken")
    got += texts(log.feed(OK + stamped(*[line for line in written if line[0] // 10**9 >= since_s]))[0])
    assert got == [text for _, text in written]


def test_keeps_the_beginning_of_what_a_refusal_says() -> None:
    log = PodLog(POD)
    log.request(SERVER, "t0ken")
    assert log.feed(b"HTTP/1.0 403 Forbidden\r\n\r\npods is forbidden\n" + bytes(10_000)) == ([], 0)
    assert (log.status, log.reason[:17], len(log.reason)) == (403, b"pods is forbidden", MAX_REASON_BYTES)
    log.request(SERVER, "t0ken")
    assert (log.status, log.reason) == (0, b"")


@pytest.mark.parametrize(
    "reply",
    [b"SSH-2.0-server\r\n\r\n", bytes(MAX_HEAD_BYTES + 1), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ids=["ssh", "endless", "chunked"],
)
def test_what_is_no_such_reply_is_refused(reply: bytes) -> None:
    log = PodLog(POD)
    log.request(SERVER, "t0ken")
    with pytest.raises(ValueError, match=r"no HTTP|too long|chunked"):
        log.feed(reply)


@pytest.mark.parametrize("name", ["", "../secrets", "a b", "A", "a\r\nHost: b", "a?b", "x" * 254, "a%2f"])
def test_a_name_that_is_none_is_no_part_of_a_request(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a Kubernetes object"):
        PodLog(DnsPod("kube-system", name, ""))


def test_reads_the_pods_a_person_names() -> None:
    assert parse_pods("kube-system/one, dns/two") == [DnsPod("kube-system", "one", ""), DnsPod("dns", "two", "")]
    with pytest.raises(ValueError, match="no name"):
        parse_pods("one")
