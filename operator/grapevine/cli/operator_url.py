"""Questions to an operator at an URL: forwarded to loopback by hand, or its listener for tokens.

A token goes over TLS alone, and never to where a redirect leads.
"""

import http.client
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grapevine.model.errors import PermanentInputError, RetryableError

API_PORT = 8082
MAX_BYTES = 8 << 20
NOT_LEADER = 421
ATTEMPTS = 8
"""Over TLS, behind a Service, it is a replica at random that answers, and one of two leads."""
_PAUSE_S = 0.2
_MAX_TOKEN_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class OperatorUrl:
    """Where the operator is, and what to show it."""

    url: str
    token_file: str | None = None
    ca_file: str | None = None
    """Authorities to trust; None for the system's."""


def fetch(where: OperatorUrl, path: str, *, timeout_s: float) -> tuple[int, bytes]:
    """Return status and body of the answer to one question.

    Raises:
        PermanentInputError: the URL is none, a file cannot be used, or the answer is over MAX_BYTES.
        RetryableError: nothing answers, or not in time.
    """
    opener = urllib.request.build_opener(*_handlers(where))
    request = urllib.request.Request(where.url.rstrip("/") + path, headers=_headers(where))  # noqa: S310 - it is checked
    status, body = _fetch_once(opener, request, where, timeout_s)
    for _ in range(ATTEMPTS - 1 if where.url.startswith("https:") else 0):
        if status != NOT_LEADER:
            break
        time.sleep(_PAUSE_S)
        status, body = _fetch_once(opener, request, where, timeout_s)
    return status, body


def _handlers(where: OperatorUrl) -> Sequence[urllib.request.BaseHandler]:
    parts = urllib.parse.urlsplit(where.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PermanentInputError(
            f"--operator: {where.url!r} is no such URL: give it like http://127.0.0.1:{API_PORT} or https://HOST:PORT"
        )
    given = "--token-file" if where.token_file else "--ca-file" if where.ca_file else ""
    if parts.scheme == "http" and given:
        raise PermanentInputError(
            f"{given} is for https, and --operator is {where.url}: whoever is in between could read and use a token; "
            "give an https URL, or leave it out"
        )
    # No proxy: the operator is on loopback, or in the cluster's network.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirect()]
    if parts.scheme == "https":
        handlers.append(urllib.request.HTTPSHandler(context=_context(where.ca_file)))
    return handlers


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The operator redirects nowhere; what does would be sent the token."""

    def redirect_request(self, *_: object) -> None:
        """Return none: it is an error then, with its status."""


def _context(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise PermanentInputError(f"--ca-file {ca_file}: no certificates can be read: {error}") from error


def _headers(where: OperatorUrl) -> dict[str, str]:
    if not where.token_file:
        return {}
    try:
        with Path(where.token_file).open("rb") as file:
            token = file.read(_MAX_TOKEN_BYTES).decode("ascii").strip()
    except (OSError, UnicodeError) as error:
        raise PermanentInputError(f"--token-file {where.token_file}: it cannot be read: {error}") from error
    if not token or not token.isprintable() or " " in token:
        raise PermanentInputError(
            f"--token-file {where.token_file}: no token is in it: kubectl create token ACCOUNT --audience grapevine"
        )
    return {"Authorization": f"Bearer {token}"}


def _fetch_once(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, where: OperatorUrl, timeout_s: float
) -> tuple[int, bytes]:
    try:
        with opener.open(request, timeout=timeout_s) as reply:
            body: bytes = reply.read(MAX_BYTES + 1)
            status: int = reply.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(MAX_BYTES)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        remedy = (
            "--ca-file names whom to trust instead"
            if isinstance(reason, ssl.SSLCertVerificationError)
            else "without --operator its pod is found through the kubeconfig"
        )
        raise RetryableError(f"no operator answers at {where.url}: {reason}; {remedy}") from error
    if len(body) > MAX_BYTES:
        raise PermanentInputError(f"{where.url}: the answer is over {MAX_BYTES >> 20} MiB, so this is no operator")
    return status, body
