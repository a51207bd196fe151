"""Capture's settings: flags first, then environment, then defaults; validated once, at start."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from grapevine.capture.http1 import Server, parse_url
from grapevine.model.errors import PermanentInputError

SOURCES: Final = ("packet", "pcap")
DEFAULT_OPERATOR: Final = "http://127.0.0.1:8080"
ENV_OPERATOR: Final = "GRAPEVINE_OPERATOR_URL"
ENV_NODE: Final = "GRAPEVINE_NODE_NAME"
LIVE_DRAIN_TIMEOUT_S: Final = 5.0
FILE_DRAIN_TIMEOUT_S: Final = 120.0
MAX_NODE_CHARS: Final = 253
"""Longest name of a Kubernetes object (RFC 1123 subdomain)."""


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """What one capture process does."""

    source: str
    """`packet` (the node's interfaces) or `pcap` (a file or stdin)."""
    file: str
    """Path of the capture file, `-` for stdin; empty for `packet`."""
    operator: Server
    node: str
    """Name of the node in the cluster; may be empty: then the operator cannot tell which node was heard."""
    window_ms: int
    """What repeats within a window is sent once. 1,000 by default: at most a tenth of the 10 s to `kubectl`."""
    drain_timeout_s: float
    """How long to wait, at the end, for what was sent to become durable: 5 s live (a third of the grace period that
    Kubernetes gives a pod is left for the rest), 120 s for a file."""
    spool_bytes: int
    """Bound on what is kept until it is durable; 8 MiB are 20,000 observations."""
    deflate: bool
    """Compress requests: a fifth of the bytes for a millisecond per 100 KiB."""


def load_settings(args: argparse.Namespace, env: Mapping[str, str]) -> CaptureSettings:
    """Return the settings in flags and environment.

    Raises:
        PermanentInputError: a value is missing, contradictory or out of range.
    """
    if args.source == "pcap" and not args.file:
        raise PermanentInputError("--source pcap needs --file PATH (`-` for stdin)")
    if args.source == "packet" and args.file:
        raise PermanentInputError(f"--file {args.file} goes with --source pcap; --source packet hears the interfaces")
    drain_timeout_s = args.drain_timeout
    if drain_timeout_s is None:
        drain_timeout_s = FILE_DRAIN_TIMEOUT_S if args.source == "pcap" else LIVE_DRAIN_TIMEOUT_S
    node = args.node if args.node is not None else env.get(ENV_NODE, "")
    if len(node) > MAX_NODE_CHARS or not node.isascii():
        raise PermanentInputError(f"--node {node[:20]!r}: a node's name has at most {MAX_NODE_CHARS} ASCII characters")
    _require_range("--window-ms", args.window_ms, 100, 60_000)
    _require_range("--drain-timeout", drain_timeout_s, 0, 86_400)
    _require_range("--spool-bytes", args.spool_bytes, 2 << 20, 1 << 30)
    return CaptureSettings(
        source=args.source,
        file=args.file or "",
        operator=parse_url(args.operator or env.get(ENV_OPERATOR) or DEFAULT_OPERATOR),
        node=node,
        window_ms=args.window_ms,
        drain_timeout_s=drain_timeout_s,
        spool_bytes=args.spool_bytes,
        deflate=args.deflate,
    )


def _require_range(flag: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise PermanentInputError(f"{flag} {value:g}: give a number from {low:g} to {high:g}")
