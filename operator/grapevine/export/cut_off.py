"""A request over HTTP that ends by its deadline, however slowly it is answered.

A timeout of `requests` is one of a wait: a collector, or whatever stands in its place, that sends a byte now and then
would hold the thread for as long as it likes, in the TLS handshake, the headers or the body. So somebody watches, and
ends the connections once the time is over.

Source: requests, "Timeouts"; urllib3, `HTTPConnectionPool.ConnectionCls`.
"""

import contextlib
import socket
import threading
import weakref
from collections.abc import Iterator, Mapping

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError

_AGAIN_S = 0.1
"""One that is just being opened has no socket yet to be ended."""


class _Open:
    """What is open: connections, which have another socket during the handshake than after it, and sockets, which a
    response keeps when its connection has let go of them.
    """

    def __init__(self) -> None:
        self.connections: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()
        self.sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def cut(self) -> None:
        opening = [each.sock for each in list(self.connections)]
        for each in {*opening, *list(self.sockets)}:
            if each is not None:
                with contextlib.suppress(OSError):  # it has just ended by itself
                    socket.socket.shutdown(each, socket.SHUT_RDWR)  # TLS's own would race with its reader


class CutOffAdapter(HTTPAdapter):
    """Knows the connections it has open. One request at a time."""

    def __init__(self) -> None:
        self._open = _Open()
        super().__init__()

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Once so much time has passed, end every connection until what is inside has ended.

        Raises:
            requests.Timeout: that was needed, whatever came of it inside.
        """
        done, is_cut = threading.Event(), threading.Event()

        def watch() -> None:
            wait_s = seconds
            while not done.wait(wait_s):
                is_cut.set()
                self._open.cut()
                wait_s = _AGAIN_S

        watcher = threading.Thread(target=watch, name="telemetry deadline", daemon=True)
        watcher.start()
        try:
            yield
        except (requests.RequestException, HTTPError, OSError):
            if not is_cut.is_set():
                raise
        finally:
            done.set()
            watcher.join()
        if is_cut.is_set():
            raise requests.Timeout(f"no whole answer within {seconds:.1f} s")

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str,
        proxies: Mapping[str, str] | None = None,
        cert: tuple[str, str] | str | None = None,
    ) -> HTTPConnectionPool:
        """Return the pool for a request, through a proxy or not; its connections are known from now on."""
        pool = super().get_connection_with_tls_context(request, verify, dict(proxies or {}), cert)
        if not issubclass(pool.ConnectionCls, _Known):
            kind = type("Known", (_Known, pool.ConnectionCls), {"known_to": self._open})  # plain, or over TLS
            pool.ConnectionCls = kind
        return pool


class _Known(HTTPConnection):
    """Tells when it connects."""

    known_to: _Open

    def connect(self) -> None:
        self.known_to.connections.add(self)
        super().connect()
        self.known_to.sockets.add(self.sock)
