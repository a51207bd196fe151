import copy
import dataclasses
import pickle

import pytest

from grapevine.model.value import replace, value


@value
class Place:
    """A value with a default."""

    host: str
    """A name."""
    port: int = 80

    def __len__(self) -> int:
        return len(self.host)


@value
class Only:
    what: str


def test_is_made_by_order_or_by_name_with_defaults() -> None:
    assert Place("a") == Place(port=80, host="a")
    assert repr(Place("a", 1)) == "Place(host='a', port=1)"
    assert repr(Only("x")) == "Only(what='x')"
    with pytest.raises(TypeError, match="host"):
        Place()  # type: ignore[call-arg]


def test_equal_values_of_one_class_are_the_same_key() -> None:
    assert {Place("a", 1): "found"}[Place("a", 1)] == "found"
    assert Place("a", 1) != Place("a", 2)
    assert Only("a") != ("a",)
    assert Only("a") != Place("a")
    assert Only("a") in {Only("a")}


def test_nothing_of_it_changes() -> None:
    place = Place("a")
    for change in (lambda: setattr(place, "port", 1), lambda: delattr(place, "port"), lambda: setattr(place, "x", 1)):
        with pytest.raises(AttributeError, match="is a value"):
            change()
    assert place == Place("a", 80)
    assert not hasattr(place, "__dict__")


def test_a_copy_with_some_fields_changed() -> None:
    assert replace(Place("a"), port=1) == Place("a", 1)
    assert dataclasses.replace(Place("a"), host="b") == Place("b", 80)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="ports"):
        replace(Place("a"), ports=1)


def test_copies_and_pickles() -> None:
    assert copy.deepcopy(Place("a", 1)) == pickle.loads(pickle.dumps(Place("a", 1))) == Place("a", 1)  # noqa: S301


def test_is_a_dataclass_to_those_who_ask() -> None:
    assert dataclasses.is_dataclass(Place)
    assert dataclasses.asdict(Place("a")) == {"host": "a", "port": 80}  # type: ignore[call-overload]
    assert [each.name for each in dataclasses.fields(Place)] == ["host", "port"]  # type: ignore[arg-type]


def test_keeps_its_methods_and_takes_part_in_patterns() -> None:
    assert len(Place("abc")) == 3
    match Place("a", 1):
        case Place(host, port):
            assert (host, port) == ("a", 1)
