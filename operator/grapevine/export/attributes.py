"""Attributes in OTLP messages, filled in place.

Source: opentelemetry.proto.common.v1.
"""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

Attribute = tuple[str, str | bool | int | float]
_Message = TypeVar("_Message", covariant=True)


class Repeated(Protocol[_Message]):
    """A repeated field of messages."""

    def add(self, **fields: object) -> _Message:
        """Append a message with these fields and return it."""


def put(to: Repeated[KeyValue], attributes: Iterable[Attribute]) -> None:
    """Append attributes; none of them is ever empty, for a key without a value would be one to every back end."""
    for key, value in attributes:
        held = to.add(key=key).value
        if isinstance(value, str):
            held.string_value = value
        elif isinstance(value, bool):
            held.bool_value = value
        elif isinstance(value, int):
            held.int_value = value
        else:
            held.double_value = value
