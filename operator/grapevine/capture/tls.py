"""TLS: the one module of capture that loads ssl (4 MiB), and only where https is used.

Trusts the authorities it is given and nobody else; always checks the name. To the operator TLS 1.3 and all that RFC
5280 asks of a certificate, as both ends are ours; to the API server what its authority, made by whoever, can do.
"""

import socket
import ssl
from collections.abc import Callable

from grapevine.model.errors import RetryableError


class TlsClient:
    """Secures sockets; takes in a changed CA file with the next one."""

    def __init__(self, ca_path: str, read_ca: Callable[[], str], server_name: str, *, is_operator: bool = True) -> None:
        """Take where the authorities are read from, for messages too, and what the certificate must be for."""
        self._is_operator = is_operator
        self._ca_path = ca_path
        self._read_ca = read_ca
        self._server_name = server_name
        self._loaded = ""
        self._context: ssl.SSLContext | None = None

    def secure(self, connected: socket.socket) -> socket.socket:
        """Return the socket with TLS on, the server being who it must be.

        Raises:
            RetryableError: it is not, or the CA file cannot be used.
            OSError: the handshake failed otherwise.
        """
        try:
            return self._trusting().wrap_socket(connected, server_hostname=self._server_name)
        except ssl.SSLCertVerificationError as e:
            whose, flags = ("operator", ("--server-name", "--ca-file"))
            if not self._is_operator:
                whose, flags = ("API server", ("--api-server", "--api-credentials"))
            raise RetryableError(
                f"the {whose}'s certificate is not trusted: {e.verify_message.rstrip('.')}; it must be for "
                f"{self._server_name} ({flags[0]}) and signed by an authority in {self._ca_path} ({flags[1]})"
            ) from e

    def _trusting(self) -> ssl.SSLContext:
        """Return a context that trusts what the CA file holds now."""
        pem = self._read_ca()
        if self._context is None or pem != self._loaded:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks chain and name
            context.minimum_version = ssl.TLSVersion.TLSv1_3 if self._is_operator else ssl.TLSVersion.TLSv1_2
            if self._is_operator:
                context.verify_flags |= ssl.VERIFY_X509_STRICT
            else:  # the default from Python 3.13 on; some clusters' authorities lack what it asks for
                context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            try:
                context.load_verify_locations(cadata=pem)
            except ssl.SSLError as e:
                raise RetryableError(f"{self._ca_path}: no certificates: {e.reason or e}") from e
            self._context, self._loaded = context, pem
        return self._context


def receive(connected: socket.socket, limit: int) -> bytes | None:
    """Return what has come on a socket that does not block, with TLS on or not; None for nothing yet, b"" at the end.

    Raises:
        OSError: the connection failed.
    """
    try:
        return connected.recv(limit)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
