"""Names that a shell offers: contexts of the kubeconfig, namespaces and workloads that have ClientIntents.

Cheap, or not at all: one page of metadata, two seconds, and no word about what failed.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from grapevine.cli.complete import MAX_CANDIDATES, Lookup
from grapevine.model.errors import GrapevineError

_TIMEOUT_S = 2.0
_MAX_KUBECONFIG_BYTES = 4 << 20


def outside() -> Lookup:
    """Return what asks kubeconfig and cluster."""
    return Lookup(_contexts, _namespaces, _workloads)


def _contexts(given: Mapping[str, str]) -> Iterable[str]:
    import yaml

    paths = given.get("--kubeconfig") or os.environ.get("KUBECONFIG") or "~/.kube/config"
    names: list[str] = []
    for path in paths.split(os.pathsep):
        with suppress(OSError, yaml.YAMLError, UnicodeError, RecursionError, AttributeError, TypeError, KeyError):
            with Path(path).expanduser().open(encoding="utf-8") as file:
                content = yaml.safe_load(file.read(_MAX_KUBECONFIG_BYTES))
            names += [str(each["name"]) for each in content["contexts"]]
    return dict.fromkeys(names)


def _namespaces(given: Mapping[str, str]) -> Iterable[str]:
    return dict.fromkeys(namespace for namespace, _ in _intents(given))


def _workloads(given: Mapping[str, str]) -> Iterable[str]:
    return [f"{namespace}/{name}" for namespace, name in _intents(given)]


def _intents(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return namespace and name of the first ClientIntents; an object has its workload's name, nearly always."""
    with suppress(GrapevineError, ImportError, TimeoutError, OSError):
        return asyncio.run(_list(given))
    return []


async def _list(given: Mapping[str, str]) -> list[tuple[str, str]]:
    from grapevine.kube.intents_list import list_names
    from grapevine.kube.session import Session

    async with asyncio.timeout(_TIMEOUT_S):
        async with await Session.open(given.get("--kubeconfig"), given.get("--context")) as session:
            return await list_names(session, MAX_CANDIDATES)
