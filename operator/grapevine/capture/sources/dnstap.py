"""A listener for dnstap: CoreDNS and other servers connect and tell every response they give. Needs no capability.

Blocking nowhere; one epoll (or kqueue) for all connections, which the loop waits on like on any other descriptor.
A peer is untrusted until the operator knows its address: every number here is bounded, and what goes over is counted.
"""

import contextlib
import os
import selectors
import socket
import stat
import time
from collections import Counter
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from grapevine.capture.complaints import Complaints
from grapevine.capture.counters import Counters, Reason
from grapevine.capture.keepalive import keep_alive
from grapevine.capture.sources.framestream import FrameStream
from grapevine.capture.sources.tap import CONTENT_TYPE, Tap, TapReader, unmap
from grapevine.model.errors import PermanentInputError
from grapevine.model.value import value

MAX_CONNECTIONS: Final = 256
"""A cluster of 4,000 nodes has as many CoreDNS pods by the usual autoscaler (16 nodes a pod)."""
MAX_CONNECTIONS_A_PEER: Final = 16
"""CoreDNS connects once a `dnstap` line, so once a server block."""
MAX_HELD_BYTES: Final = 4 << 20
"""Unfinished frames of all connections together."""
RECEIVE_BYTES: Final = 16 << 10
"""Read of one connection before the next has its turn: a hundred responses."""
STALL_S: Final = 15.0
"""Longest that a handshake or one frame may take; CoreDNS flushes every second. A stream that has started may rest for
hours between frames, so silence alone is no reason to close it."""
LOOK_S: Final = 1.0
"""How often stalled connections are looked for, while anybody sends."""

_MAX_PATH_BYTES: Final = 107
"""`sun_path` of linux/un.h without its terminator."""
_BACKLOG: Final = 128
_REMEDIES: Final = {
    Reason.TAP_NOT_FULL: "add `full` to the dnstap line of the Corefile: dnstap tcp://ADDRESS:6000 full",
    Reason.TAP_GARBAGE: "only dnstap over Frame Streams is spoken here, without TLS: dnstap tcp://ADDRESS:6000 full",
    Reason.TAP_REFUSED: "is somebody else than the cluster's DNS connecting? let only kube-dns reach this port",
    Reason.TAP_OVERFLOW: "is somebody else than the cluster's DNS connecting? let only kube-dns reach this port",
    Reason.TAP_STALLED: "is it dnstap that connects, and does the network in between lose packets?",
    Reason.TAP_BROKEN: "none where the DNS server was restarted: it connects again by itself",
}


@value
class ListenAddress:
    """Where senders connect to."""

    host: str
    """Address to bind, IPv6 without brackets; `::` takes IPv4 too. Empty for a unix socket."""
    port: int
    """0: any free one."""
    path: str
    """Path of the unix socket; empty for TCP."""


def parse_listen(url: str) -> ListenAddress:
    """Return the address in `tcp://ADDRESS:PORT` or `unix:///PATH`.

    Raises:
        PermanentInputError: not such a URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as e:
        raise PermanentInputError(f"--listen {url!r}: {e}") from e
    if parts.query or parts.fragment:
        pass
    elif parts.scheme == "unix" and not parts.netloc and 1 < len(os.fsencode(parts.path)) <= _MAX_PATH_BYTES:
        return ListenAddress("", 0, parts.path)
    elif parts.scheme == "tcp" and port is not None and not parts.path and _is_address(host):
        return ListenAddress(host, port, "")
    raise PermanentInputError(
        f"--listen {url!r}: give tcp://ADDRESS:PORT with an IP address, or unix:///PATH of at most "
        f"{_MAX_PATH_BYTES} bytes"
    )


class _Connection:
    """One sender."""

    __slots__ = ("has_started", "moved_s", "peer", "reader", "socket", "stream")

    def __init__(self, connected: socket.socket, peer: bytes, now_s: float) -> None:
        self.socket = connected
        self.peer = peer
        """Address, 4 or 16 octets; empty on a unix socket."""
        self.stream = FrameStream(CONTENT_TYPE)
        self.reader = TapReader(peer)
        self.has_started = False
        self.moved_s = now_s
        """When it last began or ended something: bytes that drip do not count."""


class DnstapSource:
    """Every response that connected DNS servers tell of.

    Raises:
        PermanentInputError: on making it, the address cannot be listened on.
    """

    def __init__(self, address: ListenAddress, counters: Counters) -> None:
        self._address = address
        self._counters = counters
        self._complaints = Complaints(counters)
        self._selector = selectors.DefaultSelector()
        self._connections: set[_Connection] = set()
        self._of_peer: Counter[bytes] = Counter()
        self._started = 0
        self._look_s = float("-inf")
        """When to look for stalled connections again."""
        self.hearing_since_ms: int | None = None
        """Since when at least one sender is connected and has started, ms since the epoch; None while none is."""
        try:
            self._listener = _listen(address)
        except OSError as e:
            self._selector.close()
            where = address.path or f"{address.host} port {address.port}"
            raise PermanentInputError(f"--listen: cannot listen on {where}: {e.strerror or e}") from e
        self._selector.register(self._listener, selectors.EVENT_READ)

    @property
    def port(self) -> int:
        """The TCP port listened on."""
        return int(self._listener.getsockname()[1])

    def fileno(self) -> int:
        """Return what becomes readable when a sender connects, sends or leaves."""
        return self._selector.fileno()

    def read(self) -> list[tuple[Tap, int]]:
        """Return the responses that wait and the time of the call (ms since the epoch).

        At most `RECEIVE_BYTES` of each connection; what is no response is counted. Closes what has stalled: only here,
        for while nobody sends, a stalled peer costs nothing but its socket.
        """
        now_s = time.monotonic()
        now_ms = time.time_ns() // 1_000_000
        taps: list[tuple[Tap, int]] = []
        for key, _ in self._selector.select(0):
            connection: _Connection | None = key.data
            if connection is None:
                self._accept(now_s)
                continue
            read = connection.reader.read
            for frame in self._receive(connection, now_s, now_ms):
                tap = read(frame)
                if type(tap) is Tap:
                    taps.append((tap, now_ms))
                elif tap is Reason.TAP_NOT_FULL:
                    self._refuse(Reason.TAP_NOT_FULL, connection.peer, now_s)
                elif isinstance(tap, Reason):
                    self._counters.add(tap)
        if now_s >= self._look_s:
            self._look_s = now_s + LOOK_S
            self._close_stalled(now_s)
        return taps

    def close(self) -> None:
        """Close every connection and stop listening."""
        for connection in list(self._connections):
            self._close(connection)
        self._selector.close()
        self._listener.close()
        if self._address.path:
            Path(self._address.path).unlink(missing_ok=True)

    def _accept(self, now_s: float) -> None:
        for _ in range(_BACKLOG):
            try:
                connected, address = self._listener.accept()
            except OSError:  # none waits, or it went away already (accept(2))
                return
            peer = _pack(address[0]) if self._address.host else b""
            if len(self._connections) >= MAX_CONNECTIONS or (peer and self._of_peer[peer] >= MAX_CONNECTIONS_A_PEER):
                connected.close()
                self._refuse(Reason.TAP_REFUSED, peer, now_s)
                continue
            connected.setblocking(False)
            if peer:
                keep_alive(connected)
            connection = _Connection(connected, peer, now_s)
            self._connections.add(connection)
            self._of_peer[peer] += 1
            self._selector.register(connected, selectors.EVENT_READ, connection)

    def _receive(self, connection: _Connection, now_s: float, now_ms: int) -> list[bytes]:
        """Return the frames that have come; answers the sender, and closes where that is the end."""
        try:
            data = connection.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return []
        except OSError:  # reset, or gone without a word (keep-alive)
            data = b""
        stream = connection.stream
        was_owed = stream.is_owed
        frames = stream.feed(data)
        self._counters.add(Reason.FRAMES, len(frames))
        if stream.is_started and not connection.has_started:
            self._start(connection, now_ms)
        if frames or not was_owed or not stream.is_owed:
            connection.moved_s = now_s
        wrong: Reason | None = None
        if stream.is_broken:
            wrong = Reason.TAP_GARBAGE
        elif not data or not (_send(connection.socket, stream.take_reply()) or stream.is_ended):
            wrong = Reason.TAP_BROKEN
        elif stream.held_bytes > RECEIVE_BYTES and self._held_bytes() > MAX_HELD_BYTES:
            wrong = Reason.TAP_OVERFLOW
        if wrong is not None:
            self._refuse(wrong, connection.peer, now_s)
        if wrong is not None or stream.is_ended:
            self._close(connection)
        return frames

    def _close_stalled(self, now_s: float) -> None:
        for connection in [c for c in self._connections if c.stream.is_owed and now_s >= c.moved_s + STALL_S]:
            self._close(connection)
            self._refuse(Reason.TAP_STALLED, connection.peer, now_s)

    def _start(self, connection: _Connection, now_ms: int) -> None:
        connection.has_started = True
        self._counters.add(Reason.TAP_SENDERS)
        self._started += 1
        if self._started == 1:
            self.hearing_since_ms = now_ms

    def _close(self, connection: _Connection) -> None:
        self._selector.unregister(connection.socket)
        connection.socket.close()
        self._connections.discard(connection)
        self._of_peer[connection.peer] -= 1
        if not self._of_peer[connection.peer]:
            del self._of_peer[connection.peer]
        if connection.has_started:
            self._started -= 1
            if not self._started:
                self.hearing_since_ms = None

    def _held_bytes(self) -> int:
        return sum(connection.stream.held_bytes for connection in self._connections)

    def _refuse(self, reason: Reason, peer: bytes, now_s: float) -> None:
        """Count what was refused or lost, and let a person know of it now and then."""
        self._counters.add(reason)
        self._complaints.add(reason, _format(peer) if peer else "unix socket", _REMEDIES[reason], now_s)


def _listen(address: ListenAddress) -> socket.socket:
    if address.path:
        _remove_stale(address.path)
        listener = socket.socket(socket.AF_UNIX)
        target: str | tuple[str, int] = address.path
    else:
        listener = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
        target = (address.host, address.port)
    try:
        if not address.path:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setblocking(False)
        listener.bind(target)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    """Remove the socket that a killed process left behind; one that somebody listens on stays."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            if stat.S_ISSOCK(Path(path).stat().st_mode):
                probe.connect(path)
        except FileNotFoundError:
            pass
        except ConnectionRefusedError:
            Path(path).unlink()


def _send(connected: socket.socket, reply: bytes) -> bool:
    """Send an answer of a few octets; False where the peer does not even take those."""
    try:
        return not reply or connected.send(reply) == len(reply)
    except OSError:
        return False


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):
            return bool(socket.inet_pton(family, host))
    return False


def _pack(address: str) -> bytes:
    """Return an address of accept() as octets, an IPv4 one mapped into IPv6 as its four."""
    host = address.partition("%")[0]
    return unmap(socket.inet_pton(socket.AF_INET6, host)) if ":" in host else socket.inet_aton(host)


def _format(peer: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(peer) == 4 else socket.AF_INET6, peer)
