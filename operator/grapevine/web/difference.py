"""`/api/v1/diff`: what came and what went silent between two moments, by what the live map remembers."""

import time
from collections.abc import Mapping

import msgspec

from grapevine.view.difference import blind_spots, compare_moments
from grapevine.view.selection import part_of
from grapevine.view.servicemap import ServiceMap
from grapevine.view.wire import difference_fields
from grapevine.web.part import part_of_query
from grapevine.web.query import BadQueryError, moment_of, text_of

MAX_OF_EACH = 2_000
"""Nodes or links in each list."""


def difference(whole: ServiceMap, query: Mapping[str, str]) -> bytes:
    """Answer `/api/v1/diff`: of the part that is asked for, between `since` and `until`; without the latter, now."""
    text_of(query, "since")
    since_ms, until_ms = moment_of(query, "since"), moment_of(query, "until")
    if until_ms and until_ms < since_ms:
        raise BadQueryError("until: is before since")
    part = part_of(whole, part_of_query(query, whole))
    notes = blind_spots(whole, since_ms, time.time_ns() // 1_000_000)
    found = difference_fields(compare_moments(part, since_ms, until_ms or None), MAX_OF_EACH)
    return msgspec.json.encode({"since_ms": since_ms, "until_ms": until_ms, "notes": notes, **found})
