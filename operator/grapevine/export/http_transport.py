"""OTLP over HTTP, binary protobuf.

Source: OTLP specification, "OTLP/HTTP"; RFC 9110 §10.2.3.
"""

import gzip
import zlib
from collections.abc import Callable

import requests
from urllib3.exceptions import HTTPError, ProtocolError

from grapevine import __version__
from grapevine.export.cut_off import CutOffAdapter
from grapevine.export.settings import SignalSettings
from grapevine.export.transport import Answer

_CONTENT_TYPE = "application/x-protobuf"
_MAX_RETRY_AFTER_S = 600.0
"""Longer, and we come back all the same."""
_MAX_SAID = 200
_MAX_ANSWER_BYTES = 65_536
"""What of an answer is read: an OTLP response is a few bytes."""
_REPEATABLE = frozenset({429, 502, 503, 504})
_GZIP_LEVEL = 6
_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda message: gzip.compress(message, _GZIP_LEVEL, mtime=0),
    "deflate": zlib.compress,
    "none": bytes,
}


class HttpTransport:
    """Implements `transport.Transport`; proxies as `HTTPS_PROXY` and `NO_PROXY` say."""

    def __init__(self, signal: SignalSettings) -> None:
        self._url = signal.url
        self._compress = _COMPRESS[signal.compression]
        self._session = requests.Session()
        self._adapter = CutOffAdapter()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, self._adapter)
        self._session.headers.clear()
        self._session.headers.update({"Content-Type": _CONTENT_TYPE, "User-Agent": f"grapevine/{__version__}"})
        if signal.compression != "none":
            self._session.headers["Content-Encoding"] = signal.compression
        self._session.headers.update(signal.headers)
        self._verify = signal.certificate or True
        client = (signal.client_certificate, signal.client_key) if signal.client_key else signal.client_certificate
        self._session.cert = client or None

    def send(self, message: bytes, timeout_s: float) -> Answer:
        """Send one request and return the answer; a redirection loses the body, so it is a failure."""
        try:
            with self._adapter.within(timeout_s):
                return self._answer(self._compress(message), timeout_s)
        except (requests.ConnectionError, requests.Timeout, ProtocolError) as error:
            return Answer(str(error), may_repeat=not isinstance(error, requests.exceptions.SSLError))
        except (requests.RequestException, HTTPError, OSError) as error:
            return Answer(str(error))

    def _answer(self, body: bytes, timeout_s: float) -> Answer:
        with self._session.post(
            self._url,
            data=body,
            timeout=timeout_s,
            allow_redirects=False,
            verify=self._verify,  # of the session, REQUESTS_CA_BUNDLE would go before it
            stream=True,
        ) as response:
            content: bytes = response.raw.read(_MAX_ANSWER_BYTES, decode_content=True)
            response.raw.read(1)  # at its end the connection is kept, before it closed
        if response.status_code < 300:
            return Answer(body=content)
        if response.status_code < 400:
            target = response.headers.get("Location", "somewhere else")
            return Answer(f"it redirects to {target}: give that endpoint")
        return Answer(
            f"HTTP {response.status_code} {response.reason} {_said(content)}".strip(),
            response.status_code in _REPEATABLE,
            _seconds(response.headers.get("Retry-After", "")),
        )

    def close(self) -> None:
        """End the connections."""
        self._session.close()


def _seconds(text: str) -> float:
    """Return the delay; a date, which few send, counts as none."""
    return min(float(text), _MAX_RETRY_AFTER_S) if text.isascii() and text.isdigit() else 0.0


def _said(content: bytes) -> str:
    """Return the answer's text; of a message in protobuf what can be read of it."""
    return "".join(c for c in content[:_MAX_SAID].decode(errors="ignore") if c.isprintable())
