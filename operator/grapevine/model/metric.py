"""A measurement of the process itself, as a component reports it and an exporter reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family of `/metrics`."""

    name: str
    """Prometheus name with prefix and unit, a counter's without `_total`, e.g. `grapevine_batches`."""
    kind: Literal["counter", "gauge"]
    help: str
    samples: Mapping[str, float]
    """Value by label value; a family without a label holds its one value under the empty string."""
    label: str = ""
    """Name of the one label, e.g. `reason`; empty for a family without."""
