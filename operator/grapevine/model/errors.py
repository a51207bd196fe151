"""The project's errors: one root, two families.

Third-party exceptions are turned into these once, in the adapter that imports the library.
"""


class GrapevineError(Exception):
    """Root of every error Grapevine raises on purpose; its text names the object and the remedy."""


class RetryableError(GrapevineError):
    """The other side failed or is busy; the same call may succeed later."""

    def __init__(self, message: str, *, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s
        """Seconds the other side asked us to wait; None where it gave no hint."""


class PermanentInputError(GrapevineError):
    """The input is wrong and stays wrong: a file, a manifest, a setting, a batch. Never retried."""
