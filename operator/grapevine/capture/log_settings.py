"""Settings of `--source log`: what is read, how its lines look, and whom it is of."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from grapevine.capture.http1 import Server, parse_url
from grapevine.capture.sources.corelog import DEFAULT_FORMATS, compile_format
from grapevine.capture.sources.follower import find_server
from grapevine.capture.sources.podlog import PodLog, parse_pods
from grapevine.model.errors import PermanentInputError
from grapevine.model.value import value
from grapevine.wire.schema import MAX_DNS_PODS, DnsPod

CREDENTIALS: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
ENV_LINE_FORMAT: Final = "GRAPEVINE_LINE_FORMAT"
ENV_PODS: Final = "GRAPEVINE_DNS_PODS"
ENV_CONTAINER: Final = "GRAPEVINE_DNS_CONTAINER"


@value
class LogSettings:
    """How a log is read."""

    file: str
    """Path of the log, `-` for stdin; empty to follow pods."""
    formats: tuple[str, ...]
    """Formats of its lines as the Corefile has them: a person's own first, then the common and a short one."""
    pods: tuple[DnsPod, ...]
    """Pods to follow; empty to ask the operator."""
    container: str
    """Container with the DNS server; empty where the pod has one alone."""
    server: Server | None
    """The API server; None with a file."""
    credentials: str
    """Directory with `token` and `ca.crt` of the service account, read again for every stream."""


def load_log_settings(args: argparse.Namespace, env: Mapping[str, str]) -> LogSettings:
    """Return the settings in flags and environment.

    Raises:
        PermanentInputError: a value is missing, contradictory or out of range.
    """
    text = args.line_format or env.get(ENV_LINE_FORMAT, "")
    formats = (text, *DEFAULT_FORMATS) if text else DEFAULT_FORMATS
    for each in formats:
        compile_format(each)
    return LogSettings(
        file=args.file or "",
        formats=formats,
        pods=_parse_pods(args.pods or env.get(ENV_PODS, "")),
        container=_parse_container(args.container or env.get(ENV_CONTAINER, "")),
        server=None if args.file else parse_url(args.api_server) if args.api_server else find_server(env),
        credentials=str(Path(args.api_credentials)),
    )


def _parse_pods(text: str) -> tuple[DnsPod, ...]:
    if not text:
        return ()
    try:
        pods = tuple(parse_pods(text))
    except ValueError as e:
        raise PermanentInputError(f"--pods {text[:80]!r}: {e}; give NAMESPACE/NAME,...") from e
    if len(pods) > MAX_DNS_PODS:
        raise PermanentInputError(f"--pods: {len(pods)} pods; each is a stream of the API server, give {MAX_DNS_PODS}")
    return pods


def _parse_container(text: str) -> str:
    try:
        PodLog(DnsPod("any", "any", ""), text)
    except ValueError as e:
        raise PermanentInputError(f"--container: {e}") from e
    return text
