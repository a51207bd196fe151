"""What each node's capture counts, as the operator's metrics: capture has no port of its own. Pure; bounded."""

from collections import Counter
from collections.abc import Iterable

from grapevine.insight.blind_spots import Sender
from grapevine.insight.sources import LOSSES
from grapevine.model.metric import MetricTable

MAX_SENDERS = 1_000
"""Told one by one, in the order of their names; the counters of the others are told together."""
FORGET_MS = 3_600_000
"""A sender not heard for this long is told no more: its node is gone."""
OTHER = "other"
_LABELS = ("node", "source")
_LOSSES = frozenset(LOSSES)
_Key = tuple[str, str]


def capture_metrics(senders: Iterable[Sender], now_ms: int) -> list[MetricTable]:
    """Return what was lost and what was counted besides, by node, source and reason, and when each was heard.

    Two senders of one node and source, as replicas of a sidecar are, are one; times are those of the one heard last.
    """
    known = [sender for sender in senders if now_ms - sender.heard_ms <= FORGET_MS]
    told = sorted({_key(sender) for sender in known})[:MAX_SENDERS]
    places = dict(zip(told, told, strict=True))
    lost, counted = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    newest: dict[_Key, Sender] = {}
    for sender in known:
        key = places.get(_key(sender), (OTHER, OTHER))
        for reason, number in sender.counters.items():
            (lost if reason in _LOSSES else counted)[*key, reason] += number
        if key in places and (key not in newest or newest[key].heard_ms < sender.heard_ms):
            newest[key] = sender
    heard: dict[tuple[str, ...], float] = {key: sender.heard_ms / 1_000 for key, sender in newest.items()}
    ahead: dict[tuple[str, ...], float] = {key: sender.ahead_ms / 1_000 for key, sender in newest.items()}
    by_reason = (*_LABELS, "reason")
    return [
        MetricTable(
            "grapevine_capture_losses",
            "counter",
            "What a node's capture heard and lost, by reason (docs/reference/capture.md).",
            by_reason,
            lost,
        ),
        MetricTable(
            "grapevine_capture_events",
            "counter",
            "What else a node's capture counted: what went through, was not meant for us or could not be used.",
            by_reason,
            counted,
        ),
        MetricTable(
            "grapevine_capture_heard_timestamp_seconds",
            "gauge",
            "When a node's capture was last heard; each sends every 5 s.",
            _LABELS,
            heard,
        ),
        MetricTable(
            "grapevine_capture_clock_ahead_seconds",
            "gauge",
            "How far the clock of a node's capture is ahead of the operator's, the way of its batch included.",
            _LABELS,
            ahead,
        ),
    ]


def _key(sender: Sender) -> _Key:
    return sender.node, " ".join(sender.sources)
