"""Who may read the map over TLS: whoever the API server knows by token, and lets list ClientIntents everywhere.

The right is one on a resource. One on the path of the question (`nonResourceURLs`) would be no right at all: every
cluster lets every authenticated user `get` `/api/*`, for the discovery of its API. And it is no right of its own: the
objects' status says what the map says, so who may list all of them knows the map already (docs/decisions/029).

Source: Kubernetes documentation, "Using RBAC Authorization", discovery roles; "TokenReview"; "SubjectAccessReview".
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from grapevine.model.identity import TokenReview, TokenUser
from grapevine.serving.tokens import AuthenticationLimits, Denied, Verdicts, bearer_of
from grapevine.wire.schema import TOKEN_AUDIENCE

GROUP, RESOURCE = "k8s.otterize.com", "clientintents"
_LIMITS = AuthenticationLimits(max_accepted=1_024)
_OWN_AUDIENCE = ""
_MAX_NAME_CHARS = 300
_REMEDY = (
    "give a token: Authorization: Bearer TOKEN, as `kubectl create token ACCOUNT --audience grapevine` prints one; "
    "grapevine's commands take it with --token-file. A browser sends none: `grapevine map` needs none"
)


class Reviewer(Protocol):
    """Who can tell a token."""

    async def review(self, token: str, audience: str) -> TokenReview:
        """Return what the token is worth for `audience`, for the API server's own where that is empty.

        Raises:
            RetryableError: nobody can tell now.
        """


class Rights(Protocol):
    """Who knows what users may do."""

    async def may_list(self, user: TokenUser, group: str, resource: str) -> bool:
        """Return whether the user may list a resource in all namespaces.

        Raises:
            RetryableError: nobody can tell now.
        """


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the API server said of a token: no user, or one that may or may not."""

    user: str = ""
    reason: str = ""
    may_read: bool = False


class Forbidden(Denied):  # an answer, too
    """Somebody who is known may not read the map."""


class Readers:
    """Lets in whom the API server lets."""

    def __init__(
        self,
        reviewer: Reviewer,
        rights: Rights,
        limits: AuthenticationLimits = _LIMITS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take whom to ask, and a clock of seconds that never goes back."""
        self._reviewer = reviewer
        self._rights = rights
        self._verdicts = Verdicts(self._ask, lambda verdict: verdict.may_read, limits, clock)

    async def check(self, authorization: str) -> None:
        """Let a request with this Authorization header pass; an empty header is none.

        Raises:
            Forbidden: `forbidden`: the token's user may not list ClientIntents in all namespaces.
            Denied: `no-token`, `bad-token` or `token-refused`.
            RetryableError: the API server cannot be asked now.
        """
        verdict = await self._verdicts.of(bearer_of(authorization, _REMEDY))
        if not verdict.user:
            raise Denied("token-refused", f"the API server does not accept the token: {verdict.reason}; take a new one")
        if not verdict.may_read:
            raise Forbidden(
                "forbidden",
                f"{verdict.user} may not list {RESOURCE}.{GROUP} in all namespaces, which says what the map says: bind "
                f"a ClusterRole with apiGroups: [{GROUP}], resources: [{RESOURCE}], verbs: [list]",
            )

    async def _ask(self, token: str) -> _Verdict:
        review = await self._reviewer.review(token, TOKEN_AUDIENCE)
        if review.user is None:  # a person's, of an identity provider, is for the API server alone
            review = await self._reviewer.review(token, _OWN_AUDIENCE)
        if review.user is None:
            return _Verdict(reason=_plain(review.reason))
        may_read = await self._rights.may_list(review.user, GROUP, RESOURCE)
        return _Verdict(_plain(review.user.name) or "somebody without a name", may_read=may_read)


def _plain(text: str) -> str:
    return text.encode("ascii", "replace").decode()[:_MAX_NAME_CHARS]
