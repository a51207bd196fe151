"""The state of one kind, as slim records: list pages and watch events in, changes out. Pure.

A record is reported when it differs from the one before, so status noise ends here. A (re-)list replaces the state by
sweep: what no page showed is reported as gone, which a watch that lost its place never would (no ghosts).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from grapevine.kube import errors
from grapevine.kube.decode import DecodeError, ObjectDecoder
from grapevine.model.errors import RetryableError
from grapevine.resolver.records import OwnerRecord, PodRecord, Record, RecordGone

Change = Record | RecordGone


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind to list and watch in all namespaces."""

    name: str
    path: str
    partial: bool = False
    """Ask for metadata alone (PartialObjectMetadata): no spec or status is even sent."""


KINDS = (
    Kind("Node", "/api/v1/nodes"),
    Kind("Service", "/api/v1/services"),
    Kind("EndpointSlice", "/apis/discovery.k8s.io/v1/endpointslices"),
    Kind("CronJob", "/apis/batch/v1/cronjobs", partial=True),
    Kind("Job", "/apis/batch/v1/jobs", partial=True),
    Kind("Deployment", "/apis/apps/v1/deployments", partial=True),
    Kind("ReplicaSet", "/apis/apps/v1/replicasets", partial=True),
    Kind("StatefulSet", "/apis/apps/v1/statefulsets", partial=True),
    Kind("DaemonSet", "/apis/apps/v1/daemonsets", partial=True),
    Kind("Pod", "/api/v1/pods"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """What one list page changed."""

    changes: Sequence[Change]
    version: str
    """Resource version of the list, the same on all its pages: where the watch begins."""
    continue_token: str
    """Empty on the last page."""


@dataclass(frozen=True, slots=True)
class Event:
    """What one watch event changed."""

    changes: Sequence[Change]
    version: str
    """Resource version to go on from; empty where the event told none."""


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Versioned(msgspec.Struct):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


class Cache:
    """Records of one kind by namespace and name."""

    def __init__(self, kind: Kind, decoder: ObjectDecoder) -> None:
        self.kind = kind
        self.rejected = 0
        """Malformed objects skipped since the start."""
        self._decoder = decoder
        self._records: dict[tuple[str, str], Record] = {}
        self._listed: set[tuple[str, str]] = set()
        self._heard_ms = 0
        """When a list was complete or the watch told anything: everything known was there then."""
        self._known_ms = 0
        """The same before the list or event at hand."""

    def __len__(self) -> int:
        return len(self._records)

    def begin_list(self) -> None:
        """Forget what an unfinished list has shown; the records stay."""
        self._listed.clear()
        self._known_ms = self._heard_ms

    def apply_page(self, body: bytes, now_ms: int) -> Page:
        """Take one page of a list.

        Raises:
            RetryableError: the answer is no list: a proxy's page, or cut off.
        """
        try:
            listed = msgspec.json.decode(body, type=_List)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise RetryableError(f"GET {self.kind.path}: the answer is no list: {error}") from error
        changes: list[Change] = []
        for raw in listed.items or ():
            record = self._try_decode(raw)
            if record is not None:
                self._listed.add(_key(record))
                changes.extend(self._put(record, now_ms))
        return Page(changes, listed.metadata.resource_version, listed.metadata.continue_)

    def finish_list(self, now_ms: int) -> Sequence[Change]:
        """Sweep: drop and return what the list, complete now, has not shown."""
        missing = [key for key in self._records if key not in self._listed]
        self._listed = set()
        self._heard_ms = now_ms
        return [_gone_unseen(self._records.pop(key), now_ms, self._known_ms) for key in missing]

    def apply_event(self, line: bytes, now_ms: int) -> Event:
        """Take one line of a watch.

        Raises:
            ExpiredError: the server lost our place in its history: list again.
            RetryableError: any other error event, or bytes that are no event.
        """
        try:
            event = msgspec.json.decode(line, type=_Event)
            version = msgspec.json.decode(event.object, type=_Versioned).metadata.resource_version
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise RetryableError(f"GET {self.kind.path}: the watch sent no event: {error}") from error
        if event.type == "ERROR":
            raise errors.watch_refusal(self.kind.path, event.object)
        self._known_ms, self._heard_ms = self._heard_ms, now_ms
        record = None if event.type == "BOOKMARK" else self._try_decode(event.object)
        if record is None:
            return Event((), version)
        if event.type == "DELETED":
            self._records.pop(_key(record), None)
            return Event([RecordGone(record, now_ms)], version)
        return Event(self._put(record, now_ms), version)

    def _put(self, record: Record, now_ms: int) -> list[Change]:
        key = _key(record)
        known = self._records.get(key)
        if known == record:
            return []
        self._records[key] = record
        if isinstance(known, PodRecord | OwnerRecord) and known.uid != getattr(record, "uid", ""):
            return [_gone_unseen(known, now_ms, self._known_ms), record]  # deleted and made again while we did not look
        return [record]

    def _try_decode(self, raw: msgspec.Raw) -> Record | None:
        try:
            return self._decoder.decode(self.kind.name, raw)
        except DecodeError:
            self.rejected += 1
            return None


def _key(record: Record) -> tuple[str, str]:
    return getattr(record, "namespace", ""), record.name


def _gone_unseen(record: Record, now_ms: int, known_ms: int) -> RecordGone:
    """Return the end of an object nobody saw go: now at the latest, and not after its deletion timestamp."""
    deletion_ms = record.deletion_ms if isinstance(record, PodRecord) else None
    at_ms = now_ms if deletion_ms is None else min(now_ms, deletion_ms)
    return RecordGone(record, at_ms, min(known_ms, at_ms))
