"""Where new edges are sent to, and by which secret they are signed."""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from grapevine.model.errors import PermanentInputError
from grapevine.model.loopback import is_loopback


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """A receiver of Standard Webhooks."""

    url: str = field(repr=False)
    """https, or http to loopback; it may hold a token, so it is shown nowhere."""
    secret_file: str
    """A secret a line, as `export.signature` takes them; read anew for each message."""
    ca_file: str = ""
    """Authorities to trust, PEM; empty for those of the system."""
    cluster: str = ""
    """Name of the cluster, for receivers of several; empty where it has none."""

    def __post_init__(self) -> None:
        scheme, host = _parsed(self.url)
        if not host or scheme not in ("http", "https"):
            raise PermanentInputError(
                "GRAPEVINE_WEBHOOK_URL is no such URL: give it like https://hooks.example.com/path"
            )
        if scheme == "http" and not is_loopback(host):
            raise PermanentInputError(
                "GRAPEVINE_WEBHOOK_URL: who talks to whom would go out for everybody to read: give https, or loopback"
            )
        if not self.secret_file:
            raise PermanentInputError(
                "GRAPEVINE_WEBHOOK_URL needs a secret to sign with: GRAPEVINE_WEBHOOK_SECRET_FILE"
            )

    @property
    def origin(self) -> str:
        """Scheme, host and port, for messages."""
        parts = urllib.parse.urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def _parsed(url: str) -> tuple[str, str]:
    """Return scheme and host; empty where there is none, or where a name and password stand in front of it."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname if parts.port != 0 and "@" not in parts.netloc else None
    except ValueError:
        return "", ""
    return parts.scheme, host or ""


def webhook_settings(environ: Mapping[str, str]) -> WebhookSettings | None:
    """Return what the environment asks for; None where it names no receiver.

    Raises:
        PermanentInputError: the URL is none, or plain HTTP to somewhere else, or there is no secret.
    """
    if not (url := environ.get("GRAPEVINE_WEBHOOK_URL", "").strip()):
        return None
    return WebhookSettings(
        url,
        environ.get("GRAPEVINE_WEBHOOK_SECRET_FILE", ""),
        environ.get("GRAPEVINE_WEBHOOK_CA_FILE", ""),
        environ.get("GRAPEVINE_CLUSTER_NAME", ""),
    )
