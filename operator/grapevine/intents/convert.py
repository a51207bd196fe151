"""Otterize's older objects → v2beta1. Pure; whatever finds no place there is named, never silently dropped.

The rules are those of Otterize's own conversion but where that makes junk: a call with `awsActions` and no `type` is
an AWS resource and no workload of that name, and a Kafka or database call without topics or tables stays one.

Source: the CRDs of the group k8s.otterize.com, v1alpha2 to v2beta1, and the conversion of its intents-operator.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grapevine.intents import resource as names
from grapevine.intents.manifest import VERSIONS, left_out_metadata, manifest
from grapevine.intents.schema import (
    HTTP,
    INTERNET,
    KEY_VAULT,
    PRIVILEGES,
    SPEC,
    TOPICS,
    WORKLOAD,
    Items,
    Scalar,
    Shape,
    fitted,
    members,
)
from grapevine.model.errors import PermanentInputError

V1_VERSIONS = ("v1alpha2", "v1alpha3", "v1beta1", "v1")
"""`v1` was served for two weeks of 2024 and is v1beta1 by another name."""
OTHER_KINDS = ("ProtectedService", "KafkaServerConfig", "PostgreSQLServerConfig", "MySQLServerConfig")
"""Kinds of the group that Grapevine does not evaluate; but for one name they are the same in every version."""

_TEXTS = Items(Scalar.TEXT)
_SERVICE_PREFIX = "svc:"
_NO_KIND = "OttrLegacy"
"""What Otterize's operator has in its memory where no kind was written; exports of it may have it too."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What a person should know of one conversion."""

    text: str
    """Names the field, as it was written."""
    is_loss: bool
    """Something of the old object is not in the new one, or the API server will refuse it."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What came of an object."""

    resource: dict[str, Any]
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class _CallType:
    """What a `type` of call becomes."""

    member: str
    name: str
    """Field of the member that takes the call's name; empty for none."""
    fields: Mapping[str, tuple[str, Shape]] = field(default_factory=dict)
    """Fields of the call that mean something with this type → field of the member, and its shape."""


_HTTP_CALL = _CallType("kubernetes", "name", {"HTTPResources": ("http", HTTP), "resources": ("http", HTTP)})
_CALL_TYPES = {
    "": _HTTP_CALL,
    "http": _HTTP_CALL,
    "kafka": _CallType("kafka", "name", {"kafkaTopics": ("topics", TOPICS), "topics": ("topics", TOPICS)}),
    "database": _CallType("sql", "name", {"databaseResources": ("privileges", PRIVILEGES)}),
    "aws": _CallType("aws", "arn", {"awsActions": ("actions", _TEXTS)}),
    "gcp": _CallType("gcp", "resource", {"gcpPermissions": ("permissions", _TEXTS)}),
    "azure": _CallType(
        "azure",
        "scope",
        {
            "azureRoles": ("roles", _TEXTS),
            "azureActions": ("actions", _TEXTS),
            "azureDataActions": ("dataActions", _TEXTS),
            "azureKeyVaultPolicy": ("keyVaultPolicy", KEY_VAULT),
        },
    ),
    "internet": _CallType("internet", "", {"internet": ("", INTERNET)}),
}
_ONLY_V1ALPHA2 = frozenset({"resources", "topics"})
_SINCE_V1BETA1 = frozenset({"azureActions", "azureDataActions"})
_SINCE_V1ALPHA3 = frozenset({"HTTPResources", "kafkaTopics", "kind", "internet"}) | {
    name for each in ("aws", "gcp", "azure") for name in _CALL_TYPES[each].fields
}
_ABSENT = {
    "v1alpha2": _SINCE_V1ALPHA3,
    "v1alpha3": _ONLY_V1ALPHA2 | _SINCE_V1BETA1,
    "v1beta1": _ONLY_V1ALPHA2,
    "v1": _ONLY_V1ALPHA2,
}
"""Fields of a call that other versions have, by version: its API server pruned them."""
_V1ALPHA2_TYPES = ("", "http", "kafka", "database")
_CALL_FIELDS = {"name", "kind", "type"} | {name for each in _CALL_TYPES.values() for name in each.fields}


def convert(resource: Mapping[str, Any]) -> Conversion:
    """Return the object as v2beta1, with a remark for each thing that did not go over as it was.

    Raises:
        PermanentInputError: it is no object of the group in a known version, or a field the new version needs is
            missing or holds something of another type; the text names the field as it was written.
    """
    group, _, version = str(resource.get("apiVersion", "")).rpartition("/")
    kind, metadata = resource.get("kind"), resource.get("metadata")
    if group != names.GROUP or version not in (*VERSIONS, *V1_VERSIONS):
        known = ", ".join((*VERSIONS, *V1_VERSIONS))
        raise PermanentInputError(f"apiVersion is {group}/{version}: known are {names.GROUP}/ {known}")
    if not isinstance(metadata, Mapping) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise PermanentInputError("metadata.name is missing, or no text")
    if not isinstance(metadata.get("namespace", ""), str):
        raise PermanentInputError("metadata.namespace must be text: put it in quotes")
    if not isinstance(resource.get("spec"), Mapping):
        raise PermanentInputError("spec is missing")
    remarks: list[Remark] = []
    if left_out := left_out_metadata(metadata):
        remarks.append(Remark(f"metadata: {', '.join(left_out)} left out: of the object it was read from", False))
    if resource.get("status"):
        remarks.append(Remark("status left out: the operator writes it anew", False))
    if kind == names.KIND:
        spec = _v1_spec(resource["spec"], version, remarks) if version in V1_VERSIONS else _v2_spec(resource, remarks)
    elif kind in OTHER_KINDS:
        spec = _renamed(resource["spec"], remarks) if kind == "KafkaServerConfig" else dict(resource["spec"])
    else:
        raise PermanentInputError(f"kind {kind!r} is none of {', '.join((names.KIND, *OTHER_KINDS))}")
    unknown = sorted(str(key) for key in resource.keys() - {"apiVersion", "kind", "metadata", "spec", "status"})
    remarks += [Remark(f"{key} is not known and left out", True) for key in unknown]
    converted = {**manifest({**resource, "spec": spec}), "kind": kind}
    return Conversion(converted, tuple(remarks))


def _v2_spec(resource: Mapping[str, Any], remarks: list[Remark]) -> dict[str, Any]:
    """Return the part of the spec that the schema knows: the API server would prune the rest."""
    unknown: list[str] = []
    spec: dict[str, Any] = fitted(resource["spec"], SPEC, "spec", unknown)
    remarks += [Remark(f"{path} is not known and left out", True) for path in unknown]
    if not (spec.get("workload") or {}).get("name"):
        raise PermanentInputError("spec.workload.name is missing: say which workload it is about")
    if "targets" not in spec:
        raise PermanentInputError("spec.targets is missing: an empty list says that it talks to nothing")
    for number, target in enumerate(spec["targets"]):
        found = members(target)
        if len(found) != 1:
            told = " and ".join(found) or "no known member"
            raise PermanentInputError(f"spec.targets[{number}] has {told}: give each target exactly one")
    return spec


def _v1_spec(old: Mapping[str, Any], version: str, remarks: list[Remark]) -> dict[str, Any]:
    remarks += [Remark(f"spec.{key} is not known and left out", True) for key in old if key not in ("service", "calls")]
    unknown: list[str] = []
    workload: dict[str, Any] = fitted(old.get("service") or {}, WORKLOAD, "spec.service", unknown)
    if not workload.get("name"):
        raise PermanentInputError("spec.service.name is missing: say which workload it is about")
    if "kind" in workload and version == "v1alpha2":
        del workload["kind"]
        unknown.append("spec.service.kind")
    remarks += _unknown(unknown, version)
    if workload.get("kind") == _NO_KIND:
        del workload["kind"]
        remarks.append(Remark(f"spec.service.kind {_NO_KIND} says that there is none, and is left out", False))
    if "." in workload["name"]:
        remarks.append(
            Remark(f"spec.service.name {workload['name']!r} has a dot, written _: identities have none", False)
        )
        workload["name"] = workload["name"].replace(".", "_")
    calls = old.get("calls")
    if not isinstance(calls, list | tuple):
        raise PermanentInputError("spec.calls must be a list: an empty one says that it talks to nothing")
    targets = []
    for number, call in enumerate(calls):
        path = f"spec.calls[{number}]"
        if not isinstance(call, Mapping):
            raise PermanentInputError(f"{path} must have fields")
        if target := _target(call, version, path, remarks):
            targets.append(target)
    return {"workload": workload, "targets": targets}


def _unknown(paths: list[str], version: str) -> list[Remark]:
    return [Remark(f"{path} is not known in {version} and left out", True) for path in paths]


def _target(call: Mapping[str, Any], version: str, path: str, remarks: list[Remark]) -> dict[str, Any] | None:
    """Return the target of one call; None, with a remark, where it is of no known type."""
    absent = _ABSENT[version]
    unknown = [f"{path}.{key}" for key in call if key not in _CALL_FIELDS or key in absent]
    given = {key: value for key, value in call.items() if key in _CALL_FIELDS - absent and value not in (None, "", [])}
    written = _text(given, "type", path)
    types = {name: _CALL_TYPES[name] for name in (_V1ALPHA2_TYPES if version == "v1alpha2" else _CALL_TYPES)}
    type_ = types.get(written or _guessed(given, types))
    if type_ is None:
        known = ", ".join(name for name in types if name)
        remarks.append(Remark(f"{path}.type {written!r} is none of {known}: the call is left out", True))
        return None
    if not written and type_ is not _HTTP_CALL:
        remarks.append(Remark(f"{path} has no type; by its other fields it is taken for {type_.member}", False))
    name, kind = _text(given, "name", path), _text(given, "kind", path)
    if type_.name and not name:
        raise PermanentInputError(f"{path}.name is missing")
    target: dict[str, Any] = {type_.name: name} if type_.name else {}
    for key, (new, shape) in type_.fields.items():
        if key in given:
            value = fitted(given[key], shape, f"{path}.{key}", unknown)
            target |= {new: value} if new else value
    told = {"type", *type_.fields, *(("name",) if type_.name else ()), *(("kind",) if type_ is _HTTP_CALL else ())}
    remarks += _unknown(unknown, version)
    strays = sorted(given.keys() - told)
    remarks += [Remark(f"{path}.{key} means nothing for {type_.member} and is left out", True) for key in strays]
    return _in_cluster(target, kind, path, remarks) if type_ is _HTTP_CALL else {type_.member: target}


def _in_cluster(target: dict[str, Any], kind: str, path: str, remarks: list[Remark]) -> dict[str, Any]:
    """Return the target of a call to a workload, or to a Service where its name says so."""
    name = target["name"]
    is_service = name.startswith(_SERVICE_PREFIX)
    target["name"] = name = name.removeprefix(_SERVICE_PREFIX)
    if name.count(".") > 1 or not name:
        text = (
            f"{path}.name {name!r} is not `name` or `name.namespace`: the API server will refuse it; write _ for a dot"
        )
        remarks.append(Remark(text, True))
    if is_service:
        if kind not in ("", "Service"):
            remarks.append(Remark(f"{path}.kind {kind!r} is left out: the name's svc: makes it a Service", True))
        return {"service": target}
    if kind == _NO_KIND:
        remarks.append(Remark(f"{path}.kind {_NO_KIND} says that there is none, and is left out", False))
    elif kind:
        target = {"name": name, "kind": kind, **target}
    return {"kubernetes": target}


def _guessed(given: Mapping[str, Any], types: Mapping[str, _CallType]) -> str:
    """Return the type that a call without one has by its other fields; the first of the table where several fit."""
    for name, type_ in types.items():
        if type_ is not _HTTP_CALL and type_.fields.keys() & given.keys():
            return name
    return "aws" if "aws" in types and str(given.get("name", "")).startswith("arn:") else ""


def _renamed(old: Mapping[str, Any], remarks: list[Remark]) -> dict[str, Any]:
    """Return a KafkaServerConfig's spec: what was its `service` is its `workload`."""
    if "service" not in old:
        return dict(old)
    if "workload" in old:
        remarks.append(Remark("spec.service is left out: spec.workload is there as well", True))
        return {key: value for key, value in old.items() if key != "service"}
    return {"workload" if key == "service" else key: value for key, value in old.items()}


def _text(given: Mapping[str, Any], key: str, path: str) -> str:
    value = given.get(key, "")
    if not isinstance(value, str):
        raise PermanentInputError(f"{path}.{key} must be text, not {value!r:.40}: put it in quotes")
    return value
