"""ClientIntents from files, in any version Otterize had, as v2beta1. The one way of reading them from files."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grapevine.intents import resource as names
from grapevine.intents.convert import Conversion, convert
from grapevine.kube.manifests import Manifest, find_files, read_manifests
from grapevine.model.errors import PermanentInputError


@dataclass(frozen=True, slots=True)
class IntentsFile:
    """One object of a file."""

    resource: Mapping[str, Any]
    """As v2beta1, with a namespace; its status is as it was read."""
    remarks: tuple[str, ...]
    """What did not go over into v2beta1 as it was; each names place, object and field."""


def read_intents_files(path: Path, default_namespace: str) -> list[IntentsFile]:
    """Return the ClientIntents of a file, a directory's tree or `-`; objects of other kinds are passed over.

    An object without a namespace is in the default one, as `kubectl apply --namespace` would have it.

    Raises:
        PermanentInputError: a file cannot be read, or an object cannot be understood; the text names both.
    """
    return [
        _read(manifest, default_namespace)
        for file in find_files(path)
        for manifest in read_manifests(file)
        if is_intents(manifest.resource)
    ]


def is_intents(resource: Mapping[str, Any]) -> bool:
    """Tell whether an object is ClientIntents, of whichever version."""
    group, _, _ = str(resource.get("apiVersion", "")).rpartition("/")
    return group == names.GROUP and resource.get("kind") == names.KIND


def describe(resource: Mapping[str, Any]) -> str:
    """Return kind, namespace and name of any object, for a message."""
    metadata = resource.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    told = "/".join(str(metadata[key]) for key in ("namespace", "name") if metadata.get(key))
    return f"{resource.get('kind') or 'an object without a kind'} {told or 'without a name'}"


def convert_manifest(manifest: Manifest) -> Conversion:
    """Return an object of a file as v2beta1, its remarks with place and object; of other groups, as it is.

    Raises:
        PermanentInputError: it is of the group and cannot be understood.
    """
    group, _, _ = str(manifest.resource.get("apiVersion", "")).rpartition("/")
    if group != names.GROUP:
        return Conversion(dict(manifest.resource), ())
    where = f"{manifest.place}: {describe(manifest.resource)}"
    try:
        found = convert(manifest.resource)
    except PermanentInputError as error:
        raise PermanentInputError(f"{where}: {error}") from error
    return replace(found, remarks=tuple(replace(each, text=f"{where}: {each.text}") for each in found.remarks))


def _read(manifest: Manifest, default_namespace: str) -> IntentsFile:
    found = convert_manifest(manifest)
    metadata = {"namespace": default_namespace, **found.resource["metadata"]}
    status = {"status": manifest.resource["status"]} if manifest.resource.get("status") else {}
    remarks = tuple(remark.text for remark in found.remarks if remark.is_loss)
    return IntentsFile({**found.resource, "metadata": metadata, **status}, remarks)
