"""The way to the operator: which server, over TLS or not, with which token.

Begins with the server of the settings. Where that one is not the leader (421) it goes to the address in the reply, over
TLS and by the Service's name, and stays there until that one fails or is not the leader either.
"""

import functools
from typing import Final

from grapevine.capture.http1 import HttpConnection, HttpReply, Secure, Server, parse_leader
from grapevine.capture.settings import CaptureSettings
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.wire.codec import decode_reply
from grapevine.wire.schema import CONTENT_TYPE, MAX_TOKEN_CHARS, PATH, STATUS_NOT_LEADER, WireError

MAX_CA_BYTES: Final = 1 << 18


class OperatorLink:
    """Posts bodies to the operator. For one thread."""

    def __init__(self, settings: CaptureSettings) -> None:
        """Read CA and token once where they are needed from the start, to fail early; changes of them are read too.

        Raises:
            PermanentInputError: one of the files cannot be used.
        """
        self._settings = settings
        self._headers = {"Content-Type": CONTENT_TYPE}
        if settings.deflate:
            self._headers["Content-Encoding"] = "deflate"
        if settings.operator.is_https:
            try:
                read_ca(settings.ca_file)
                read_token(settings.token_file)
            except RetryableError as e:
                raise PermanentInputError(str(e)) from e
        self._server = settings.operator
        self._connection = HttpConnection(self._server, self._secure() if self._server.is_https else None)

    def post(self, body: bytes) -> HttpReply:
        """Send one body and return the reply; a 421 only where no leader can be gone to, or be reached.

        Raises:
            RetryableError: no connection, no reply, or a file that cannot be read.
        """
        try:
            reply = self._post(body)
        except RetryableError:
            self._go_to(self._settings.operator)
            raise
        if reply.status != STATUS_NOT_LEADER:
            return reply
        was_elsewhere = self._server is not self._settings.operator
        self._go_to(self._settings.operator)
        if was_elsewhere:
            reply = self._post(body)
        leader = self._leader(reply) if reply.status == STATUS_NOT_LEADER else None
        if leader is None:
            return reply
        self._go_to(leader)
        try:
            return self._post(body)
        except RetryableError as e:  # it is gone, and its Lease not over yet
            self._go_to(self._settings.operator)
            return HttpReply(reply.server, reply.status, reply.headers, reply.body, unreached=str(e))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _post(self, body: bytes) -> HttpReply:
        headers = self._headers
        if self._server.is_https:
            headers = {**headers, "Authorization": f"Bearer {read_token(self._settings.token_file)}"}
        return self._connection.post(PATH, body, headers)

    def _leader(self, reply: HttpReply) -> Server | None:
        """Return whom a 421 names; None where it names nobody, or we could not go there safely."""
        try:
            named = decode_reply(reply.body).leader
            return parse_leader(named) if named and self._settings.ca_file else None
        except (WireError, ValueError):
            return None

    def _go_to(self, server: Server) -> None:
        if server != self._server:
            self._connection.close()
            self._connection = HttpConnection(server, self._secure() if server.is_https else None)
        self._server = server

    def _secure(self) -> Secure:
        from grapevine.capture.tls import TlsClient  # OpenSSL, 4 MiB, is for those who use it

        settings = self._settings
        return TlsClient(settings.ca_file, functools.partial(read_ca, settings.ca_file), settings.server_name).secure


def read_ca(path: str) -> str:
    """Return the certificates in a file; kubelet replaces it on rotation.

    Raises:
        RetryableError: it cannot be read, or holds none.
    """
    text = read_small(path, MAX_CA_BYTES, "--ca-file", "is ConfigMap grapevine-ca mounted?")
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise RetryableError(f"--ca-file {path}: holds no PEM certificate; the operator writes it to grapevine-ca")
    return text


def read_token(path: str) -> str:
    """Return the token in a file; kubelet replaces it before it expires.

    Raises:
        RetryableError: it cannot be read, or is no token.
    """
    token = read_small(path, MAX_TOKEN_CHARS, "--token-file", "is the projected service account token mounted?").strip()
    if not token or not token.isprintable() or " " in token:
        raise RetryableError(f"--token-file {path}: holds no token; give one for audience grapevine")
    return token


def read_small(path: str, limit: int, flag: str, remedy: str) -> str:
    """Return the ASCII text of a file of at most `limit` bytes; errors name `flag` and say `remedy`.

    Raises:
        RetryableError: it cannot be read, is larger, or is not ASCII.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except OSError as e:
        raise RetryableError(f"{flag} {path}: {e.strerror or e}; {remedy}") from e
    if len(content) > limit or not content.isascii():
        raise RetryableError(f"{flag} {path}: over {limit} bytes, or not ASCII; {remedy}")
    return content.decode("ascii")
