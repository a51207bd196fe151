"""What a search list made of a name, and back."""

from collections import OrderedDict

import pytest
from tests.support.builders import DOMAIN

from grapevine.graph.search import SearchList


def a_search_list() -> SearchList:
    return SearchList("shop", DOMAIN)


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("cart.shop.svc.cluster.local", "cart"),
        ("cart.svc.cluster.local", "cart"),
        ("cart.cluster.local", "cart"),
        ("cart", "cart"),
        ("a.b.shop.svc.cluster.local", "a.b"),
        ("a.b.svc.cluster.local", "a.b"),
        ("a.b.svc.cluster.local.shop.svc.cluster.local", "a.b"),
        ("a.b.svc.cluster.local.svc.cluster.local", "a.b"),
        ("a.b.svc.cluster.local.cluster.local", "a.b"),
        ("example.com.shop.svc.cluster.local", "example.com"),
        ("shop.svc.cluster.local", "shop"),
        (".shop.svc.cluster.local", "shop"),
        ("cluster.local", "cluster.local"),
        ("example.com", "example.com"),
    ],
)
def test_strips_every_suffix(name: str, base: str) -> None:
    assert a_search_list().base(name).lstrip(".") == base


def test_an_answer_stands_for_every_name_that_ends_in_it() -> None:
    assert a_search_list().variants("cart.shop.svc.cluster.local") == {
        "cart",
        "cart.shop",
        "cart.shop.svc",
        "cart.shop.svc.cluster.local",
    }


def searched(*names: str) -> SearchList:
    search = a_search_list()
    for name in names:
        search.note_attempt(f"{name}.shop.svc.cluster.local")
    return search


def test_a_suffix_behind_two_searched_names_is_learned() -> None:
    search = searched("a", "b")

    assert not search.learn_from_failure("a.corp.example.net", OrderedDict())
    assert search.learn_from_failure("b.corp.example.net", OrderedDict())
    assert search.base("x.corp.example.net") == "x"


def test_a_suffix_behind_one_searched_name_is_none_yet() -> None:
    search = searched("a")

    assert not any(search.learn_from_failure("a.corp.example.net", OrderedDict()) for _ in range(2))


def test_a_suffix_behind_a_searched_name_that_answered_is_learned_at_once() -> None:
    assert searched("example.org").learn_from_failure(
        "example.org.corp.example.net", OrderedDict({"example.org": None})
    )


def test_an_answer_shows_the_suffix_of_a_failure_before_it() -> None:
    search = searched("example.org")

    assert search.learn_from_answer("example.org", ["example.org.corp.example.net", "other.example.net"])
    assert search.base("x.corp.example.net") == "x"


def test_a_name_that_was_never_searched_teaches_nothing() -> None:
    assert not a_search_list().learn_from_failure("a.corp.example.net", OrderedDict())


def test_learned_suffixes_are_bounded() -> None:
    search = searched("a", "b")
    for n in range(100):
        for name in ("a", "b"):
            search.learn_from_failure(f"{name}.s{n}.example.net", OrderedDict())

    assert sum(search.base(f"x.s{n}.example.net") == "x" for n in range(100)) == 32
