"""`grapevine list --watch`: what `list` prints, and each client again when that is otherwise."""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterable

from grapevine.cli.calls_text import call_lines
from grapevine.cli.forms import as_data
from grapevine.cli.intents_table import intents_table, object_names
from grapevine.cli.selecting import selection_of
from grapevine.cli.source import Resource, is_usable, namespaces_of, open_cluster, warn
from grapevine.intents.selection import Selection, select_calls
from grapevine.kube.intents_watch import watch_intents
from grapevine.model.errors import RetryableError
from grapevine.model.visible import visible
from grapevine.model.workload import WorkloadRef

_Key = tuple[str, str]


def watch(args: argparse.Namespace, since_s: int) -> None:
    """Print until interrupted; `since_s` is 0 for calls of any time.

    Raises:
        PermanentInputError: a flag or the cluster cannot be used.
        RetryableError: the API server does not answer the first time.
    """
    printer = _Printer(args, selection_of(args), since_s)
    asyncio.run(_watch(args, printer))


async def _watch(args: argparse.Namespace, printer: "_Printer") -> None:
    async with await open_cluster(args.kubeconfig, args.context) as session:
        await watch_intents(session, namespaces_of(args), args.selector, printer.tell, _say)


def _say(error: RetryableError) -> None:
    warn(f"{error}; watching again once it answers")


class _Printer:
    """Knows what was printed of each object, so that what is said again is something else."""

    def __init__(self, args: argparse.Namespace, selection: Selection, since_s: int) -> None:
        self._args = args
        self._selection = selection
        self._since_s = since_s
        self._shown: dict[_Key, Resource] = {}
        self._said: dict[_Key, str] = {}
        self._has_header = not args.no_headers

    def tell(self, changed: Iterable[Resource], gone: Iterable[Resource]) -> None:
        """Print what is otherwise than it was printed."""
        now_ms = time.time_ns() // 1_000_000
        since_ms = now_ms - self._since_s * 1_000 if self._since_s else 0
        found = select_calls(filter(is_usable, changed), self._selection, since_ms)
        is_cut = bool(self._selection.server or self._since_s)
        kept = [(resource, calls) for resource, calls in found if calls.targets or not is_cut]
        self._shown |= {_key(resource): resource for resource, _ in kept}
        if self._args.output == "text":
            for resource, calls in found:
                lines = "".join(f"{line}\n" for line in call_lines(calls.client, calls.targets))
                self._say(_key(resource), lines or self._nothing(_key(resource), calls.client))
        else:
            print(self._objects([resource for resource, _ in kept], now_ms), end="")
        for resource in gone:
            self._forget(_key(resource), resource, now_ms)
        sys.stdout.flush()

    def _objects(self, resources: list[Resource], now_ms: int) -> str:
        """Return objects as kubectl's `get --watch` prints them."""
        form = self._args.output
        if form == "json":
            return "".join(as_data(each, form) for each in resources)
        if form == "yaml":
            return "".join(f"---\n{as_data(each, form)}" for each in resources)
        if form == "name":
            return object_names(resources)
        return self._rows(resources, now_ms)

    def _rows(self, resources: list[Resource], now_ms: int) -> str:
        """Return rows as wide as all that were printed, under a heading the first time."""
        if not resources:
            return ""
        table = intents_table([*self._shown.values(), *resources], now_ms, is_wide=self._args.output == "wide")
        header, *rows = table.splitlines()
        lines = [header] if self._has_header else []
        self._has_header = False
        return "".join(f"{line}\n" for line in (*lines, *rows[-len(resources) :]))

    def _say(self, key: _Key, text: str) -> None:
        if text != self._said.get(key, ""):
            print(text, end="")
            self._said[key] = text

    def _nothing(self, key: _Key, client: WorkloadRef) -> str:
        """Return that a client calls nothing; nothing where it was not said to call anything."""
        name, namespace = visible(client.name), visible(client.namespace)
        return f"{name} in namespace {namespace} calls nothing any more\n" if self._said.get(key) else ""

    def _forget(self, key: _Key, resource: Resource, now_ms: int) -> None:
        """Say that an object is gone: its client in text, its last row otherwise, as kubectl does."""
        if self._args.output == "text":
            if said := self._said.pop(key, ""):
                who = said.splitlines()[0].partition(" calls")[0]
                print(f"{who}: its object is gone")
        elif key in self._shown:
            print(self._objects([resource], now_ms), end="")
        self._shown.pop(key, None)


def _key(resource: Resource) -> _Key:
    metadata = resource["metadata"]
    return metadata["namespace"], metadata["name"]
