"""The capture process: a source is read, windows go to the sender, the end waits until all is durable.

One thread reads and decodes, blocking in a selector; it wakes only for packets, for a window that is to be cut, and for
a signal, so an idle node costs nothing. The other thread sends (sender.py says why).
"""

import itertools
import logging
import os
import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from grapevine.capture.batches import Batcher
from grapevine.capture.counters import Counters, Reason
from grapevine.capture.intake import Intake
from grapevine.capture.operator_link import OperatorLink
from grapevine.capture.privileges import drop_privileges
from grapevine.capture.sender import Sender, SenderThread
from grapevine.capture.settings import STDIN, CaptureSettings
from grapevine.capture.sources.host import read_host_ips
from grapevine.capture.sources.packet import PacketSource
from grapevine.capture.stop import StopSignal
from grapevine.capture.watchdog import Watchdog
from grapevine.capture.window import format_address
from grapevine.model.value import replace, value
from grapevine.wire.schema import WANT_DNS_PODS, Hearing, Reply

if TYPE_CHECKING:  # what the usual source, packets, has no use for is loaded by those that have
    from grapevine.capture.log_settings import LogSettings
    from grapevine.capture.sources.dnstap import ListenAddress
    from grapevine.capture.told import Told

TICK_S: Final = 0.25
"""How often time passes for held responses and windows while no packet comes."""
PACKET_TICK_S: Final = 0.6
"""The same of the ring, longer than a packet waits in it: so a busy node wakes us up with packets alone."""
REST_S: Final = 0.02
"""What a DNS server tells one by one is left to gather for as long: waking up for each was a third of the cost of
dnstap at 2,000 responses a second, and two thirds of a log's."""
QUIET_S: Final = 1.0
"""Silence on stdin after which what is held is sent: there packets are the only clock."""
POLL_S: Final = 0.1
"""How often the end looks whether all is durable."""
HOST_IPS_PERIOD_S: Final = 60.0
CLOSE_TIMEOUT_S: Final = 1.0

_log = logging.getLogger(__name__)


@value
class Outcome:
    """How a capture ended."""

    not_durable: int
    """Batches sent or not whose edges are not known to stand in a written object."""
    lost: int
    """Batches dropped for want of room, or refused."""
    is_complete: bool
    """The source was taken in to its end; false where a file was left for a signal or for want of room."""
    counters: dict[str, int]
    """Capture's counters, as `Counters.snapshot`."""


T = TypeVar("T")


class Readable(Protocol):
    """What can be waited on."""

    def fileno(self) -> int:
        """Return the file descriptor."""


def run(settings: CaptureSettings, report: Callable[[str], None]) -> Outcome:
    """Capture until the source ends or a signal comes; `report` gets lines a person should read.

    Raises:
        PermanentInputError: the source cannot be opened or is no capture.
    """
    with StopSignal() as stop:
        if settings.source == "packet":
            return _run_packet(settings, stop)
        if settings.listen is not None:
            return _run_dnstap(settings, settings.listen, stop)
        if settings.log is not None:
            return _run_log(settings, settings.log, stop)
        if settings.file == STDIN:
            return _run_stdin(settings, stop, report)
        return _run_file(settings, stop, report)


def _run_packet(settings: CaptureSettings, stop: StopSignal) -> Outcome:
    counters = Counters()
    intake = Intake(
        "packet",
        settings.window_ms,
        counters,
        matching="on" if settings.match else "off",
        takes_connections=settings.connections,
        is_patient=True,
    )
    batcher = Batcher(_random_stream(), settings.node, counters, _now_ms)
    with ExitStack() as stack:
        host_ips = read_host_ips()
        packets = PacketSource(
            has_queries=settings.match,
            has_connections=settings.connections,
            host_ips=host_ips,
            now_s=time.monotonic(),
        )
        source = stack.enter_context(closing(packets))
        # Before the sender's thread is started, which then has none either
        drop_privileges(settings.user, filter(None, (settings.ca_file, settings.token_file)))
        batcher.hearing = Hearing(("packet",), _now_ms())
        batcher.host_ips = host_ips
        sender, thread = stack.enter_context(_sending(settings, batcher, stop))
        watchdog = stack.enter_context(Watchdog(settings.watchdog_s, thread.is_stalled))
        refresh_s = time.monotonic() + HOST_IPS_PERIOD_S

        def take() -> bool:
            intake.lone_direction = packets.lone_direction
            source.drain(intake.block)
            return True

        for _ in _listen(source, take, intake, stop, PACKET_TICK_S, lambda: intake.advance(_now_ms()), watchdog):
            now_s = time.monotonic()
            source.advance(now_s, counters[Reason.EVENTS], counters[Reason.FRAMES])
            cuts = intake.take()
            if cuts:
                counters.add(Reason.KERNEL_DROPS, source.take_drops())
                if now_s >= refresh_s:
                    batcher.host_ips = read_host_ips()
                    source.set_host_ips(batcher.host_ips)
                    refresh_s = now_s + HOST_IPS_PERIOD_S
            for cut in cuts:
                sender.offer(batcher.batch(cut))
                thread.wake()
        return _drain(settings, sender, thread, stop, counters)


def _run_dnstap(settings: CaptureSettings, address: "ListenAddress", stop: StopSignal) -> Outcome:
    from grapevine.capture.sources.dnstap import DnstapSource
    from grapevine.capture.told import Told

    counters = Counters()
    told = Told("dnstap", settings.window_ms, counters)
    batcher = Batcher(_random_stream(), settings.node, counters, _now_ms)
    # No host addresses: a sidecar has its pod's alone
    with ExitStack() as stack:
        source = stack.enter_context(closing(DnstapSource(address, counters)))
        sender, thread = stack.enter_context(_sending(settings, batcher, stop))
        watchdog = stack.enter_context(Watchdog(settings.watchdog_s, thread.is_stalled))
        take = _each(source.read, told.tap)
        for _ in _listen(source, take, told, stop, TICK_S, lambda: told.advance(_now_ms()), watchdog, rest_s=REST_S):
            since_ms = source.hearing_since_ms
            batcher.hearing = Hearing(("dnstap",), since_ms) if since_ms is not None else Hearing((), 0)
            for cut in told.take():
                sender.offer(batcher.batch(cut))
                thread.wake()
        return _drain(settings, sender, thread, stop, counters)


def _run_log(settings: CaptureSettings, log: "LogSettings", stop: StopSignal) -> Outcome:
    from grapevine.capture.sources.corelog import LogParser, LogReader
    from grapevine.capture.sources.follower import PodLogSource, api_access
    from grapevine.capture.sources.logfile import LogFileSource
    from grapevine.capture.told import Told

    _log.info("a log tells who looked up what and what came of it, but no answers: no addresses, no CNAMEs")
    counters = Counters()
    told = Told("log", settings.window_ms, counters)
    batcher = Batcher(_random_stream(), settings.node, counters, _now_ms)
    reader = LogReader(LogParser(log.formats), counters)
    with ExitStack() as stack:
        source: LogFileSource | PodLogSource
        follower: PodLogSource | None = None
        if log.server is None:
            source = LogFileSource(log.file)
            batcher.hearing = Hearing(("log",), _now_ms())
        else:
            source = follower = PodLogSource(api_access(log.server, log.credentials), counters, log.container)
            follower.follow_named(log.pods)
            batcher.wants = (WANT_DNS_PODS,)
        stack.enter_context(closing(source))
        on_reply = follower.take_reply if follower else None
        sender, thread = stack.enter_context(_sending(settings, batcher, stop, on_reply))
        watchdog = stack.enter_context(Watchdog(settings.watchdog_s, thread.is_stalled))

        def take() -> bool:
            lines = source.read()
            now_ms, now_s = _now_ms(), time.monotonic()
            for text, resolver in lines or ():
                line = reader.read(text, format_address(resolver), now_s)
                if line is not None:
                    told.line(line, resolver, now_ms)
            return lines is not None

        for _ in _listen(source, take, told, stop, TICK_S, lambda: told.advance(_now_ms()), watchdog, rest_s=REST_S):
            if follower:
                since_ms = follower.hearing_since_ms
                batcher.hearing = Hearing(("log",), since_ms) if since_ms is not None else Hearing((), 0)
            for cut in told.take():
                if log.file not in ("", STDIN) and not _wait_for_room(settings, sender, stop):
                    return replace(_drain(settings, sender, thread, stop, counters), is_complete=False)
                sender.offer(batcher.batch(cut))
                thread.wake()
        return _drain(settings, sender, thread, stop, counters)


def _run_stdin(settings: CaptureSettings, stop: StopSignal, report: Callable[[str], None]) -> Outcome:
    from grapevine.capture.sources.pcap import PcapSource

    counters = Counters()
    intake = Intake(
        "pcap",
        settings.window_ms,
        counters,
        matching="auto" if settings.match else "off",
        takes_connections=settings.connections,
    )
    batcher = Batcher(_random_stream(), settings.node, counters, lambda: intake.newest_ms)
    with ExitStack() as stack:
        source = stack.enter_context(closing(PcapSource(STDIN)))
        sender, thread = stack.enter_context(_sending(settings, batcher, stop))
        for _ in _listen(source, lambda: source.drain(intake.frame), intake, stop, QUIET_S, intake.flush):
            if intake.first_ms is not None:
                batcher.hearing = Hearing(("pcap",), intake.first_ms)
            for cut in intake.take():
                sender.offer(batcher.batch(cut))
                thread.wake()
        warning = None if stop.is_set else source.finish()
        if warning:
            report(warning)
        return _drain(settings, sender, thread, stop, counters)


def _run_file(settings: CaptureSettings, stop: StopSignal, report: Callable[[str], None]) -> Outcome:
    from grapevine.capture.replay import Replay

    replay = Replay(
        settings.file,
        report,
        window_ms=settings.window_ms,
        matching="auto" if settings.match else "off",
        takes_connections=settings.connections,
    )
    batches = replay.batches()
    first = next(batches, None)  # before anything is sent: a file that is no capture must not bother the operator
    if first is None:
        return Outcome(0, 0, True, replay.counters.snapshot())
    with closing(batches), _sending(settings, replay.batcher, stop) as (sender, thread):
        for batch in itertools.chain((first,), batches):
            if not _wait_for_room(settings, sender, stop):
                return replace(_drain(settings, sender, thread, stop, replay.counters), is_complete=False)
            sender.offer(batch)
            thread.wake()
        return _drain(settings, sender, thread, stop, replay.counters)


@contextmanager
def _sending(
    settings: CaptureSettings, batcher: Batcher, stop: StopSignal, on_reply: Callable[[Reply], None] | None = None
) -> Iterator[tuple[Sender, SenderThread]]:
    link = OperatorLink(settings)
    sender = Sender(
        link.post,
        batcher.heartbeat,
        spool_bytes=settings.spool_bytes,
        deflate=settings.deflate,
        random=_random,
        on_reply=on_reply,
    )
    thread = SenderThread(sender, stop.set)
    try:
        yield sender, thread
    finally:
        thread.close(CLOSE_TIMEOUT_S)
        link.close()


def _each(read: Callable[[], Sequence[tuple[T, int]] | None], take: Callable[[T, int], None]) -> Callable[[], bool]:
    """Return what gives everything that can be read, with its time, to `take`; it returns False at the end."""

    def take_each() -> bool:
        items = read()
        if items is None:
            return False
        for item, time_ms in items:
            take(item, time_ms)
        return True

    return take_each


def _listen(
    source: Readable,
    take: Callable[[], bool],
    intake: "Intake | Told",
    stop: StopSignal,
    tick_s: float,
    tick: Callable[[], None],
    watchdog: Watchdog | None = None,
    *,
    rest_s: float = 0.0,
) -> Iterator[None]:
    """Call `take` whenever the source has something, until it returns False or a signal comes; `tick` in between.

    Once the source has nothing more it is left alone for `rest_s`. Yields whenever windows may have been cut.
    """
    idle_s = watchdog.period_s if watchdog else None
    with selectors.PollSelector() as selector:
        # poll, for stdin may be a file and epoll takes none
        selector.register(source, selectors.EVENT_READ)
        selector.register(stop, selectors.EVENT_READ)
        while not stop.is_set:
            ready = selector.select(idle_s if intake.is_idle() else tick_s)
            if watchdog:
                watchdog.beat(time.monotonic())
            if not _has(ready, source):
                tick()
            elif not take():
                break
            elif rest_s and not _has(selector.select(0), source):
                stop.wait(rest_s)
            yield
    intake.flush()
    yield


def _has(ready: Sequence[tuple[selectors.SelectorKey, int]], source: Readable) -> bool:
    return any(key.fileobj is source for key, _ in ready)


def _wait_for_room(settings: CaptureSettings, sender: Sender, stop: StopSignal) -> bool:
    """Wait until the spool has room; give up on a signal, or when nothing becomes durable for the drain time-out."""
    left = sender.left()
    deadline_s = time.monotonic() + settings.drain_timeout_s
    while not sender.has_room():
        if stop.is_set or time.monotonic() >= deadline_s:
            return False
        time.sleep(POLL_S)
        if sender.left() < left:
            left = sender.left()
            deadline_s = time.monotonic() + settings.drain_timeout_s
    return not stop.is_set


def _drain(
    settings: CaptureSettings, sender: Sender, thread: SenderThread, stop: StopSignal, counters: Counters
) -> Outcome:
    sender.is_draining = True
    thread.wake()
    deadline_s = time.monotonic() + settings.drain_timeout_s
    while sender.left() and time.monotonic() < deadline_s and not stop.is_urgent:
        time.sleep(POLL_S)
    return Outcome(sender.left(), sender.lost(), True, counters.snapshot())


def _random() -> float:
    return int.from_bytes(os.urandom(4), "big") / 2**32  # `random` loads what nothing else here needs


def _random_stream() -> str:
    return os.urandom(16).hex()  # `secrets` would load OpenSSL, 4 MiB


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
