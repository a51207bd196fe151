"""The API at 1,000 workloads and 20,000 edges, on 10,000 pods: what each endpoint takes and sends at its widest."""

import asyncio
import time

from tests.support.large_map import QUESTIONS, asking, large_pipeline

_TIMES = 5


def run() -> list[tuple[str, str]]:
    """Return wall time and bytes of each question, the best of a few; the first reads the map as well."""
    figures = []
    with asking(asyncio.run(large_pipeline())) as ask:
        began = time.monotonic()
        ask("/api/v1/search", {"q": "service"})
        figures.append(("the first question about the map, which reads it", f"{_ms(began):.0f} ms"))
        for path, query in QUESTIONS:
            spent, size = [], 0
            for _ in range(_TIMES):
                began = time.monotonic()
                size = len(ask(path, query))
                spent.append(_ms(began))
            words = " ".join(f"{key}={value if len(value) < 24 else value[:21] + '…'}" for key, value in query.items())
            figures.append((f"{path} {words}".strip(), f"{min(spent):.0f} ms, {size / 1024:,.0f} KiB"))
    return figures


def _ms(began_s: float) -> float:
    return (time.monotonic() - began_s) * 1_000
