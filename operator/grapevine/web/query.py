"""What is asked in a query, and what is wrong with it."""

from collections.abc import Mapping

from grapevine.model.errors import PermanentInputError

MAX_TEXT_CHARS = 600
"""Longest query value: a namespace, a kind and a DNS name fit."""

_MAX_MS = 10**15 - 1


class BadQueryError(PermanentInputError):
    """The query is not one of this endpoint's; the text goes into the 400 reply."""


def count_of(query: Mapping[str, str], key: str, most: int, default: int = 0) -> int:
    """Return a whole number from 0 to `most`; the default where it is missing.

    Raises:
        BadQueryError: it is none of these.
    """
    text = text_of(query, key, needed=False)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and int(text) <= most):
        raise BadQueryError(f"{key}: give a whole number from 0 to {most}")
    return int(text)


def moment_of(query: Mapping[str, str], key: str) -> int:
    """Return milliseconds since the epoch; 0 where they are missing.

    Raises:
        BadQueryError: they are none.
    """
    return count_of(query, key, _MAX_MS)


def text_of(query: Mapping[str, str], key: str, *, needed: bool = True) -> str:
    """Return a value without blanks around it; empty where it is missing and not needed.

    Raises:
        BadQueryError: it is missing, or too long.
    """
    text = query.get(key, "").strip()
    if needed and not text:
        raise BadQueryError(f"{key}: is missing")
    if len(text) > MAX_TEXT_CHARS:
        raise BadQueryError(f"{key}: is longer than {MAX_TEXT_CHARS} characters")
    return text
