"""Fields of `spec` in v2beta1 and v2alpha1, in the order they are written in: what is known, and what is not.

Source: crds/clientintents.yaml; a test holds the two together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from grapevine.model.errors import PermanentInputError

MAX_DEPTH = 64
"""Of what is copied as it stands; no object of the API is as deep."""


class Scalar(StrEnum):
    """What a field without fields of its own holds, in the words of a message."""

    TEXT = "text"
    INTEGER = "a whole number"
    TRUTH = "true or false"


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping; its keys in the order they are written in."""

    of: Mapping[str, "Shape"]


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    of: "Shape"


Shape: TypeAlias = Fields | Items | Scalar

_TYPES: Mapping[Scalar, type] = {Scalar.TEXT: str, Scalar.INTEGER: int, Scalar.TRUTH: bool}

_TEXTS = Items(Scalar.TEXT)
HTTP = Items(Fields({"path": Scalar.TEXT, "methods": _TEXTS}))
TOPICS = Items(Fields({"name": Scalar.TEXT, "operations": _TEXTS}))
PRIVILEGES = Items(Fields({"databaseName": Scalar.TEXT, "table": Scalar.TEXT, "operations": _TEXTS}))
KEY_VAULT = Fields(
    {
        "certificatePermissions": _TEXTS,
        "keyPermissions": _TEXTS,
        "secretPermissions": _TEXTS,
        "storagePermissions": _TEXTS,
    }
)
INTERNET = Fields({"domains": _TEXTS, "ips": _TEXTS, "ports": Items(Scalar.INTEGER)})
WORKLOAD = Fields({"name": Scalar.TEXT, "kind": Scalar.TEXT})
TARGET = Fields(
    {
        "kubernetes": Fields({"name": Scalar.TEXT, "kind": Scalar.TEXT, "http": HTTP}),
        "service": Fields({"name": Scalar.TEXT, "http": HTTP}),
        "kafka": Fields({"name": Scalar.TEXT, "topics": TOPICS}),
        "sql": Fields({"name": Scalar.TEXT, "privileges": PRIVILEGES}),
        "aws": Fields({"arn": Scalar.TEXT, "actions": _TEXTS}),
        "gcp": Fields({"resource": Scalar.TEXT, "permissions": _TEXTS}),
        "azure": Fields(
            {
                "scope": Scalar.TEXT,
                "roles": _TEXTS,
                "actions": _TEXTS,
                "dataActions": _TEXTS,
                "keyVaultPolicy": KEY_VAULT,
            }
        ),
        "internet": INTERNET,
    }
)
"""Exactly one of them is set."""
SPEC = Fields({"workload": WORKLOAD, "targets": Items(TARGET)})


def ordered(value: object, shape: Shape | None = SPEC, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON
    """Return a copy with keys in the order of the shape, unknown ones behind them by name; lists keep their order.

    Raises:
        PermanentInputError: it is nested deeper than MAX_DEPTH.
    """
    if depth > MAX_DEPTH:
        raise PermanentInputError(f"it is nested deeper than {MAX_DEPTH} levels, as no object of the API is")
    if isinstance(value, Mapping):
        known = shape.of if isinstance(shape, Fields) else {}
        keys = [*(key for key in known if key in value), *sorted(value.keys() - known.keys(), key=str)]
        return {str(key): ordered(value[key], known.get(key), depth + 1) for key in keys}
    if isinstance(value, list | tuple):
        item = shape.of if isinstance(shape, Items) else None
        return [ordered(each, item, depth + 1) for each in value]
    return value


def fitted(value: object, shape: Shape, path: str, unknown: list[str]) -> Any:  # noqa: ANN401 - any JSON
    """Return the part of a value that the shape knows, in its order; `null` is taken for an absent field.

    The paths of all else are added to `unknown`, named from `path`.

    Raises:
        PermanentInputError: a known field holds something of another type; the text names the path.
    """
    if isinstance(shape, Fields):
        if not isinstance(value, Mapping):
            raise PermanentInputError(f"{path} must have fields, not be {_short(value)}")
        unknown.extend(f"{path}.{key}" for key in value if key not in shape.of)
        return {
            key: fitted(value[key], of, f"{path}.{key}", unknown)
            for key, of in shape.of.items()
            if value.get(key) is not None
        }
    if isinstance(shape, Items):
        if not isinstance(value, list | tuple):
            raise PermanentInputError(f"{path} must be a list, not {_short(value)}")
        return [fitted(each, shape.of, f"{path}[{number}]", unknown) for number, each in enumerate(value)]
    if type(value) is not _TYPES[shape]:
        remedy = ": put it in quotes" if shape is Scalar.TEXT and isinstance(value, bool | int | float) else ""
        raise PermanentInputError(f"{path} must be {shape}, not {_short(value)}{remedy}")
    return value


def members(target: Mapping[str, Any]) -> Sequence[str]:
    """Return which members of a target are set, in the schema's order; a valid one has exactly one."""
    return [member for member in TARGET.of if target.get(member) is not None]


def targets_of(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the items of `spec.targets` that are mappings at all: people write these objects."""
    spec = resource.get("spec")
    found = spec.get("targets") if isinstance(spec, Mapping) else None
    yield from (each for each in found if isinstance(each, Mapping)) if isinstance(found, list | tuple) else ()


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
