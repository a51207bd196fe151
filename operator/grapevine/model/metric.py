"""A measurement of the process itself, as a component reports it and an exporter reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family of `/metrics`, with one label or none."""

    name: str
    """Prometheus name with prefix and unit, a counter's without `_total`, e.g. `grapevine_batches`."""
    kind: Kind
    help: str
    samples: Mapping[str, float]
    """Value by label value; a family without a label holds its one value under the empty string."""
    label: str = ""
    """Name of the one label, e.g. `reason`; empty for a family without."""


@dataclass(frozen=True, slots=True)
class MetricTable:
    """One metric family of `/metrics` with several labels."""

    name: str
    """As a `Metric`'s."""
    kind: Kind
    help: str
    labels: tuple[str, ...]
    rows: Mapping[tuple[str, ...], float]
    """Value by the values of `labels`, in their order."""


Family = Metric | MetricTable
