"""Ask the API server what somebody may do.

Source: Kubernetes API reference, authorization.k8s.io/v1 SubjectAccessReview.
"""

import msgspec

from grapevine.kube.session import Session
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.identity import TokenUser

REVIEW_TIMEOUT_S = 5.0

_PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class _Status(msgspec.Struct):
    allowed: bool = False


class _Review(msgspec.Struct):
    status: _Status


class AccessReviewer:
    """Reviews access; implements `web.readers.Rights`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def may_list(self, user: TokenUser, group: str, resource: str) -> bool:
        """Return whether the user may list a resource in all namespaces.

        Raises:
            RetryableError: the API server does not answer, or does not let us ask.
        """
        spec = {
            "user": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra},
            "resourceAttributes": {"verb": "list", "group": group, "resource": resource},
        }
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        try:
            answer = await self._session.request("POST", _PATH, body=body, timeout_s=REVIEW_TIMEOUT_S)
            return msgspec.json.decode(answer, type=_Review).status.allowed
        except (PermanentInputError, msgspec.MsgspecError, UnicodeError) as error:
            raise RetryableError(f"nobody's rights can be reviewed: {error}") from error
