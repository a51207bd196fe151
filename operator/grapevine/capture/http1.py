"""HTTP/1.1 POST over a socket of its own (RFC 9112): http.client imports ssl and email, 4 MiB that capture has not.

Speaks to one server, keeps the connection, reads replies with a Content-Length or up to the end of the connection. TLS
is the caller's, who hands in what secures a socket: nothing here loads ssl. No redirects, no chunked replies, no
proxies.
"""

import socket
from collections.abc import Callable, Mapping
from typing import Final, cast

from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.value import value

_NOT_IN_URL: Final = frozenset("@?# ")
"""Users, queries and fragments: they would be lost, or mean something else to a person than to us."""
Secure = Callable[[socket.socket], socket.socket]
"""Takes a connected socket, returns it with TLS on; raises RetryableError or OSError where that fails."""

CONNECT_TIMEOUT_S: Final = 5.0
REPLY_TIMEOUT_S: Final = 15.0
"""Between two pieces of a reply."""
MAX_HEAD_BYTES: Final = 16 << 10
MAX_BODY_BYTES: Final = 64 << 10
"""Largest reply read; the operator's have a hundred bytes."""


@value
class Server:
    """Where to send."""

    host: str
    """Name or address, IPv6 without brackets."""
    port: int
    base_path: str
    """Path before ours, without a slash at its end; mostly empty."""
    is_https: bool = False

    @property
    def url(self) -> str:
        """URL without a slash at its end, for messages about more than the connection."""
        return f"{'https' if self.is_https else 'http'}://{self}{self.base_path}"

    def connect(self) -> socket.socket:
        """Return a connection to it, open within `CONNECT_TIMEOUT_S` for each of its addresses.

        Raises:
            OSError: there is none.
        """
        # As octets where it is ASCII: of text the socket module asks for IDNA, with Unicode's tables, 0.3 MiB
        host = self.host.encode() if self.host.isascii() else self.host
        return socket.create_connection((cast(str, host), self.port), CONNECT_TIMEOUT_S)

    def __str__(self) -> str:
        """Return HOST:PORT, as the Host header and messages have it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@value
class HttpReply:
    """What a server answered."""

    server: Server
    """Who: after a 421 another one than was configured."""
    status: int
    headers: Mapping[str, str]
    """By name in lower case; of repeated ones the last."""
    body: bytes
    unreached: str = ""
    """Of a 421: why the leader it names could not be reached; empty where that was not tried."""


def parse_url(url: str) -> Server:
    """Return the server named by an http or https URL.

    Raises:
        PermanentInputError: not such a URL.
    """
    scheme, _, rest = url.partition("://")  # urllib.parse and what it loads are half a MiB on every node
    place, _, path = rest.partition("/")
    is_https = scheme.lower() == "https"
    is_http = is_https or scheme.lower() == "http"
    if not is_http or not place or not url.isprintable() or set(url) & _NOT_IN_URL:
        raise PermanentInputError(f"operator URL {url!r}: give https://HOST:PORT, or http://HOST:PORT on loopback")
    try:
        host, port = _split_port(place)
    except ValueError as e:
        raise PermanentInputError(f"operator URL {url!r}: {e}") from e
    return Server(host.lower(), port or (443 if is_https else 80), f"/{path}".rstrip("/"), is_https)


def parse_leader(text: str) -> Server:
    """Return the server that a 421 names: an IP address and a port, nothing that has to be looked up.

    Raises:
        ValueError: it is none.
    """
    host, port = _split_port(text)
    if not port:
        raise ValueError(f"{text[:64]!r} has no port")
    try:
        socket.inet_pton(socket.AF_INET6 if text.startswith("[") else socket.AF_INET, host)
    except OSError as e:
        raise ValueError(f"{text[:64]!r} is no address and port") from e
    return Server(host, port, "", is_https=True)


def _split_port(text: str) -> tuple[str, int]:
    """Return the host and the port, 0 where there is none, of `HOST:PORT`; an IPv6 address is in brackets there.

    Raises:
        ValueError: there is no host, what stands for the port is none, or brackets do not match.
    """
    host, bracket, behind = text[1:].partition("]") if text.startswith("[") else ("", "", "")
    if not bracket:
        host, colon, port = text.partition(":")
        behind = colon + port
    if not host or behind[:1] not in ("", ":") or "[" in host or "]" in host or ("[" in text and not bracket):
        raise ValueError(f"{text[:64]!r} is no host and port")
    port = behind[1:]
    if port and not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65_536):
        raise ValueError(f"{port[:20]!r} is no port")
    return host, int(port or 0)


class HttpConnection:
    """A connection to one server, made when first needed and again whenever it broke. For one thread."""

    def __init__(self, server: Server, secure: Secure | None = None) -> None:
        """Make a connection, open yet to nobody; `secure` puts TLS on it."""
        self._server = server
        self._secure = secure
        self._socket: socket.socket | None = None

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> HttpReply:
        """Send one request and return the reply, whatever its status. A kept connection that broke is made anew once.

        Raises:
            RetryableError: no connection, a timeout, or an answer that is no HTTP.
        """
        server = self._server
        fields = {"Host": str(server), "Content-Length": str(len(body)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        request = f"POST {server.base_path}{path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
        was_open = self._socket is not None
        try:
            try:
                return self._exchange(request)
            except (ConnectionError, EOFError):
                self.close()
                if not was_open:
                    raise
                return self._exchange(request)  # the server closed it while it was idle
        except (OSError, EOFError, ValueError) as e:
            self.close()
            what = getattr(e, "strerror", None) or e
            raise RetryableError(f"operator at {server}: {what}") from e

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: bytes) -> HttpReply:
        if self._socket is None:
            self._socket = self._connect()
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            if len(data) > MAX_HEAD_BYTES:
                raise ValueError("the reply's header is too long")
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        status, headers = parse_head(head)
        body = self._read_body(body, headers)
        if headers.get("connection", "").lower() == "close" or "content-length" not in headers:
            self.close()
        return HttpReply(self._server, status, headers, body)

    def _connect(self) -> socket.socket:
        connected = self._server.connect()
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._secure is not None:
                connected = self._secure(connected)
            connected.settimeout(REPLY_TIMEOUT_S)
        except BaseException:
            connected.close()
            raise
        return connected

    def _read_body(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        if "transfer-encoding" in headers:
            raise ValueError("the reply is chunked; something between us and the operator rewrites it")
        length = int(headers["content-length"]) if "content-length" in headers else None
        if length is not None and not 0 <= length <= MAX_BODY_BYTES:
            raise ValueError("the reply is too long")
        while length is None or len(body) < length:
            if len(body) > MAX_BODY_BYTES:
                raise ValueError("the reply is too long")
            try:
                body += self._receive()
            except EOFError:
                if length is not None:
                    raise
                return body
        return body[:length]

    def _receive(self) -> bytes:
        if self._socket is None:
            raise EOFError("not connected")
        data = self._socket.recv(1 << 14)
        if not data:
            raise EOFError("the connection was closed before the reply was complete")
        return data


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Return status and headers of a reply's head.

    Raises:
        ValueError: it is no HTTP/1.x.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
        raise ValueError(f"the answer is no HTTP (it begins with {first[:20]!r})")
    pairs = (line.partition(":") for line in lines)
    return int(rest[:3]), {name.strip().lower(): value.strip() for name, _, value in pairs}
