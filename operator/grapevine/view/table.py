"""The map as a table, one line a link, for spreadsheets. Source: RFC 4180, and OWASP, "CSV Injection"."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from grapevine.model.timestamp import format_ms
from grapevine.view.legend import line_of
from grapevine.view.servicemap import STATES, Link, NodeRef, ServiceMap
from grapevine.view.text import shown

COLUMNS = (
    "client_namespace", "client_kind", "client", "relation", "target_namespace", "target_kind", "target",
    "evidence", "confidence", "state", "first_seen", "last_seen", "count", "ports", "names", "sources",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one for a formula."""


SORTED_BY: Mapping[str, Callable[[Link], Any]] = {
    "client": lambda link: _called(link.client) + _called(link.target),
    "target": lambda link: _called(link.target) + _called(link.client),
    "line": lambda link: line_of(link),
    "sure": lambda link: -link.confidence,
    "state": lambda link: STATES.index(link.state),
    "count": lambda link: -link.count,
    "ports": lambda link: link.ports,
    "last": lambda link: -link.last_ms,
}
"""What a table can be ordered by; numbers begin with the highest, but for ports."""


def sorted_links(links: Iterable[Link], by: str, *, is_reverse: bool = False) -> list[Link]:
    """Return links in the order of one of `SORTED_BY`, or the other way around; equal ones by their ends."""
    return sorted(sorted(links, key=SORTED_BY["client"]), key=SORTED_BY[by], reverse=is_reverse)


def to_csv(found: ServiceMap) -> str:
    """Return a heading and a line a link; a cell that would be a formula begins with `'`."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(each) for each in _row(link)] for link in found.links)
    return table.getvalue()


def _called(ref: NodeRef) -> tuple[str, str]:
    return ref.namespace, ref.name


def _row(link: Link) -> tuple[object, ...]:
    client, target = link.client, link.target
    return (
        client.namespace, client.kind, client.name, link.relation.value, target.namespace, target.kind, target.name,
        " ".join(link.evidence), link.confidence, link.state,
        format_ms(link.first_ms) if link.last_ms else "", format_ms(link.last_ms) if link.last_ms else "",
        link.count, " ".join(map(str, link.ports)), " ".join(link.names), " ".join(link.sources),
    )  # fmt: skip


def _cell(value: object) -> str:
    text = shown(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text
