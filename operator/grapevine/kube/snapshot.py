"""A cluster from files: a snapshot of its objects, and the history of its pods.

Both as kubectl writes them; they feed the same records as the API server does (DESIGN §1).
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import msgspec
import yaml

from grapevine.kube.decode import EVERYTHING, DecodeError, ObjectDecoder
from grapevine.model.errors import PermanentInputError
from grapevine.resolver.records import PodRecord, Record, RecordGone
from grapevine.settings import ScopeSettings

SNAPSHOT_COMMAND = (
    "kubectl get namespaces,nodes,pods,services,endpointslices,replicasets,deployments,statefulsets,daemonsets,"
    "jobs,cronjobs -A -o json > cluster.json"
)
EVENTS_COMMAND = "kubectl get pods -A --watch --output-watch-events -o json | jq -c . > pod-events.jsonl"

_EVENT_TYPES = frozenset({"ADDED", "MODIFIED", "DELETED"})

_log = logging.getLogger(__name__)


class _Item(msgspec.Struct, rename="camel"):
    kind: str = ""
    api_version: str = ""


class _List(msgspec.Struct):
    items: list[msgspec.Raw]
    kind: str = "List"


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


def read_snapshot(
    path: Path,
    override_annotations: tuple[str, ...],
    scope: ScopeSettings = EVERYTHING,
    service_labels: tuple[str, ...] = (),
    *,
    with_job_images: bool = False,
) -> Iterator[Record]:
    """Return the records of a List of objects, JSON or YAML, in the file's order.

    Objects of API groups that no rule names are read as owners: what is in the file was put there. A malformed object
    is counted in a warning.

    Raises:
        PermanentInputError: the file cannot be read, is no List, or holds no pod.
    """
    decoder = ObjectDecoder(override_annotations, scope, service_labels, with_job_images=with_job_images)
    records, rejected = [], 0
    listed = _read_list(path)
    for raw in listed.items:
        try:
            item = msgspec.json.decode(raw, type=_Item)
            kind, group = item.kind or listed.kind.removesuffix("List"), item.api_version.rpartition("/")[0]
            if not decoder.is_standard(kind, group):
                if not group and kind != "ReplicationController":
                    continue  # no other kind of the core group owns a pod
                kind = decoder.add_owner(group, kind)
            records.append(decoder.decode(kind, raw))
        except (DecodeError, msgspec.MsgspecError) as error:
            rejected += 1
            _log.debug("object skipped", extra={"file": str(path), "reason": str(error)})
    if rejected:
        _log.warning("malformed objects skipped", extra={"file": str(path), "objects": rejected})
    if not any(isinstance(record, PodRecord) for record in records):
        _refuse(path, "holds no pod, so no address can be told")
    return iter(records)


def read_pod_events(
    path: Path,
    override_annotations: tuple[str, ...],
    scope: ScopeSettings = EVERYTHING,
    service_labels: tuple[str, ...] = (),
    *,
    with_job_images: bool = False,
) -> Iterator[Record | RecordGone]:
    """Yield the pods of a watch, one JSON event a line, oldest first; bookmarks are passed over.

    The rows have no time of their own. A deleted pod ended, in this order: with its last container; at its deletion
    timestamp (an upper bound); or, where it was deleted by force and has neither, not before the newest start or end
    any earlier row tells of, which is what is taken.

    Raises:
        PermanentInputError: the file cannot be read, or a line is no pod event; the text names the line.
    """
    decoder = ObjectDecoder(override_annotations, scope, service_labels, with_job_images=with_job_images)
    newest_ms = 0
    for number, line in enumerate(_read(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            event = msgspec.json.decode(line, type=_Event)
            if event.type not in _EVENT_TYPES:
                continue
            pod = decoder.decode("Pod", event.object)
        except (DecodeError, msgspec.MsgspecError) as error:
            message = f"{path}, line {number}: no pod event ({error}); record them with: {EVENTS_COMMAND}"
            raise PermanentInputError(message) from error
        assert isinstance(pod, PodRecord)  # noqa: S101 - what "Pod" decodes to
        newest_ms = max(newest_ms, pod.start_ms or 0, pod.end_ms or 0)
        yield RecordGone(pod, pod.end_ms or pod.deletion_ms or newest_ms) if event.type == "DELETED" else pod


def _read_list(path: Path) -> _List:
    content = _read(path)
    try:
        if not content.lstrip().startswith(b"{"):
            content = msgspec.json.encode(yaml.load(content, yaml.CSafeLoader))
        return msgspec.json.decode(content, type=_List)
    except (msgspec.MsgspecError, yaml.YAMLError, UnicodeError, TypeError, ValueError, RecursionError) as error:
        _refuse(path, "is no List of Kubernetes objects", error)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        _refuse(path, f"cannot be read ({error.strerror})", error)


def _refuse(path: Path, what: str, cause: Exception | None = None) -> NoReturn:
    reason = f": {cause}" if isinstance(cause, msgspec.MsgspecError) else ""
    raise PermanentInputError(f"{path} {what}{reason}; make one with: {SNAPSHOT_COMMAND}") from cause
