"""Logs of several pods through an API server on loopback, over TLS."""

import select
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.support.eventually import eventually
from tests.support.fake_pod_logs import TOKEN, PodLogs, serving
from tests.support.taps import pack
from tests.support.tls import a_pair, server_context

from grapevine.capture.counters import Counters, Reason
from grapevine.capture.http1 import Server
from grapevine.capture.sources import follower
from grapevine.capture.sources.follower import PodLogSource, api_access, find_server
from grapevine.model.errors import PermanentInputError
from grapevine.wire.schema import MAX_DNS_PODS, DnsPod, Reply

PAIR = a_pair("localhost")
ONE, TWO = DnsPod("kube-system", "coredns-one", "10.244.0.32"), DnsPod("kube-system", "coredns-two", "10.244.1.7")


class Rig:
    """A follower of an API server, and what it has read."""

    def __init__(self, directory: Path, stack: ExitStack, **settings: str) -> None:
        (directory / "ca.crt").write_text(PAIR.authority.pem)
        (directory / "token").write_text(TOKEN + "\n")
        self.directory = directory
        self.logs = PodLogs({"kube-system/coredns-one": [], "kube-system/coredns-two": []})
        port = stack.enter_context(serving(self.logs, server_context(PAIR)))
        access = api_access(Server("localhost", port, "", is_https=True), str(directory))
        self.counters = Counters()
        self.source = stack.enter_context(closing(PodLogSource(access, self.counters, **settings)))
        self.lines: list[tuple[bytes, bytes]] = []

    def until(self, condition: "object", *, timeout_s: float = 10.0) -> None:
        def read() -> bool:
            if select.select([self.source], [], [], 0.01)[0]:
                self.lines += [(line.partition(b" ")[2], resolver) for line, resolver in self.source.read()]
            return bool(condition())  # type: ignore[operator]

        eventually(read, every_s=0, timeout_s=timeout_s)

    def until_streaming(self, *pods: str) -> None:
        self.until(lambda: all(self.logs.streams[f"kube-system/coredns-{pod}"] == 1 for pod in pods))


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(follower, "RETRY_FIRST_S", 0.01)
    with ExitStack() as stack:
        yield Rig(tmp_path, stack)


def test_follows_what_the_operator_names_and_says_whose_line_it_is(rig: Rig) -> None:
    rig.logs.write("kube-system/coredns-one", 1, "before we came")
    rig.source.take_reply(Reply("operator", 0, dns_pods=(ONE, TWO)))
    rig.until_streaming("one", "two")
    rig.logs.write("kube-system/coredns-one", 2, "a")
    rig.logs.write("kube-system/coredns-two", 3, "b")
    rig.until(lambda: len(rig.lines) == 2)
    assert sorted(rig.lines) == [(b"a", pack("10.244.0.32")), (b"b", pack("10.244.1.7"))]
    assert rig.source.hearing_since_ms is not None
    assert rig.counters.snapshot() == {"log-streams": 2}


def test_goes_on_after_a_stream_broke_without_a_line_twice_or_missing(rig: Rig) -> None:
    rig.source.follow([ONE])
    rig.until_streaming("one")
    for number in range(3):
        rig.logs.write("kube-system/coredns-one", 5 * 10**9 + number // 2, f"{number}")
    rig.until(lambda: len(rig.lines) == 3)
    rig.logs.break_streams()
    rig.logs.write("kube-system/coredns-one", 5 * 10**9 + 1, "3")
    rig.until(lambda: len(rig.lines) >= 4)
    assert [line for line, _ in rig.lines] == [b"0", b"1", b"2", b"3"]
    assert rig.logs.queries[-1].endswith("sinceTime=1970-01-01T00:00:05Z")
    assert rig.counters.snapshot() == {"frames": 3, "log-streams": 2, "log-repeated": 3, "log-broken": 1}


def test_goes_on_with_the_new_file_after_a_rotation(rig: Rig) -> None:
    rig.source.follow([ONE])
    rig.until_streaming("one")
    rig.logs.write("kube-system/coredns-one", 5 * 10**9, "old")
    rig.until(lambda: rig.lines)
    rig.logs.rotate("kube-system/coredns-one")
    rig.logs.write("kube-system/coredns-one", 6 * 10**9, "new")
    rig.until(lambda: len(rig.lines) == 2)
    assert [line for line, _ in rig.lines] == [b"old", b"new"]
    assert rig.counters[Reason.LOG_REPEATED] == 0


def test_lets_go_of_a_pod_that_is_not_named_any_more_and_takes_up_another(rig: Rig) -> None:
    rig.source.follow([ONE])
    rig.until_streaming("one")
    rig.source.follow([TWO])
    rig.until_streaming("one", "two")
    rig.logs.break_streams()
    rig.until(lambda: rig.counters[Reason.LOG_STREAMS] == 3)
    assert [query.partition("?")[0][-3:] for query in rig.logs.queries] == ["one", "two", "two"]


def test_says_what_the_role_is_where_it_may_not_read(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.logs.forbidden.add("kube-system/coredns-one")
    rig.source.follow([ONE])
    rig.until(lambda: rig.counters[Reason.LOG_REFUSED] >= 2)
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    (refused,) = warnings
    assert (refused.__dict__["peer"], refused.__dict__["reason"]) == ("kube-system/coredns-one", "log-refused")
    assert "status 403: may this service account `get pods/log` there?" in refused.__dict__["remedy"]
    rig.logs.forbidden.clear()
    rig.until_streaming("one")


def test_tells_an_api_server_it_does_not_trust_from_one_that_is_away(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    (rig.directory / "ca.crt").write_text(a_pair("localhost").authority.pem)
    rig.source.follow([ONE])
    rig.until(lambda: rig.counters[Reason.LOG_BROKEN])
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "the API server's certificate is not trusted" in record.__dict__["remedy"]
    assert "(--api-credentials)" in record.__dict__["remedy"]
    assert rig.logs.queries == []


def test_follows_named_pods_whatever_the_operator_names_and_learns_their_addresses(rig: Rig) -> None:
    rig.source.follow_named((DnsPod("kube-system", "coredns-one", ""),))
    rig.until_streaming("one")
    rig.logs.write("kube-system/coredns-one", 1, "a")
    rig.until(lambda: rig.lines)
    rig.source.take_reply(Reply("operator", 0, dns_pods=(ONE, TWO)))
    rig.logs.write("kube-system/coredns-one", 2, "b")
    rig.until(lambda: len(rig.lines) == 2)
    assert rig.lines == [(b"a", bytes(4)), (b"b", pack("10.244.0.32"))]
    assert rig.logs.streams["kube-system/coredns-two"] == 0


def test_follows_no_more_than_the_cap_and_nothing_with_a_name_that_is_none(rig: Rig) -> None:
    rig.source.follow([DnsPod("kube-system", "../secrets", ""), *[ONE] * 3])
    rig.until_streaming("one")
    rig.source.follow([DnsPod("kube-system", f"gone-{i}", "") for i in range(MAX_DNS_PODS)] + [TWO])
    rig.until(lambda: len({query.partition("?")[0] for query in rig.logs.queries}) == 1 + MAX_DNS_PODS)
    assert rig.logs.streams["kube-system/coredns-two"] == 0


def test_says_that_there_is_nobody_to_follow(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        rig.source.take_reply(Reply("operator", 0, dns_pods=()))
    rig.source.take_reply(Reply("operator", 0))
    assert [record.message for record in caplog.records] == [
        "the operator knows no DNS server to follow; name them by --pods NAMESPACE/NAME,..."
    ]


def test_a_process_outside_a_pod_is_told_what_to_give() -> None:
    assert find_server({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}).port == 6443
    with pytest.raises(PermanentInputError, match="so this is no pod; give --api-server URL"):
        find_server({})
