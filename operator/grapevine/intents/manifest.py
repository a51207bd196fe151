"""A ClientIntents object as it is kept in a file: what a person would have written, in one order. Pure.

Equal objects give equal bytes, wherever they were read: keys stand in the schema's order, labels and annotations by
name, and nothing is left of what a server adds.
"""

from collections.abc import Mapping
from typing import Any

from grapevine.intents import resource as names
from grapevine.intents.schema import ordered

VERSIONS = ("v2beta1", "v2alpha1")
"""That are served, with one schema; the first is the one that is written."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_KEPT_METADATA = ("name", "namespace", "labels", "annotations")
_ORIGIN_LABELS = {names.ORIGIN_LABEL: names.ORIGIN_DISCOVERED, names.MANAGED_BY_LABEL: names.FIELD_MANAGER}
"""What Grapevine's own objects carry; without them an object is a person's."""


def manifest(resource: Mapping[str, Any], *, version: str = names.VERSION, keep_origin: bool = True) -> dict[str, Any]:
    """Return the object's `apiVersion`, `kind`, `metadata` and `spec`.

    `keep_origin=False` takes the labels off that make it Grapevine's own, so that whoever applies it declares it.

    Raises:
        PermanentInputError: its spec is nested deeper than any object of the API.
    """
    metadata = resource["metadata"]
    kept = {key: metadata[key] for key in _KEPT_METADATA if metadata.get(key)}
    for key in ("labels", "annotations"):
        if isinstance(kept.get(key), Mapping):
            kept[key] = {name: kept[key][name] for name in sorted(kept[key], key=str) if name != LAST_APPLIED}
    if not keep_origin and isinstance(kept.get("labels"), Mapping):
        kept["labels"] = {name: value for name, value in kept["labels"].items() if _ORIGIN_LABELS.get(name) != value}
    return {
        "apiVersion": f"{names.GROUP}/{version}",
        "kind": names.KIND,
        "metadata": {key: value for key, value in kept.items() if value},
        "spec": ordered(resource["spec"]),
    }


def left_out_metadata(metadata: Mapping[str, Any]) -> list[str]:
    """Return the fields of metadata that `manifest` leaves out."""
    annotations = metadata.get("annotations")
    applied = isinstance(annotations, Mapping) and LAST_APPLIED in annotations
    left_out = sorted(str(key) for key in metadata if key not in _KEPT_METADATA and metadata[key] is not None)
    return [*left_out, *([f"annotations[{LAST_APPLIED}]"] if applied else [])]
