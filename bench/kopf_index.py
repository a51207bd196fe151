"""kopf's own index of pods, for comparison: what `kube.informer` is there instead of (decision 004).

`python -m bench.kopf_index NAMESPACE …` indexes the pods of these namespaces with `@kopf.index`, prints one line of
JSON once the first handler runs, which kopf holds back until all are indexed, and ends. KUBECONFIG says where.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping

import kopf

from bench.usage import memory


def main() -> None:
    """Index, print, end."""
    asyncio.run(_index(sys.argv[1:]))


async def _index(namespaces: list[str]) -> None:
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
    ready, began = asyncio.Event(), time.monotonic()

    @kopf.index("pods", registry=registry)
    def by_address(name: str, namespace: str, status: Mapping[str, str], **_: object) -> dict[str, tuple[str, str]]:
        return {status.get("podIP", ""): (namespace, name)}

    @kopf.on.event("pods", registry=registry)
    def on_pod(**_: object) -> None:
        ready.set()

    operator = asyncio.create_task(
        kopf.operator(registry=registry, namespaces=namespaces, standalone=True)  # no peering: nothing is written
    )
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([operator, waiting], return_when=asyncio.FIRST_COMPLETED)
    if operator.done():
        await operator
        raise RuntimeError("kopf ended before it had indexed anything")
    figures = {
        "took_s": time.monotonic() - began,
        "cpu_s": time.process_time(),
        "peak_mib": memory("self").peak_kib / 1024,
    }
    print(json.dumps(figures), flush=True)
    operator.cancel()
    await asyncio.wait([operator], timeout=10)


if __name__ == "__main__":
    main()
