"""Value classes for all that capture loads: what `@dataclass(frozen=True, slots=True)` makes, and no more.

The library behind that decorator loads inspect, ast and dis, 1.5 MiB on every node (docs/decisions/008). Where capture
is not concerned it is the one to use. Its `replace`, `fields` and `asdict` take values too.
"""

from operator import attrgetter
from typing import Any, Final, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Return the class with slots, `__init__`, equality, hash and repr over its annotated fields, in their order.

    What a field is set to in the class is its default, shared by all instances, so it must not be mutable. Inheritance
    is not thought of.
    """
    names = tuple(cls.__annotations__)
    metaclass: Any = type(cls)
    members = {name: member for name, member in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    defaults = {name: members.pop(name) for name in names if name in members}
    made = metaclass(cls.__name__, cls.__bases__, members | {"__slots__": names, "__match_args__": names})
    made.__qualname__ = cls.__qualname__
    made.__init__ = _init(made, names, defaults)
    values = attrgetter(*names) if len(names) > 1 else lambda each: (getattr(each, names[0]),)

    def equals(self: object, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    made.__eq__ = equals
    made.__hash__ = lambda self: hash(values(self))
    made.__repr__ = lambda self: _represent(self, names)
    made.__reduce__ = lambda self: (made, values(self))  # or copying it would set attributes
    made.__replace__ = replace
    made.__setattr__ = made.__delattr__ = _refuse
    made.__dataclass_fields__ = _Fields(names)
    return made  # type: ignore[no-any-return]


def replace(of: T, /, **changes: Any) -> T:  # noqa: ANN401 - each is of its field's type
    """Return a copy of a value with some fields changed."""
    names = of.__match_args__  # type: ignore[attr-defined]
    return of.__class__(**{name: getattr(of, name) for name in names} | changes)


def _init(cls: Any, names: tuple[str, ...], defaults: dict[str, object]) -> Any:  # noqa: ANN401 - a function made here
    """Return `__init__`, as source, for arguments by name cost nothing then."""
    scope: dict[str, Any] = {f"set_{name}": getattr(cls, name).__set__ for name in names} | {"defaults": defaults}
    arguments = ", ".join(f"{name}=defaults[{name!r}]" if name in defaults else name for name in names)
    lines = "".join(f"\n    set_{name}(self, {name})" for name in names)
    exec(f"def __init__(self, {arguments}):{lines}", scope)  # noqa: S102 - names are identifiers
    made = scope["__init__"]
    made.__annotations__ = dict(cls.__annotations__)
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _represent(of: object, names: tuple[str, ...]) -> str:
    return f"{of.__class__.__qualname__}({', '.join(f'{name}={getattr(of, name)!r}' for name in names)})"


def _refuse(self: object, name: str, *_: object) -> None:
    raise AttributeError(f"{self.__class__.__qualname__} is a value: {name} cannot be changed")


class _Fields:
    """The fields as `dataclasses` knows them, made when that library asks."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names: Final = names
        self._made: dict[str, Any] | None = None

    def __get__(self, instance: object, owner: type) -> dict[str, Any]:
        if self._made is None:
            from dataclasses import make_dataclass

            twin: Any = make_dataclass(owner.__name__, [(name, owner.__annotations__[name]) for name in self._names])
            self._made = twin.__dataclass_fields__
        return self._made
