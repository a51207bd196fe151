"""Wait for a state instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], *, timeout_s: float = 10.0, every_s: float = 0.05) -> T:
    """Call `check` until it returns something truthy or, for a check of assertions alone, None; return that.

    A check fails by raising AssertionError or by returning a falsy value that is not None (`False`, `0`, `[]`, `{}`).
    Any other exception is a defect and passes at once.

    Raises:
        AssertionError: The deadline passed; the last failure of `check` itself, or one that shows its last value.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            value = check()
        except AssertionError as error:
            failure = error
        else:
            if value or value is None:
                return value
            failure = AssertionError(f"still {value!r} after {timeout_s} s")
        if time.monotonic() >= deadline:
            raise failure
        time.sleep(every_s)
