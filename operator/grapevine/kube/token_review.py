"""Ask the API server whose a token is.

Source: Kubernetes API reference, authentication.k8s.io/v1 TokenReview; KEP-4193 (the node's name in tokens of pods).
"""

import msgspec

from grapevine.kube.session import Session
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.identity import ObjectName, TokenReview

REVIEW_TIMEOUT_S = 5.0

_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
_ACCOUNT_PREFIX = "system:serviceaccount:"
_NODE_NAME = "authentication.kubernetes.io/node-name"


class _User(msgspec.Struct):
    username: str = ""
    extra: dict[str, list[str]] | None = None


class _Status(msgspec.Struct):
    authenticated: bool = False
    user: _User = msgspec.field(default_factory=_User)
    audiences: list[str] | None = None
    error: str = ""


class _Review(msgspec.Struct):
    status: _Status


class TokenReviewer:
    """Reviews tokens; implements `ingest.authentication.Reviewer`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def review(self, token: str, audience: str) -> TokenReview:
        """Return what the token is worth for `audience`.

        Raises:
            RetryableError: the API server does not answer, or does not let us ask.
        """
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        try:
            answer = await self._session.request("POST", _PATH, body=body, timeout_s=REVIEW_TIMEOUT_S)
            status = msgspec.json.decode(answer, type=_Review).status
        except (PermanentInputError, msgspec.MsgspecError, UnicodeError) as error:
            raise RetryableError(f"no token can be reviewed: {error}") from error
        return _judge(status, audience)


def _judge(status: _Status, audience: str) -> TokenReview:
    if not status.authenticated:
        return TokenReview(None, reason=status.error or "not authenticated")
    if audience not in (status.audiences or ()):  # a server that knows no audiences must not open the door
        return TokenReview(None, reason=f"it is not for audience {audience}")
    namespace, _, name = status.user.username.removeprefix(_ACCOUNT_PREFIX).partition(":")
    if not status.user.username.startswith(_ACCOUNT_PREFIX) or not namespace or not name:
        return TokenReview(None, reason="it is no service account's")
    nodes = (status.user.extra or {}).get(_NODE_NAME) or [""]
    return TokenReview(ObjectName(namespace, name), nodes[0])
