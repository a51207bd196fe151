"""What a bearer token is worth, asked of the API server few at a time, and remembered for a while.

Verdicts are kept for a minute at most, so a token taken back (its pod deleted, its user's right gone) or expired opens
nothing for longer than that.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from grapevine.model.errors import RetryableError
from grapevine.wire.schema import MAX_TOKEN_CHARS

V = TypeVar("V")


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
    """Somebody is not let in; `result` is what it is counted by, the text is for them."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result = result


def bearer_of(authorization: str, remedy: str) -> str:
    """Return the token of an Authorization header; an empty header is none. `remedy` says what to send instead.

    Raises:
        Denied: `no-token` or `bad-token`.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Denied("no-token", remedy)
    if len(token) > MAX_TOKEN_CHARS or not token.isascii() or not token.isprintable() or " " in token:
        raise Denied("bad-token", f"the token is over {MAX_TOKEN_CHARS} characters, or none")
    return token


class Verdicts(Generic[V]):
    """What was said of tokens, which are kept as hashes alone."""

    def __init__(
        self,
        ask: Callable[[str], Awaitable[V]],
        is_good: Callable[[V], bool],
        limits: AuthenticationLimits,
        clock: Callable[[], float],
    ) -> None:
        """Take who tells of a token, which verdicts let in, and a clock of seconds that never goes back."""
        self._ask = ask
        self._is_good = is_good
        self._limits = limits
        self._clock = clock
        self._accepted = _Kept[V](limits.max_accepted, limits.accepted_ttl_s)
        self._refused = _Kept[V](limits.max_refused, limits.refused_ttl_s)  # apart: no flood evicts a good one
        self._reviews = asyncio.Semaphore(limits.max_reviews)

    @property
    def refused(self) -> int:
        """How many refusals are remembered."""
        return len(self._refused)

    async def of(self, token: str) -> V:
        """Return the verdict about a token.

        Raises:
            RetryableError: nobody can tell now.
        """
        key = hashlib.sha256(token.encode()).digest()
        now_s = self._clock()
        known = self._accepted.get(key, now_s) or self._refused.get(key, now_s)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(self._limits.review_timeout_s), self._reviews:
                verdict = await self._ask(token)
        except TimeoutError as error:
            raise RetryableError("too many tokens wait to be reviewed; come again") from error
        (self._accepted if self._is_good(verdict) else self._refused).put(key, verdict, self._clock())
        return verdict


class _Kept(Generic[V]):
    """Verdicts by token's hash, for a time; the one used longest ago gives way."""

    def __init__(self, max_kept: int, ttl_s: float) -> None:
        self._max_kept = max_kept
        self._ttl_s = ttl_s
        self._kept: OrderedDict[bytes, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes, now_s: float) -> V | None:
        until_s, verdict = self._kept.get(key, (now_s, None))
        if now_s >= until_s:
            self._kept.pop(key, None)
            return None
        self._kept.move_to_end(key)
        return verdict

    def put(self, key: bytes, verdict: V, now_s: float) -> None:
        self._kept[key] = (now_s + self._ttl_s, verdict)
        self._kept.move_to_end(key)
        if len(self._kept) > self._max_kept:
            self._kept.popitem(last=False)
