"""TLS to the operator: the one module of capture that loads ssl (4 MiB), and only where https is used.

Trusts the operator's own authority and nobody else; always checks the name. TLS 1.3, as both ends are ours.
"""

import socket
import ssl
from collections.abc import Callable

from grapevine.model.errors import RetryableError


class TlsClient:
    """Secures sockets; takes in a changed CA file with the next one."""

    def __init__(self, ca_path: str, read_ca: Callable[[], str], server_name: str) -> None:
        """Take where the authorities are read from, for messages too, and what the certificate must be for."""
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
            raise RetryableError(
                f"the operator's certificate is not trusted: {e.verify_message.rstrip('.')}; it must be for "
                f"{self._server_name} (--server-name) and signed by an authority in {self._ca_path} (--ca-file)"
            ) from e

    def _trusting(self) -> ssl.SSLContext:
        """Return a context that trusts what the CA file holds now."""
        pem = self._read_ca()
        if self._context is None or pem != self._loaded:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks chain and name
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.verify_flags |= ssl.VERIFY_X509_STRICT
            try:
                context.load_verify_locations(cadata=pem)
            except ssl.SSLError as e:
                raise RetryableError(f"--ca-file {self._ca_path}: no certificates: {e.reason or e}") from e
            self._context, self._loaded = context, pem
        return self._context
