"""What of a status the cluster's own schema of ClientIntents keeps. Pure.

The CRD may be another one than the operator was made with: Otterize's, whose webhook server writes its own back, or an
older one of Grapevine's, which Helm does not upgrade. The API server refuses an apply with a field it does not know, so
only what it keeps is written.

Source: Kubernetes API reference, JSONSchemaProps; crds/clientintents.yaml, which a test holds `STATUS` to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grapevine.intents.schema import Fields, Items, Scalar, Shape, fitted

_TEXT, _INTEGER, _TRUTH = Scalar.TEXT, Scalar.INTEGER, Scalar.TRUTH
_TEXTS, _INTEGERS = Items(_TEXT), Items(_INTEGER)
_COUNTS = ("targets", "inCluster", "internet", "undeclared", "unused", "dead", "omitted", "overflow")
_CONDITION = Fields(
    {
        "type": _TEXT,
        "status": _TEXT,
        "observedGeneration": _INTEGER,
        "lastTransitionTime": _TEXT,
        "reason": _TEXT,
        "message": _TEXT,
    }
)
_TARGET = Fields(
    {
        "kubernetes": Fields({"name": _TEXT, "kind": _TEXT}),
        "service": Fields({"name": _TEXT}),
        "internet": Fields({"domains": _TEXTS}),
    }
)
_OBSERVED = Fields(
    {
        "target": _TARGET,
        "names": _TEXTS,
        "ports": _INTEGERS,
        "protocols": _TEXTS,
        "servicePorts": _INTEGERS,
        "owners": Items(Fields({"name": _TEXT, "kind": _TEXT, "share": _INTEGER, "answers": _INTEGER})),
        "evidence": _TEXTS,
        "sources": _TEXTS,
        "confidence": _INTEGER,
        "firstSeen": _TEXT,
        "lastSeen": _TEXT,
        "state": _TEXT,
        "count": _INTEGER,
        "rcode": _TEXT,
        "typicalGapSeconds": _INTEGER,
        "heardSeconds": _INTEGER,
        "declared": _TRUTH,
    }
)
STATUS = Fields(
    {
        "upToDate": _TRUTH,
        "observedGeneration": _INTEGER,
        "resolvedIPs": Items(Fields({"dns": _TEXT, "ips": _TEXTS})),
        "mode": _TEXT,
        "lastSeen": _TEXT,
        "summary": Fields(dict.fromkeys(_COUNTS, _INTEGER)),
        "conditions": Items(_CONDITION),
        "observed": Items(_OBSERVED),
        "truncated": _TRUTH,
    }
)
"""Every field that Grapevine writes."""
_TYPES: Mapping[Scalar, str] = {Scalar.TEXT: "string", Scalar.INTEGER: "integer", Scalar.TRUTH: "boolean"}


@dataclass(frozen=True, slots=True)
class KeptStatus:
    """What the served schema keeps of `STATUS`; by default all of it."""

    of: Fields = STATUS
    lacking: tuple[str, ...] = ()
    """Paths of what is not kept, below `status`, in the schema's order; below a field that is missing none."""

    @property
    def is_ours(self) -> bool:
        """Whether the status is for Grapevine to write: it can say what was observed, and how the object is.

        Otherwise its fields are another operator's word (Otterize's `upToDate`, its mapper's `resolvedIPs`): writing
        those that happen to fit would say that something was applied, and be written over.
        """
        return self.keeps("conditions") and self.keeps("observed")

    def keeps(self, path: str) -> bool:
        """Whether a field of the status is kept; a path as in `lacking`."""
        return not any(path == each or path.startswith((f"{each}.", f"{each}[")) for each in self.lacking)

    def fit(self, resource: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an object with the part of its status that is kept; the same object where nothing is lacking."""
        return {**resource, "status": fitted(resource["status"], self.of, "status", [])} if self.lacking else resource


def kept_status(schema: Mapping[str, Any]) -> KeptStatus:
    """Return what is kept of a status by the OpenAPI schema of a whole ClientIntents object."""
    lacking: list[str] = []
    kept = _kept(STATUS, _mapping(_mapping(schema, "properties"), "status"), "", lacking)
    if not isinstance(kept, Fields):
        return KeptStatus(Fields({}), tuple(STATUS.of))
    return KeptStatus(kept, tuple(lacking))


def _kept(ours: Shape, schema: Mapping[str, Any], path: str, lacking: list[str]) -> Shape | None:
    """Return what of our shape a schema keeps, None where it has another type; the paths of all else are added."""
    if schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("additionalProperties"):
        return ours
    if isinstance(ours, Fields):
        properties = _mapping(schema, "properties")
        if schema.get("type") != "object":
            return None
        found: dict[str, Shape] = {}
        for name, of in ours.of.items():
            below = f"{path}.{name}" if path else name
            kept = _kept(of, _mapping(properties, name), below, lacking)
            if kept is None:
                lacking.append(below)
            else:
                found[name] = kept
        return Fields(found)
    if isinstance(ours, Items):
        is_list = schema.get("type") == "array"
        item = _kept(ours.of, _mapping(schema, "items"), f"{path}[]", lacking) if is_list else None
        return None if item is None else Items(item)
    return ours if schema.get("type") == _TYPES[ours] else None


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}
