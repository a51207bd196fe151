"""`status.resolvedIPs`, in Otterize's form: which addresses the domains of a spec resolved to lately. Pure.

How long an address counts is decided where it is remembered (`graph.sighting`): while the newest answer has it, and an
hour longer.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from grapevine.intents.bounds import MAX_RESOLVED_BYTES
from grapevine.intents.declared import covers
from grapevine.model.intents import ActualIntents, ObservedItem
from grapevine.model.target import InternetTarget

MAX_IPS = 64
"""Addresses of one entry: `*.example.com` joins those of many names."""


def resolved_ips(observed: Sequence[ObservedItem], actual: ActualIntents) -> list[dict[str, Any]]:
    """Return an entry for each domain of the spec that resolved, by domain; for `*.example.com` that of all below it.

    What does not fit into `MAX_RESOLVED_BYTES` is left out, the last by name first.
    """
    found = [(item.target.domain, item.addresses) for item in observed if isinstance(item.target, InternetTarget)]
    rows: list[dict[str, Any]] = []
    left = MAX_RESOLVED_BYTES
    for domain in sorted({domain for target in actual.targets for domain in target.domains}):
        ips = _joined(addresses for name, addresses in found if covers(domain, name))
        left -= 2 * len(domain) + 20 + sum(len(ip) + 3 for ip in ips)
        if ips and left >= 0:
            rows.append({"dns": domain, "ips": ips})
    return rows


def _joined(found: Iterable[tuple[str, ...]]) -> list[str]:
    return sorted({ip for addresses in found for ip in addresses})[:MAX_IPS]
