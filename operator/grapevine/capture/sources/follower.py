"""Follows the logs of the cluster's DNS pods through the API server, with `get pods/log` and nothing else.

One thread opens streams, as connecting, TLS and looking up a name may block for seconds; the loop reads them all, on
one epoll (or kqueue), and waits for none. A stream that ends is opened again, later each time it fails. One that is
silent is left alone: kubelet does not even answer before the first line.
"""

import logging
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from grapevine.capture.complaints import Complaints
from grapevine.capture.counters import Counters, Reason
from grapevine.capture.http1 import CONNECT_TIMEOUT_S, REPLY_TIMEOUT_S, Secure, Server
from grapevine.capture.keepalive import keep_alive
from grapevine.capture.operator_link import MAX_CA_BYTES, read_small
from grapevine.capture.sources.podlog import PodLog
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.value import value
from grapevine.wire.schema import MAX_DNS_PODS, MAX_TOKEN_CHARS, DnsPod, Reply

ENV_HOST: Final = "KUBERNETES_SERVICE_HOST"
ENV_PORT: Final = "KUBERNETES_SERVICE_PORT"
RETRY_FIRST_S: Final = 1.0
RETRY_MAX_S: Final = 30.0
RECEIVE_BYTES: Final = 1 << 14
"""A TLS record."""
MAX_RECEIVES: Final = 16
"""Of one stream before the next has its turn: a quarter of a mebibyte, 1,500 lines."""

_log = logging.getLogger(__name__)

_REMEDIES: Final[Mapping[int, str]] = {
    400: "has the pod several containers? name the one with CoreDNS by --container",
    401: "is the service account token mounted?",
    403: "may this service account `get pods/log` there? deploy/components/coredns-log lets it in kube-system",
    404: "is the pod gone? the operator names the present ones, --pods only those it is given",
}


@value
class ApiAccess:
    """How to speak with the API server."""

    server: Server
    secure: Secure | None
    """What puts TLS on a connection; None for plain HTTP (`kubectl proxy`)."""
    token: Callable[[], str]
    """Gives the token of the moment, empty for none; raises RetryableError."""


def find_server(env: Mapping[str, str]) -> Server:
    """Return the API server as kubelet tells every container.

    Raises:
        PermanentInputError: it does not.
    """
    host, port = env.get(ENV_HOST, ""), env.get(ENV_PORT, "443")
    if not host or not port.isdecimal():
        raise PermanentInputError(
            f"--source log: {ENV_HOST} and {ENV_PORT} name no API server, so this is no pod; give --api-server URL, or "
            "a log as --file PATH (`-` for stdin)"
        )
    return Server(host, int(port), "", is_https=True)


def api_access(server: Server, credentials: str) -> ApiAccess:
    """Return the way to the API server with what kubelet keeps in the directory `credentials`: `ca.crt` and `token`."""
    from grapevine.capture.tls import TlsClient  # OpenSSL, 4 MiB, is for those who use it

    directory = Path(credentials)
    ca_path = str(directory / "ca.crt")
    flag, remedy = "--api-credentials", "is the service account's token mounted?"
    tls = TlsClient(ca_path, lambda: read_small(ca_path, MAX_CA_BYTES, flag, remedy), server.host, is_operator=False)
    if not server.is_https:
        return ApiAccess(server, None, str)
    return ApiAccess(
        server, tls.secure, lambda: read_small(str(directory / "token"), MAX_TOKEN_CHARS, flag, remedy).strip()
    )


class _Stream:
    """One pod's log and how it goes with it."""

    __slots__ = ("due_s", "is_heard", "log", "resolver", "retry_s", "socket")

    def __init__(self, log: PodLog, now_s: float) -> None:
        self.log = log
        self.resolver = bytes(4)
        """Address of the pod; four octets of zero while it is not known."""
        self.socket: socket.socket | None = None
        self.due_s = now_s
        """When to open it."""
        self.retry_s = RETRY_FIRST_S
        """How long to wait should it fail."""
        self.is_heard = False
        """Lines may come."""

    @property
    def name(self) -> str:
        return f"{self.log.pod.namespace}/{self.log.pod.name}"


class PodLogSource:
    """The logs of some pods, which may change. `follow` and `take_reply` are for any thread, the rest for one."""

    def __init__(self, api: ApiAccess, counters: Counters, container: str = "") -> None:
        """Take where the logs are, and the name of the container with the DNS server where its pod has several."""
        self._api = api
        self._counters = counters
        self._container = container
        self._named: tuple[DnsPod, ...] = ()
        self._complaints = Complaints(counters)
        self._selector = selectors.DefaultSelector()
        self._heard = 0
        self.hearing_since_ms: int | None = None
        """Since when at least one log is followed, ms since the epoch; None while none is."""
        self._changed = threading.Condition()
        # Guarded by it, as the opener takes from them:
        self._streams: dict[tuple[str, str], _Stream] = {}
        """By namespace and name: those wanted, and those not wanted any more that have not ended yet."""
        self._wanted: frozenset[tuple[str, str]] | None = None
        self._waiting: list[_Stream] = []
        """To be opened when they are due."""
        self._opened: deque[tuple[_Stream, OSError | RetryableError | None]] = deque()
        self._is_closing = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        os.set_blocking(self._wake_read, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._opener = threading.Thread(target=self._open_streams, name="log opener", daemon=True)
        self._opener.start()

    def fileno(self) -> int:
        """Return what becomes readable when lines come, or streams begin or end."""
        return self._selector.fileno()

    def follow_named(self, pods: tuple[DnsPod, ...]) -> None:
        """Follow these pods whatever the operator says, if any; what it knows of their addresses is taken."""
        self._named = pods
        if pods:
            self.follow(pods)

    def take_reply(self, reply: Reply) -> None:
        """Follow the pods the operator names."""
        if reply.dns_pods is None:
            return
        if self._named:
            told = {(pod.namespace, pod.name): pod for pod in reply.dns_pods}
            self.follow(told.get((pod.namespace, pod.name), pod) for pod in self._named)
        else:
            self.follow(reply.dns_pods)

    def follow(self, pods: Iterable[DnsPod]) -> None:
        """Follow these pods from now on; a stream of another one is read to its end."""
        now_s = time.monotonic()
        with self._changed:
            wanted = {(pod.namespace, pod.name): pod for pod in list(pods)[:MAX_DNS_PODS]}
            is_same = self._wanted == wanted.keys()
            self._wanted = frozenset(wanted)
            for key, pod in wanted.items():
                stream = self._streams.get(key)
                if stream is None:
                    try:
                        stream = self._streams[key] = _Stream(PodLog(pod, self._container), now_s)
                    except ValueError:  # told by somebody who is no operator
                        continue
                    self._waiting.append(stream)
                if pod.ip:
                    stream.resolver = _pack(pod.ip)
            self._changed.notify()
        if is_same:
            return
        if wanted:
            _log.info("following logs", extra={"pods": len(wanted)})
        else:
            _log.warning("the operator knows no DNS server to follow; name them by --pods NAMESPACE/NAME,...")

    def read(self) -> list[tuple[bytes, bytes]]:
        """Return the new lines and the address of the pod of each, four octets of zero where it is not known."""
        lines: list[tuple[bytes, bytes]] = []
        now_s = time.monotonic()
        for key, _ in self._selector.select(0):
            stream: _Stream | None = key.data
            if stream is None:
                self._take_opened(now_s)
            else:
                self._read(stream, lines, now_s)
        return lines

    def close(self) -> None:
        """Close every stream; the opener ends by itself, at the latest with its time-out."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._opener.join(CONNECT_TIMEOUT_S)
        for stream in self._streams.values():
            if stream.socket is not None:
                stream.socket.close()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _read(self, stream: _Stream, lines: list[tuple[bytes, bytes]], now_s: float) -> None:
        from grapevine.capture.tls import receive

        connected, log = stream.socket, stream.log
        if connected is None:
            return
        try:
            for _ in range(MAX_RECEIVES):
                data = receive(connected, RECEIVE_BYTES)
                if data is None:
                    return
                if not data:
                    break
                new, repeated = log.feed(data)
                self._counters.add(Reason.FRAMES, repeated)
                self._counters.add(Reason.LOG_REPEATED, repeated)
                lines += [(line, stream.resolver) for line in new]
                if log.status == 200 and not stream.is_heard:
                    self._start(stream)
            else:
                return
            error: Exception = EOFError("the stream ended")
        except (OSError, ValueError) as e:
            error = e
        self._end(stream, error, now_s)

    def _start(self, stream: _Stream) -> None:
        stream.is_heard = True
        stream.retry_s = RETRY_FIRST_S
        self._counters.add(Reason.LOG_STREAMS)
        self._heard += 1
        if self._heard == 1:
            self.hearing_since_ms = time.time_ns() // 1_000_000

    def _end(self, stream: _Stream, error: Exception, now_s: float) -> None:
        """Close a stream, complain where that was not to be expected, and have it opened again if it is wanted."""
        if stream.socket is not None:
            self._selector.unregister(stream.socket)
            stream.socket.close()
            stream.socket = None
        status = stream.log.status
        if stream.is_heard:
            stream.is_heard = False
            self._heard -= 1
            if not self._heard:
                self.hearing_since_ms = None
        with self._changed:
            key = (stream.log.pod.namespace, stream.log.pod.name)
            if self._wanted is None or key not in self._wanted:
                self._streams.pop(key, None)
                return
            stream.due_s = now_s + stream.retry_s
            stream.retry_s = min(2 * stream.retry_s, RETRY_MAX_S)
            self._waiting.append(stream)
            self._changed.notify()
        if status in (0, 200):
            reason, remedy = Reason.LOG_BROKEN, f"none where the pod was restarted; {error}"
        else:
            reason, remedy = Reason.LOG_REFUSED, _REMEDIES.get(status, stream.log.reason.decode("utf-8", "replace"))
        self._counters.add(reason)
        self._complaints.add(reason, stream.name, f"status {status}: {remedy}" if status else remedy, now_s)

    def _take_opened(self, now_s: float) -> None:
        os.read(self._wake_read, 4_096)
        while self._opened:
            stream, error = self._opened.popleft()
            if error is None and stream.socket is not None:
                self._selector.register(stream.socket, selectors.EVENT_READ, stream)
            else:
                self._end(stream, error or EOFError("closed"), now_s)

    # --- the opener's thread

    def _open_streams(self) -> None:
        while (stream := self._next_due()) is not None:
            error: OSError | RetryableError | None = None
            try:
                stream.log.status = 0
                stream.socket = self._open(stream.log)
            except (OSError, RetryableError) as e:
                error = e
            with self._changed:
                if self._is_closing and stream.socket is not None:
                    stream.socket.close()
                    return
                self._opened.append((stream, error))
                os.write(self._wake_write, b"x")

    def _next_due(self) -> _Stream | None:
        """Wait for the next stream that is to be opened; None at the end."""
        with self._changed:
            while not self._is_closing:
                now_s = time.monotonic()
                due = min(self._waiting, key=lambda each: each.due_s, default=None)
                if due is not None and due.due_s <= now_s:
                    self._waiting.remove(due)
                    return due
                self._changed.wait(None if due is None else due.due_s - now_s)
        return None

    def _open(self, log: PodLog) -> socket.socket:
        server = self._api.server
        request = log.request(server, self._api.token())
        connected = server.connect()
        try:
            keep_alive(connected)
            connected.settimeout(REPLY_TIMEOUT_S)
            if self._api.secure is not None:
                connected = self._api.secure(connected)
            connected.sendall(request)
            connected.setblocking(False)
        except BaseException:
            connected.close()
            raise
        return connected


def _pack(address: str) -> bytes:
    """Return an address as octets; four of zero for what is none."""
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except OSError:
        return bytes(4)
