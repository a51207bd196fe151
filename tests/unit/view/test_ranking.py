"""What most depends on, and where to begin with tracing."""

from tests.support.maps import a_map, behind, call, ref

from grapevine.view.ranking import Dependence, dependences, tracing_steps

SHOP = a_map(
    call("front/web", "orders/cart", confidence=95),
    call("batch/report", "orders/cart"),
    call("orders/cart", "orders/redis"),
    call("orders/cart", "pay/Service/pay"),
    behind("pay/pay", "pay/v1"),
    behind("pay/pay", "pay/v2"),
    call("pay/v1", "bank.example.com"),
)


def test_ranks_what_is_called_by_all_that_reaches_it() -> None:
    ranked = dependences(SHOP)

    assert [
        Dependence(ref("orders/redis"), 1, 3, 3),
        Dependence(ref("pay/Service/pay"), 1, 3, 3),
        Dependence(ref("orders/cart"), 2, 2, 2),
        Dependence(ref("bank.example.com"), 1, 1, 1),
    ] == ranked


def test_counts_calls_that_are_sure_enough_alone() -> None:
    assert [Dependence(ref("orders/cart"), 1, 1, 1)] == dependences(SHOP, min_confidence=90)


def test_in_a_circle_each_depends_on_the_others_and_not_on_itself() -> None:
    found = dependences(a_map(call("a/x", "a/y"), call("a/y", "a/x"), call("b/z", "a/x")))

    assert {("a/x", 1 + 1), ("a/y", 2)} == {(each.ref.words, each.dependents) for each in found}


def test_tracing_begins_where_most_calls_are_shown() -> None:
    steps = tracing_steps(SHOP)

    assert ["orders/cart", "pay/v1"] == [step.ref.words for step in steps]
    assert [(2, 2, 4, 4, 80.0), (0, 1, 0, 1, 100.0)] == [
        (step.callers, step.callees, step.between, step.adds, step.shows) for step in steps
    ]


def test_calls_between_what_cannot_be_instrumented_stay_out() -> None:
    assert [] == tracing_steps(a_map())
    assert all(not step.ref.is_outside and step.ref.kind != "Service" for step in tracing_steps(SHOP))
