"""ClientIntents as the table that `kubectl get clientintents -A` prints. Files may hold anything, so any field may."""

from collections.abc import Iterable, Mapping
from typing import Any

from grapevine.cli.table import format_age, format_table
from grapevine.intents import resource as names
from grapevine.model.timestamp import try_parse_ms
from grapevine.model.visible import visible

_HEADER = (
    ("NAMESPACE", "NAME", "WORKLOAD", "KIND", "TARGETS", "UNDECLARED", "MODE", "READY", "LAST-SEEN", "AGE")
)  # fmt: skip
_WIDE_HEADER = (*_HEADER, "UNUSED", "DEAD", "REASON")


def intents_table(
    resources: Iterable[Mapping[str, Any]], now_ms: int, *, is_wide: bool = False, has_header: bool = True
) -> str:
    """Return the table; wide with the columns that kubectl shows at `-o wide`."""
    header = _WIDE_HEADER if is_wide else _HEADER
    text = format_table(header, (_row(resource, now_ms)[: len(header)] for resource in resources))
    return text if has_header else "\n".join(text.splitlines()[1:])


def object_names(resources: Iterable[Mapping[str, Any]]) -> str:
    """Return what `kubectl get -o name` prints."""
    return "".join(f"{names.PLURAL}.{names.GROUP}/{visible(each['metadata']['name'])}\n" for each in resources)


def _row(resource: Mapping[str, Any], now_ms: int) -> tuple[str, ...]:
    metadata, spec, status = (_mapping(resource.get(key)) for key in ("metadata", "spec", "status"))
    workload, summary = _mapping(spec.get("workload")), _mapping(status.get("summary"))
    conditions = status.get("conditions")
    listed = map(_mapping, conditions) if isinstance(conditions, list | tuple) else ()
    ready = next((condition for condition in listed if condition.get("type") == "Ready"), {})
    return (
        _cell(metadata.get("namespace")),
        _cell(metadata.get("name")),
        _cell(workload.get("name")),
        _cell(workload.get("kind")),
        _cell(summary.get("targets")),
        _cell(summary.get("undeclared")),
        _cell(status.get("mode")),
        _cell(ready.get("status")),
        _age(status.get("lastSeen"), now_ms),
        _age(metadata.get("creationTimestamp"), now_ms),
        _cell(summary.get("unused")),
        _cell(summary.get("dead")),
        _cell(ready.get("reason")),
    )


def _age(moment: object, now_ms: int) -> str:
    ms = try_parse_ms(moment)
    return "" if ms is None else format_age((now_ms - ms) // 1000)


def _cell(value: object) -> str:
    return "" if value is None else visible(str(value))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
