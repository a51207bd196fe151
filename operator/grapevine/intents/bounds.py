"""What an object may hold: so many entries, and so many bytes that all of it stays under 256 KiB. Pure.

What goes first is what is worth least: names that never resolved before edges, edges nobody declared before those that
somebody did, stale before active, unsure before sure, seen longest ago before newer ones (by the day, so that two that
take turns do not change places). What is left out stays in memory.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from grapevine.model.intents import ObservedItem
from grapevine.model.target import InternetTarget, ServiceTarget, Target, WorkloadTarget

MAX_OBSERVED_BYTES = 120 << 10
MAX_TARGETS_BYTES = 96 << 10
MAX_RESOLVED_BYTES = 16 << 10
"""Together with everything else that is bounded by itself: 240 KiB."""

_ITEM_BYTES = 360
"""An entry of `status.observed` without names, ports and target."""
_TARGET_BYTES = 60
"""A target without its name and kind."""
_DAY_MS = 86_400_000
_STATES = ("active", "idle", "stale", "dead")

T = TypeVar("T")


def most_valuable(items: Sequence[ObservedItem], max_items: int) -> tuple[ObservedItem, ...]:
    """Return the entries for `status.observed`, in their order."""
    ranked = sorted(items, key=_worth) if _is_over(items, max_items) else items
    kept = {id(item) for item in _fitting(ranked, max_items, MAX_OBSERVED_BYTES, _item_bytes)}
    return tuple(item for item in items if id(item) in kept)


def fitting_targets(targets: Iterable[tuple[Target, int]], max_targets: int) -> frozenset[Target]:
    """Return the targets for a spec, of (target, first seen): those known longest, so that a new one moves none."""
    ranked = [target for target, _ in sorted(targets, key=lambda each: (each[1], str(each[0])))]
    return frozenset(_fitting(ranked, max_targets, MAX_TARGETS_BYTES, target_bytes))


def target_bytes(target: Target) -> int:
    """Return about what a target takes in JSON, and never less."""
    match target:
        case InternetTarget(domain):
            return _TARGET_BYTES + 2 * len(domain)
        case ServiceTarget(namespace, name):
            return _TARGET_BYTES + len(namespace) + len(name)
        case WorkloadTarget(workload):
            return _TARGET_BYTES + len(workload.namespace) + len(workload.name) + len(workload.kind)


def _worth(item: ObservedItem) -> tuple[object, ...]:
    return (
        item.target is None,
        item.declared is not True,
        _STATES.index(item.state),
        -item.confidence,
        -(item.last_ms // _DAY_MS),
        item.first_ms,
        item.names,
    )


def _item_bytes(item: ObservedItem) -> int:
    target = target_bytes(item.target) if item.target else 0
    ports = 6 * (len(item.ports) + len(item.service_ports))
    owners = sum(_TARGET_BYTES + len(each.workload.name) + len(each.workload.kind) for each in item.owners)
    return _ITEM_BYTES + target + sum(2 * len(name) + 3 for name in item.names) + ports + owners


def _is_over(items: Sequence[ObservedItem], max_items: int) -> bool:
    return len(items) > max_items or sum(map(_item_bytes, items)) > MAX_OBSERVED_BYTES


def _fitting(ranked: Iterable[T], max_items: int, max_bytes: int, size: Callable[[T], int]) -> list[T]:
    """Return those from the front that fit; a large one that does not leaves its place to smaller ones."""
    kept: list[T] = []
    left = max_bytes
    for each in ranked:
        if len(kept) < max_items and size(each) <= left:
            kept.append(each)
            left -= size(each)
    return kept
