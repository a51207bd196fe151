"""Whether a collector takes what it is sent, told to people once a period."""

import logging

WARN_PERIOD_MS = 300_000

_log = logging.getLogger(__name__)


class CollectorHealth:
    """Of one signal's endpoint. Times are milliseconds since the epoch."""

    def __init__(self, signal: str, url: str) -> None:
        self._signal = signal
        self._url = url
        self._failing_since_ms = 0
        self._warned_ms = 0
        self._ask_from_ms = 0
        self.taken = 0
        """Requests."""
        self.failed = 0
        """Requests."""
        self.taken_ms = 0
        """When the last request was taken; 0 for never."""
        self.reason = ""
        """Why the last request was not taken; empty where it was."""

    def may_ask(self, now_ms: int) -> bool:
        """Whether it may be asked: it may have said for how long not."""
        return now_ms >= self._ask_from_ms

    def take(self, now_ms: int) -> None:
        """Note a request that was taken."""
        self.taken += 1
        self.taken_ms = now_ms
        self.reason = ""
        if self._failing_since_ms:
            outage_s = (now_ms - self._failing_since_ms) // 1_000
            _log.info("telemetry is taken again", extra=self._about() | {"outage_s": outage_s})
            self._failing_since_ms = self._warned_ms = 0

    def refuse(self, now_ms: int, reason: str, retry_after_s: float) -> None:
        """Note a request that was not taken, and warn unless that was done within the period."""
        self.failed += 1
        self.reason = reason
        self._ask_from_ms = now_ms + int(retry_after_s * 1_000)
        self._failing_since_ms = self._failing_since_ms or now_ms
        if not self._warned_ms or now_ms - self._warned_ms >= WARN_PERIOD_MS:
            self._warned_ms = now_ms
            _log.warning(
                "telemetry is not taken: check the endpoint, its headers and its certificate",
                extra=self._about() | {"reason": reason, "failed": self.failed},
            )

    def _about(self) -> dict[str, str]:
        return {"signal": self._signal, "endpoint": self._url}
