"""What a test needs and this machine lacks: a skip where a person works, a failure where everything must run."""

import os
import shutil
from typing import NoReturn

import pytest

IS_CI_AS_ROOT = bool(os.environ.get("CI")) and os.geteuid() == 0
"""Nothing may be missing here: nobody reads CI's list of skipped tests."""
ARE_SERVERS_REQUIRED = bool(os.environ.get("CI") or os.environ.get("GRAPEVINE_REQUIRE_CONTROL_PLANE"))
"""Nor may the test servers in CI, or where make has built them."""


def give_up(reason: str, *, is_required: bool = IS_CI_AS_ROOT) -> NoReturn:
    """Skip the running test, or fail it where what is missing must be there; `reason` names that."""
    if is_required:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def needs_root(*programs: str) -> pytest.MarkDecorator:
    """Return the mark of tests that need root and these programs, which CI as root runs whatever is missing."""
    lacking = [each for each in programs if shutil.which(each) is None]
    is_missing = os.geteuid() != 0 or (bool(lacking) and not IS_CI_AS_ROOT)
    return pytest.mark.skipif(is_missing, reason=f"needs root{''.join(' and ' + each for each in programs)}")
