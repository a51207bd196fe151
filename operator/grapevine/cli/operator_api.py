"""Questions to a running operator: through the API server to its pod, or at an URL (docs/reference/api.md)."""

import argparse
import asyncio
import http.client
import io
import json
import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grapevine.cli.operator_url import API_PORT, MAX_BYTES, NOT_LEADER, OperatorUrl, fetch
from grapevine.cli.source import add_cluster_arguments
from grapevine.model.errors import PermanentInputError

NAMESPACE = "grapevine-system"
SELECTOR = "app.kubernetes.io/name=grapevine-operator"
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and who gave it."""

    source: str
    """For people: the URL, or the pod."""
    fields: dict[str, Any]


def add_operator_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the operator is, and what to show it."""
    parser.add_argument(
        "--operator",
        metavar="URL",
        default=os.environ.get("GRAPEVINE_API_URL"),
        help="the operator's API, as forwarded by hand, or https with a token; by default its pod is found, and asked "
        "through the API server (env GRAPEVINE_API_URL)",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        default=os.environ.get("GRAPEVINE_API_TOKEN_FILE"),
        help="a token for --operator https://…: kubectl create token ACCOUNT --audience grapevine "
        "(env GRAPEVINE_API_TOKEN_FILE)",
    )
    parser.add_argument(
        "--ca-file",
        metavar="FILE",
        default=os.environ.get("GRAPEVINE_API_CA_FILE"),
        help="whom to trust for --operator https://…, instead of the system's: ca.crt of the ConfigMap grapevine-ca "
        "(env GRAPEVINE_API_CA_FILE)",
    )
    parser.add_argument(
        "--operator-namespace",
        metavar="NAME",
        default=os.environ.get("GRAPEVINE_OPERATOR_NAMESPACE") or NAMESPACE,
        help="where its pod is looked for (%(default)s; env GRAPEVINE_OPERATOR_NAMESPACE)",
    )
    add_cluster_arguments(parser)


def ask(args: argparse.Namespace, path: str, query: Mapping[str, str], *, patience_s: float = 0) -> Reply:
    """Return the operator's answer to one question, which may take `patience_s` longer than others.

    Raises:
        PermanentInputError: the URL is none, no operator runs, it may not be reached, it refuses the question, or what
            answers is no operator.
        RetryableError: nothing answers, or not in time.
    """
    # A word of the command line that is no UTF-8 is the name of nothing: it is asked for with a ?.
    given = urllib.parse.urlencode({key: value for key, value in query.items() if value}, errors="replace")
    if args.operator:
        where = OperatorUrl(args.operator, args.token_file, args.ca_file)
        status, body = fetch(where, f"{path}?{given}", timeout_s=_TIMEOUT_S + patience_s)
        if status >= 300:
            raise PermanentInputError(f"{where.url}: {_reason(status, body)}")
        return Reply(where.url, _fields(body, where.url))
    return asyncio.run(_ask_pods(args, f"{path}?{given}", patience_s))


async def _ask_pods(args: argparse.Namespace, path: str, patience_s: float) -> Reply:
    """Ask the operator's pods in turn: of several replicas, one leads, and the others say so."""
    from grapevine.kube.portforward import exchange, ready_pods  # who names an URL needs no kubeconfig
    from grapevine.kube.session import Session

    async with await Session.open(args.kubeconfig, args.context) as session:
        pods = await ready_pods(session, args.operator_namespace, SELECTOR)
        if not pods:
            raise PermanentInputError(
                f"{session.server} ({session.origin}): no pod with {SELECTOR} is ready in {args.operator_namespace}: "
                f"kubectl -n {args.operator_namespace} get pods; --operator-namespace, or --operator URL"
            )
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        for pod in pods:
            source = f"{pod.namespace}/{pod.name}"
            answer = await exchange(
                session, pod, API_PORT, request, max_bytes=MAX_BYTES, timeout_s=_TIMEOUT_S + patience_s
            )
            status, body = _parse(answer, source)
            if status < 400:
                return Reply(source, _fields(body, source))
            if status != NOT_LEADER or pod == pods[-1]:
                raise PermanentInputError(f"{source}: {_reason(status, body)}")
    raise AssertionError("the last pod's answer is returned or raised")


def _parse(answer: bytes, source: str) -> tuple[int, bytes]:
    """Return status and body of an HTTP response."""
    response = http.client.HTTPResponse(_Buffer(answer))  # type: ignore[arg-type]
    try:
        response.begin()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise PermanentInputError(f"{source}: what answers there is no operator: {error!r}") from error


class _Buffer:
    """As much of a socket as `HTTPResponse` reads from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)


def _reason(status: int, body: bytes) -> str:
    answer = _try_decode(body)
    reason = answer.get("error") if answer else None
    return str(reason) if reason else f"HTTP {status}: what answers there is no operator, or another version"


def _fields(body: bytes, source: str) -> dict[str, Any]:
    answer = _try_decode(body)
    if answer is None:
        raise PermanentInputError(f"{source}: what answers there is no operator")
    return answer


def _try_decode(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
