"""Names of the resource: group, labels, and the canonical form in which two objects are compared.

Source: the `ClientIntents` CRD of the Otterize intents-operator, v2beta1; our additions are in crds/clientintents.yaml.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from grapevine.model.workload import WorkloadRef

GROUP = "k8s.otterize.com"
VERSION = "v2beta1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ClientIntents"
PLURAL = "clientintents"
FIELD_MANAGER = "grapevine"
ORIGIN_LABEL = "grapevine.dev/origin"
ORIGIN_DISCOVERED = "discovered"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_NAME = 253
"""Longest object name (RFC 1123 subdomain)."""
_STATUS_MOVING = frozenset(
    {
        "lastSeen",
        "firstSeen",
        "count",
        "lastTransitionTime",
        "typicalGapSeconds",
        "heardSeconds",
        "answers",
        "share",
        "overflow",
    }
)
"""Status fields that move without anything having changed; they alone are no reason to write."""
_STATUS_OWNED = ("upToDate", "observedGeneration", "mode", "summary", "conditions", "observed", "truncated")


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def status_digest(status: Mapping[str, Any]) -> str:
    """Return the digest of the part of a status that is Grapevine's, without what always moves; empty for none."""
    owned = {key: _without_moving(status[key]) for key in _STATUS_OWNED if key in status}
    return digest(owned) if owned else ""


def is_subdomain(name: str) -> bool:
    """Tell whether the API server takes it as `metadata.name`; a name that is one makes a file name too."""
    return len(name) <= _MAX_NAME and _SUBDOMAIN.fullmatch(name) is not None


def object_name(client: WorkloadRef, is_taken: Callable[[str], bool]) -> str:
    """Return `metadata.name` for a new object of `client`.

    The workload's own name where it is valid and nobody else's; else a slug with the kind; else, or where the slug
    had to alter the name, with 8 hex digits of sha256(namespace/kind/name) too; and where a stranger has even that
    name, of the same with /1, /2, … behind it. Stable for equal circumstances.
    """
    if is_subdomain(client.name) and not is_taken(client.name):
        return client.name
    slug = re.sub(r"[^a-z0-9.]+", "-", client.name.lower()).strip("-.") or "workload"
    slug = re.sub(r"[-.]*\.[-.]*", ".", slug)
    kind = re.sub(r"[^a-z0-9]", "", client.kind.lower())
    suffix = f"-{kind}" if kind else ""
    if slug == client.name and len(slug + suffix) <= _MAX_NAME and suffix and not is_taken(slug + suffix):
        return slug + suffix
    stem = f"{slug[: _MAX_NAME - len(suffix) - 9].rstrip('-.')}{suffix}"
    identity = f"{client.namespace}/{client.kind}/{client.name}"
    salted = itertools.chain((identity,), (f"{identity}/{n}" for n in itertools.count(1)))
    marked = (f"{stem}-{hashlib.sha256(each.encode()).hexdigest()[:8]}" for each in salted)
    return next(name for name in marked if not is_taken(name))


def _without_moving(value: object) -> object:
    if isinstance(value, Mapping):
        return {k: _without_moving(v) for k, v in value.items() if k not in _STATUS_MOVING}
    if isinstance(value, list | tuple):
        return [_without_moving(v) for v in value]
    return value
