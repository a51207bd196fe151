"""Who may send over TLS: capture's service accounts, by a token the API server vouches for (TokenReview).

The node a batch speaks for is the one in the token, which nobody but the kubelet of that node was given; a token of
Kubernetes before 1.32 names its pod alone, whose node the informers know. Verdicts are kept for a minute at most, so a
token taken back (its pod deleted) or expired opens the door no longer than that.

Source: Kubernetes documentation, "TokenReview" and "ServiceAccount token volume projection".
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from grapevine.model.errors import RetryableError
from grapevine.model.identity import ObjectName, TokenReview
from grapevine.wire.schema import MAX_TOKEN_CHARS, TOKEN_AUDIENCE


@dataclass(frozen=True, slots=True)
class AuthenticationLimits:
    """Bounds of what is asked of the API server, and of what is remembered."""

    accepted_ttl_s: float = 60.0
    refused_ttl_s: float = 10.0
    max_accepted: int = 8_192
    """Tokens: one a node, two while one is replaced. The one used longest ago is forgotten, and reviewed again."""
    max_refused: int = 1_024
    max_reviews: int = 8
    """At once; further senders wait."""
    review_timeout_s: float = 10.0
    """With the wait; then the sender is told to come again (503, `unreviewed`)."""


class Denied(Exception):  # noqa: N818 - an answer, not a fault of ours
    """A sender is not let in; `result` is what it is counted by, the text is for the sender."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result = result


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
        self._limits = limits or AuthenticationLimits()
        self._clock = clock
        self._accepted = _Verdicts(self._limits.max_accepted, self._limits.accepted_ttl_s)
        self._refused = _Verdicts(self._limits.max_refused, self._limits.refused_ttl_s)  # apart: no flood evicts a node
        self._reviews = asyncio.Semaphore(self._limits.max_reviews)

    async def node_of(self, authorization: str) -> str:
        """Return the node the sender speaks for; an empty header is none.

        Raises:
            Denied: `no-token`, `bad-token`, `token-refused`, `wrong-account` or `no-node`.
            RetryableError: the API server cannot be asked now.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Denied("no-token", "give a service account token: Authorization: Bearer TOKEN")
        if len(token) > MAX_TOKEN_CHARS or not token.isascii() or not token.isprintable() or " " in token:
            raise Denied("bad-token", f"the token is over {MAX_TOKEN_CHARS} characters, or none")
        key = hashlib.sha256(token.encode()).digest()
        now_s = self._clock()
        known = self._accepted.get(key, now_s) or self._refused.get(key, now_s) or await self._ask(key, token)
        return self._node_in(known)

    async def _ask(self, key: bytes, token: str) -> TokenReview:
        try:
            async with asyncio.timeout(self._limits.review_timeout_s), self._reviews:
                review = await self._reviewer.review(token, TOKEN_AUDIENCE)
        except TimeoutError as error:
            raise RetryableError("too many tokens wait to be reviewed; come again") from error
        is_good = review.account in self._accounts and bool(review.node or review.pod)
        (self._accepted if is_good else self._refused).put(key, review, self._clock())
        return review

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


class _Verdicts:
    """Reviews by token's hash, for a time; the one used longest ago gives way."""

    def __init__(self, max_kept: int, ttl_s: float) -> None:
        self._max_kept = max_kept
        self._ttl_s = ttl_s
        self._kept: OrderedDict[bytes, tuple[float, TokenReview]] = OrderedDict()

    def get(self, key: bytes, now_s: float) -> TokenReview | None:
        until_s, review = self._kept.get(key, (now_s, None))
        if now_s >= until_s:
            self._kept.pop(key, None)
            return None
        self._kept.move_to_end(key)
        return review

    def put(self, key: bytes, review: TokenReview, now_s: float) -> None:
        self._kept[key] = (now_s + self._ttl_s, review)
        self._kept.move_to_end(key)
        if len(self._kept) > self._max_kept:
            self._kept.popitem(last=False)
