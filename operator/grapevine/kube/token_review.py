"""Ask the API server whose a token is.

Source: Kubernetes API reference, authentication.k8s.io/v1 TokenReview; KEP-1205 (tokens bound to pods, whose name and
uid they carry); KEP-4193 (the node's name beside them).
"""

import msgspec

from grapevine.kube.session import Session
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.identity import ObjectName, TokenReview, TokenUser

REVIEW_TIMEOUT_S = 5.0

_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
_ACCOUNT_PREFIX = "system:serviceaccount:"
_NODE_NAME = "authentication.kubernetes.io/node-name"
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"


class _User(msgspec.Struct):
    username: str = ""
    uid: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str]] | None = None


class _Status(msgspec.Struct):
    authenticated: bool = False
    user: _User = msgspec.field(default_factory=_User)
    audiences: list[str] | None = None
    error: str = ""


class _Review(msgspec.Struct):
    status: _Status


class TokenReviewer:
    """Reviews tokens; implements `ingest.authentication.Reviewer`, and of `web.readers` too."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def review(self, token: str, audience: str) -> TokenReview:
        """Return what the token is worth for `audience`, for the API server's own where that is empty.

        Raises:
            RetryableError: the API server does not answer, or does not let us ask.
        """
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, **({"audiences": [audience]} if audience else {})},
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
    if audience and audience not in (status.audiences or ()):  # a server that knows no audiences must not open the door
        return TokenReview(None, reason=f"it is not for audience {audience}")
    user = _user(status.user)
    namespace, _, name = status.user.username.removeprefix(_ACCOUNT_PREFIX).partition(":")
    if not status.user.username.startswith(_ACCOUNT_PREFIX) or not namespace or not name:
        return TokenReview(None, reason="it is no service account's", user=user)
    node, pod, uid = ((*(status.user.extra or {}).get(claim, ()), "")[0] for claim in (_NODE_NAME, _POD_NAME, _POD_UID))
    is_pods = bool(pod and uid)
    return TokenReview(
        ObjectName(namespace, name),
        node,
        pod=ObjectName(namespace, pod) if is_pods else None,
        pod_uid=uid if is_pods else "",
        user=user,
    )


def _user(said: _User) -> TokenUser:
    extra = tuple(sorted((key, tuple(values)) for key, values in (said.extra or {}).items()))
    return TokenUser(said.username, said.uid, tuple(said.groups or ()), extra)
