"""Capture's settings: flags first, then environment, then defaults; validated once, at start."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from grapevine.capture.http1 import Server, parse_url
from grapevine.model.errors import PermanentInputError
from grapevine.model.loopback import is_loopback
from grapevine.model.value import value

if TYPE_CHECKING:
    from grapevine.capture.log_settings import LogSettings
    from grapevine.capture.sources.dnstap import ListenAddress

STDIN: Final = "-"
"""As a path: standard input."""
SOURCES: Final = ("packet", "pcap", "dnstap", "log")
DEFAULT_OPERATOR: Final = "http://127.0.0.1:8080"
ENV_OPERATOR: Final = "GRAPEVINE_OPERATOR_URL"
ENV_LISTEN: Final = "GRAPEVINE_DNSTAP_LISTEN"
DEFAULT_LISTEN: Final = "tcp://127.0.0.1:6000"
ENV_NODE: Final = "GRAPEVINE_NODE_NAME"
ENV_CA_FILE: Final = "GRAPEVINE_CA_FILE"
ENV_TOKEN_FILE: Final = "GRAPEVINE_TOKEN_FILE"  # noqa: S105 - a name
ENV_SERVER_NAME: Final = "GRAPEVINE_SERVER_NAME"
ENV_ALLOW_PLAIN_HTTP: Final = "GRAPEVINE_ALLOW_PLAIN_HTTP"
DEFAULT_SERVER_NAME: Final = "grapevine-operator.grapevine-system.svc"
LIVE_DRAIN_TIMEOUT_S: Final = 5.0
FILE_DRAIN_TIMEOUT_S: Final = 120.0
MAX_NODE_CHARS: Final = 253
"""Longest name of a Kubernetes object (RFC 1123 subdomain)."""


@value
class CaptureSettings:
    """What one capture process does."""

    source: str
    """`packet` (the node's interfaces), `pcap` (a file or stdin), `dnstap` (DNS servers that connect) or `log`."""
    file: str
    """Path of the capture file or log, `-` for stdin; empty for the other sources."""
    listen: "ListenAddress | None"
    """Where dnstap senders connect to, loopback by default: nobody else may until a person says so; else None."""
    log: "LogSettings | None"
    """How a log is read, with `log`; else None."""
    operator: Server
    ca_file: str
    """Certificates of the operator's authority, PEM; with http only for a leader elsewhere. Empty: no TLS at all."""
    token_file: str
    """Service account token (audience `grapevine`) that opens the operator's TLS door; empty: none is sent."""
    server_name: str
    """What the operator's certificate must be for: the URL's host, or else the Service's name."""
    node: str
    """Name of the node in the cluster; may be empty: then the operator cannot tell which node was heard."""
    window_ms: int
    """What repeats within a window is sent once. 1,000 by default: at most a tenth of the 10 s to `kubectl`."""
    drain_timeout_s: float
    """How long to wait, at the end, for what was sent to become durable: 5 s live (a third of the grace period that
    Kubernetes gives a pod is left for the rest), 120 s for a file."""
    spool_bytes: int
    """Bound on what is kept until it is durable; 8 MiB are 20,000 observations."""
    match: bool
    """Report only responses to a query that was heard; for packets, live or from a file with queries in it."""
    connections: bool
    """Report TCP connections as they are opened; for packets, live or from a file."""
    user: int
    """User and group that a process of root becomes once its packet socket is open: 65532 by default, as in our image.
    0: it stays root."""
    watchdog_s: float
    """A live capture that stands still for so long ends itself; 60 s by default: no request and no look-up of a name
    holds the reading loop. 0: never."""
    deflate: bool
    """Compress requests: a fifth of the bytes for a millisecond per 100 KiB."""


def load_settings(args: argparse.Namespace, env: Mapping[str, str]) -> CaptureSettings:
    """Return the settings in flags and environment.

    Raises:
        PermanentInputError: a value is missing, contradictory or out of range.
    """
    if args.source == "pcap" and not args.file:
        raise PermanentInputError("--source pcap needs --file PATH (`-` for stdin)")
    if args.source not in ("pcap", "log") and args.file:
        raise PermanentInputError(
            f"--file {args.file} goes with --source pcap or log; --source {args.source} reads no file"
        )
    if args.source != "dnstap" and args.listen:
        raise PermanentInputError(f"--listen {args.listen} goes with --source dnstap")
    drain_timeout_s = args.drain_timeout
    if drain_timeout_s is None:
        drain_timeout_s = FILE_DRAIN_TIMEOUT_S if args.file else LIVE_DRAIN_TIMEOUT_S
    node = args.node if args.node is not None else env.get(ENV_NODE, "")
    if len(node) > MAX_NODE_CHARS or not node.isascii():
        raise PermanentInputError(f"--node {node[:20]!r}: a node's name has at most {MAX_NODE_CHARS} ASCII characters")
    _require_range("--window-ms", args.window_ms, 100, 60_000)
    _require_range("--drain-timeout", drain_timeout_s, 0, 86_400)
    _require_range("--spool-bytes", args.spool_bytes, 2 << 20, 1 << 30)
    _require_range("--user", args.user, 0, 2**32 - 2)
    if args.watchdog:
        _require_range("--watchdog", args.watchdog, 1, 86_400)
    operator = parse_url(args.operator or env.get(ENV_OPERATOR) or DEFAULT_OPERATOR)
    may_be_plain = args.allow_plain_http or env.get(ENV_ALLOW_PLAIN_HTTP, "").lower() in ("1", "true")
    if not (operator.is_https or may_be_plain or is_loopback(operator.host)):
        raise PermanentInputError(
            f"--operator {operator.url}: plain HTTP is for loopback alone, as whoever is on the way can read and "
            "change what your workloads look up; give https, or say --allow-plain-http in a network you trust"
        )
    ca_file = args.ca_file or env.get(ENV_CA_FILE, "")
    token_file = args.token_file or env.get(ENV_TOKEN_FILE, "")
    if bool(ca_file) != bool(token_file) or (operator.is_https and not ca_file):
        raise PermanentInputError(
            "https needs both --ca-file (the operator's authority, ca.crt of ConfigMap grapevine-ca) "
            "and --token-file (a service account token for audience grapevine)"
        )
    named = args.server_name or env.get(ENV_SERVER_NAME)
    return CaptureSettings(
        source=args.source,
        file=args.file or "",
        listen=_load_listen(args, env) if args.source == "dnstap" else None,
        log=_load_log(args, env) if args.source == "log" else None,
        operator=operator,
        ca_file=ca_file,
        token_file=token_file,
        server_name=named or (operator.host if operator.is_https else DEFAULT_SERVER_NAME),
        node=node,
        window_ms=args.window_ms,
        drain_timeout_s=drain_timeout_s,
        spool_bytes=args.spool_bytes,
        match=args.match == "on",
        connections=args.connections == "on",
        user=args.user,
        watchdog_s=args.watchdog,
        deflate=args.deflate,
    )


def _load_listen(args: argparse.Namespace, env: Mapping[str, str]) -> "ListenAddress":
    from grapevine.capture.sources.dnstap import parse_listen  # the other sources need none of it

    return parse_listen(args.listen or env.get(ENV_LISTEN) or DEFAULT_LISTEN)


def _load_log(args: argparse.Namespace, env: Mapping[str, str]) -> "LogSettings":
    from grapevine.capture.log_settings import load_log_settings  # likewise

    return load_log_settings(args, env)


def _require_range(flag: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise PermanentInputError(f"{flag} {value:g}: give a number from {low:g} to {high:g}")
