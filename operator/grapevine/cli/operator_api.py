"""Questions to a running operator's JSON API, over loopback (docs/reference/api.md)."""

import argparse
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from grapevine.model.errors import PermanentInputError, RetryableError

_DEFAULT = "http://127.0.0.1:8082"
_TIMEOUT_S = 10.0
_MAX_BYTES = 8 << 20
_REMEDY = "kubectl -n grapevine-system port-forward deploy/grapevine-operator 8082"


def add_operator_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--operator`."""
    parser.add_argument(
        "--operator",
        metavar="URL",
        default=os.environ.get("GRAPEVINE_API_URL") or _DEFAULT,
        help="the operator's API, as port-forwarded (%(default)s; env GRAPEVINE_API_URL)",
    )


def ask(url: str, path: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the operator's answer to one question.

    Raises:
        PermanentInputError: the URL is none, the operator refuses the question, or what answers is no operator.
        RetryableError: nothing answers, or not in time.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise PermanentInputError(f"--operator: {url!r} is no such URL: give it like {_DEFAULT}")
    given = urllib.parse.urlencode({key: value for key, value in query.items() if value})
    # No proxy: the operator listens on loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url.rstrip('/')}{path}?{given}", timeout=_TIMEOUT_S) as reply:
            body = reply.read(_MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise PermanentInputError(f"{url}: {_reason(error)}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise RetryableError(f"no operator answers at {url}: {reason}; {_REMEDY}") from error
    if len(body) > _MAX_BYTES:
        raise PermanentInputError(f"{url}: the answer is over {_MAX_BYTES >> 20} MiB, so this is no operator")
    answer = _decoded(body)
    if answer is None:
        raise PermanentInputError(f"{url}: what answers there is no operator; {_REMEDY}")
    return answer


def _reason(error: urllib.error.HTTPError) -> str:
    answer = _decoded(error.read(_MAX_BYTES))
    reason = answer.get("error") if answer else None
    return str(reason) if reason else f"HTTP {error.code}: what answers there is no operator, or another version"


def _decoded(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
