"""What the Kubernetes client library raises → the project's errors, with the remedy in the text.

The one place that knows both (STYLE, Errors). `kube.session` calls it; nothing else sees a foreign exception.

Source: Kubernetes API conventions, "Failures" (the Status object), and RBAC's verbs.
"""

import re
from collections.abc import Mapping

import msgspec

from grapevine.model.errors import GrapevineError, PermanentInputError, RetryableError
from grapevine.model.rbac import RbacRule

_MAX_MESSAGE_CHARS = 500
_BY_ADMISSION = re.compile(r"denied the request|denied request|exceeded quota|is being terminated")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class NotFoundError(PermanentInputError):
    """404: neither the object nor, perhaps, its kind is there."""


class ConflictError(RetryableError):
    """409: the object changed or appeared meanwhile, or another manager owns a field."""


class ForbiddenError(PermanentInputError):
    """403: a right is missing."""

    def __init__(self, said: str, rule: RbacRule | None) -> None:
        """Take what the server said; the rule goes into the text, `None` is for what is no resource."""
        super().__init__(said)
        self.rule = rule


class ExpiredError(RetryableError):
    """410: the resource version or continue token is too old; list again."""


class SilentError(RetryableError):
    """An open watch said nothing for so long that it may be dead; open it again where it was."""


class _Status(msgspec.Struct):
    message: str = ""
    code: int = 0


def refusal(
    method: str, path: str, query: Mapping[str, str], status: int, body: bytes, retry_after: str
) -> GrapevineError:
    """Return the error for an answer of 400 or higher."""
    said = f"{method} {path}: {status}: {_message(body)}"
    match status:
        case 401:
            return RetryableError(f"{said}; the API server does not accept our credentials, renew them")
        case 403 if _is_by_admission(body):
            return PermanentInputError(said)
        case 403:
            rule = try_rule(method, path, query)
            return ForbiddenError(f"{said}; grant it: {rule or f'nonResourceURLs: [{path}], verbs: [get]'}", rule)
        case 404:
            return NotFoundError(said)
        case 409:
            return ConflictError(said)
        case 410:
            return ExpiredError(said)
        case 429 | 503:
            return RetryableError(said, after_s=float(retry_after) if retry_after.isdecimal() else None)
        case _ if status >= 500:
            return RetryableError(said)
        case _:
            return PermanentInputError(said)


def _is_by_admission(body: bytes) -> bool:
    """Tell whether a 403 is a webhook's, a policy's, a quota's or a dying namespace's: no right would help.

    Source: the texts of Kubernetes' admission plugins.
    """
    return _BY_ADMISSION.search(_parse(body).message) is not None


def watch_refusal(path: str, status: bytes | msgspec.Raw) -> GrapevineError:
    """Return the error for a watch's ERROR event, whose object is a Status."""
    return refusal("GET", path, {"watch": "true"}, _parse(status).code or 500, bytes(status), "")


def unreachable(method: str, path: str, server: str, error: Exception) -> RetryableError:
    """Return the error for a request that got no answer, or only a part of one."""
    reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return RetryableError(f"{method} {path}: {server} is unreachable: {reason}"[:_MAX_MESSAGE_CHARS])


def _message(body: bytes) -> str:
    text = _parse(body).message or body.decode(errors="replace")
    return " ".join(text.split())[:_MAX_MESSAGE_CHARS] or "no reason given"


def _parse(body: bytes | msgspec.Raw) -> _Status:
    try:
        return msgspec.json.decode(body, type=_Status)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _Status()


def try_rule(method: str, path: str, query: Mapping[str, str]) -> RbacRule | None:
    """Return the rule of a ClusterRole that would allow the request; None for a path that is no resource's."""
    root, *rest = path.strip("/").split("/")
    group, rest = ("", rest[1:]) if root == "api" else (rest[0] if rest else "", rest[2:])
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    if not rest:
        return None
    reads = "watch" if "watch" in query else "get" if len(rest) > 1 else "list"
    return RbacRule(group, "/".join((rest[0], *rest[2:])), (_VERBS.get(method, reads),))
