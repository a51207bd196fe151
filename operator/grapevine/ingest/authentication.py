"""Who may send over TLS: capture's service accounts, by a token the API server vouches for (TokenReview).

The node a batch speaks for is the one in the token, which nobody but the kubelet of that node was given; a token of
Kubernetes before 1.32 names its pod alone, whose node the informers know.

Source: Kubernetes documentation, "TokenReview" and "ServiceAccount token volume projection".
"""

import time
from collections.abc import Callable, Collection
from typing import Protocol

from grapevine.model.identity import ObjectName, TokenReview
from grapevine.serving.tokens import AuthenticationLimits, Denied, Verdicts, bearer_of
from grapevine.wire.schema import TOKEN_AUDIENCE

_REMEDY = "give a service account token: Authorization: Bearer TOKEN"


class Reviewer(Protocol):
    """Who can tell a token."""

    async def review(self, token: str, audience: str) -> TokenReview:
        """Return what the token is worth for `audience`.

        Raises:
            RetryableError: nobody can tell now.
        """


class PodNodes(Protocol):
    """Who knows where pods run."""

    def node_of(self, pod: ObjectName, uid: str) -> str:
        """Return the node of a pod that is there now; empty where that very pod is not known, or on no node yet."""


class Authenticator:
    """Turns an Authorization header into the name of a node."""

    def __init__(
        self,
        reviewer: Reviewer,
        accounts: Collection[ObjectName],
        pods: PodNodes,
        limits: AuthenticationLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the service accounts to let in, where their pods run, and a clock of seconds that never goes back."""
        self._reviewer = reviewer
        self._accounts = frozenset(accounts)
        self._pods = pods
        self._verdicts = Verdicts(self._review, self._is_good, limits or AuthenticationLimits(), clock)

    @property
    def refused(self) -> int:
        """How many refusals are remembered."""
        return self._verdicts.refused

    async def node_of(self, authorization: str) -> str:
        """Return the node the sender speaks for; an empty header is none.

        Raises:
            Denied: `no-token`, `bad-token`, `token-refused`, `wrong-account` or `no-node`.
            RetryableError: the API server cannot be asked now.
        """
        return self._node_in(await self._verdicts.of(bearer_of(authorization, _REMEDY)))

    async def _review(self, token: str) -> TokenReview:
        return await self._reviewer.review(token, TOKEN_AUDIENCE)

    def _is_good(self, review: TokenReview) -> bool:
        return review.account in self._accounts and bool(review.node or review.pod)

    def _node_in(self, review: TokenReview) -> str:
        if review.account is None:
            why = review.reason.encode("ascii", "replace").decode()[:500]
            raise Denied(
                "token-refused", f"the API server does not accept the token for audience {TOKEN_AUDIENCE}: {why}"
            )
        if review.account not in self._accounts:
            raise Denied("wrong-account", f"service account {review.account} is not capture's")
        if review.node:
            return review.node
        if review.pod is None:
            raise Denied("no-node", "the token names neither node nor pod: it must be a pod's projected token")
        node = self._pods.node_of(review.pod, review.pod_uid)  # not kept: an informer that lags knows it soon
        if not node:
            raise Denied("no-node", f"the node of pod {review.pod} is not known yet; come again")
        return node
