"""What `make fuzz` does for long, done for a moment: hostile bytes through capture's parsers, and all it ever found."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.targets import TARGETS, join_items, run, split_items

VECTORS = sorted((Path(__file__).parents[1] / "data" / "fuzz").glob("*.bin"))
MAX_SEED_BYTES = 4_096
"""Longer ones cost too much to mutate often; they are run as they are."""


def short_seeds(name: str) -> list[bytes]:
    return [seed for seed in TARGETS[name].seeds() if len(seed) <= MAX_SEED_BYTES]


@st.composite
def inputs(draw: st.DrawFn, name: str) -> bytes:
    """Give a seed with some items changed, repeated, left out or in another order."""
    options, items = split_items(draw(st.sampled_from(short_seeds(name))))
    kept = draw(st.lists(st.sampled_from(items), max_size=8))
    return join_items(mutated(draw, kept), options)


def mutated(draw: st.DrawFn, items: list[bytes]) -> Iterator[bytes]:
    for item in items:
        octets = bytearray(item)
        for where, octet in draw(st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 255)), max_size=4)):
            if octets:
                octets[where % len(octets)] = octet
        cut = draw(st.integers(0, 40))
        yield bytes(octets[: len(octets) - cut] if cut > 20 else octets)


@pytest.mark.parametrize("name", TARGETS)
@given(st.data())
def test_hostile_input_raises_nothing_and_the_accounts_close(name: str, data: st.DataObject) -> None:
    run(TARGETS[name], data.draw(inputs(name)))


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_fuzzer_begins_with_and_what_it_found_is_taken(name: str) -> None:
    found = [path.read_bytes() for path in VECTORS if path.stem.rpartition("-")[0] == name]
    for data in (*TARGETS[name].seeds(), *found):
        assert len(split_items(data)[1]) == len(run(TARGETS[name], data))
