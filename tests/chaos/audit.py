"""What the operator wrote, by the API server's own audit log, and which of it was not its to write.

Source: Kubernetes documentation, "Auditing".
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.api import Object

OPERATOR = "system:serviceaccount:grapevine-system:grapevine-operator"
_MANAGER = "grapevine"
_WRITES = ("create", "update", "patch", "delete", "deletecollection")


@dataclass
class Writes:
    """Of a whole run."""

    by_verb: Counter[str] = field(default_factory=Counter)
    """Accepted ones of the operator: verb and resource."""
    refused: Counter[int] = field(default_factory=Counter)
    """The others, by the answer's status."""
    violations: list[str] = field(default_factory=list)


def audit_flags(directory: Path) -> list[str]:
    """Write a policy that logs every write of the operator, and everybody's of ClientIntents, and return the flags."""
    policy = directory / "audit-policy.json"
    rules = [
        {"level": "RequestResponse", "verbs": list(_WRITES), "resources": [{"group": "k8s.otterize.com"}]},
        {"level": "Metadata", "verbs": list(_WRITES), "users": [OPERATOR]},
        {"level": "None"},
    ]
    content = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
    policy.write_text(json.dumps(content))
    return [f"--audit-policy-file={policy}", f"--audit-log-path={directory / 'audit.log'}"]


def read_writes(directory: Path) -> Writes:
    """Return what the operator wrote, and hold each write to whose object it was."""
    found = Writes()
    versions: dict[tuple[str, str], Object] = {}
    """Objects as they stood, by uid and version."""
    deletions: list[Object] = []
    for event in _events(directory / "audit.log"):
        code = event.get("responseStatus", {}).get("code", 0)
        stored = event.get("responseObject") or {}
        if stored.get("kind") == "ClientIntents":
            versions[stored["metadata"]["uid"], stored["metadata"]["resourceVersion"]] = stored
        if event["user"]["username"] != OPERATOR:
            continue
        if code >= 400:
            found.refused[code] += 1
            continue
        reference = event["objectRef"]
        resource = "/".join((reference["resource"], *filter(None, [reference.get("subresource", "")])))
        found.by_verb[f"{event['verb']} {resource}"] += 1
        said = f"{event['verb']} {resource} {reference.get('namespace')}/{reference.get('name')}"
        if resource not in ("clientintents", "clientintents/status"):
            if (event["verb"], resource) != ("create", "events"):
                found.violations.append(f"{said}: no business of the operator's")
        elif event["verb"] == "delete":
            deletions.append(event)
        elif resource == "clientintents" and not _is_ours(stored):
            found.violations.append(f"{said}: not Grapevine's: {json.dumps(stored.get('metadata'))}")
    for event in deletions:
        conditions = event["requestObject"]["preconditions"]
        before = versions.get((conditions["uid"], conditions["resourceVersion"]))
        if before is None or not _is_ours(before):
            found.violations.append(f"delete {event['objectRef']['name']}: not Grapevine's: {json.dumps(before)}")
    return found


def _is_ours(stored: Object) -> bool:
    """Whether an object carries the label and nobody but Grapevine has a part of its spec."""
    meta = stored.get("metadata", {})
    others = [
        entry["manager"]
        for entry in meta.get("managedFields", ())
        if entry["manager"] != _MANAGER and not entry.get("subresource") and "f:spec" in entry.get("fieldsV1", {})
    ]
    return meta.get("labels", {}).get("grapevine.dev/origin") == "discovered" and not others


def _events(path: Path) -> Iterator[Object]:
    """Yield the finished requests, by their end; the last line may be cut off by the server's end."""
    rows: list[Object] = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    yield from sorted(
        (row for row in rows if row.get("stage") == "ResponseComplete"), key=lambda row: str(row["stageTimestamp"])
    )
