"""A session whose writes are let through only while this replica leads.

Every write to the map goes through here, so that one which thinks it leads still, having stood still for longer than
its Lease, changes nothing. It looks twice: before it begins, and as the last thing before the body goes to the kernel.
"""

from collections.abc import Callable, Mapping
from typing import Any

from grapevine.kube.session import REQUEST_TIMEOUT_S, Session
from grapevine.model.errors import RetryableError


class FencedSession:
    """As `Session.request`; what is no GET needs the lead."""

    def __init__(self, session: Session, left_s: Callable[[], float]) -> None:
        """Take the session, and for how many seconds this process may still write."""
        self._session = session
        self._left_s = left_s

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> bytes:
        """Send one request and return the answer's body.

        Raises:
            RetryableError: it is a write, and this replica does not lead, or not for as long as it took.
            (and all that `Session.request` raises)
        """
        if method != "GET":
            timeout_s = min(timeout_s, self._left_s())
            if timeout_s <= 0:
                raise RetryableError(f"{method} {path}: not sent: this replica does not lead now")
        return await self._session.request(
            method,
            path,
            query,
            body=body,
            content_type=content_type,
            accept=accept,
            timeout_s=timeout_s,
            may_send=None if method == "GET" else lambda: self._left_s() > 0,
        )
