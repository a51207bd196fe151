"""What is remembered of news, and from where on one can go on."""

from tests.support.builders import T0, a_new_edge, a_workload

from grapevine.insight.news import MAX_ANSWERED, MAX_REMEMBERED, NewsItem, NewsLog, NewsPage
from grapevine.insight.targets import TargetView


def a_log(count: int) -> NewsLog:
    log = NewsLog()
    for number in range(count):
        log.add(a_new_edge(client=a_workload(namespace="even" if number % 2 == 0 else "odd")), T0)
    return log


def numbers(page: NewsPage) -> list[int]:
    return [item.seq for item in page.items]


def test_an_item_says_who_reaches_what_and_how_it_is_known() -> None:
    expected = NewsItem(
        seq=1,
        told_ms=T0 + 5,
        client=a_workload(),
        target=TargetView("workload", "shop", "Deployment", "cart"),
        names=("cart.shop.svc.cluster.local",),
        evidence=("dns",),
        confidence=75,
        ports=(80,),
        first_ms=T0,
        learned_ms=86_400_000,
        listened_ms=7_200_000,
    )
    assert NewsLog().add(a_new_edge(ports=(80,)), T0 + 5) == expected


def test_goes_on_after_any_number() -> None:
    log = a_log(5)

    assert numbers(log.after(0)) == [1, 2, 3, 4, 5]
    assert numbers(log.after(3)) == [4, 5]
    assert log.after(5) == NewsPage((), 5, 0)


def test_a_number_that_was_never_given_has_nothing_behind_it() -> None:
    assert a_log(2).after(99) == NewsPage((), 2, 0)


def test_shows_one_namespace_and_goes_on_behind_the_others() -> None:
    page = a_log(4).after(0, {"odd"})

    assert (numbers(page), page.next) == ([2, 4], 4)
    assert a_log(4).after(0, {"nowhere"}) == NewsPage((), 4, 0)


def test_a_page_is_bounded_and_the_next_goes_on() -> None:
    log = a_log(MAX_ANSWERED + 2)
    first = log.after(0)

    assert (len(first.items), first.next) == (MAX_ANSWERED, MAX_ANSWERED)
    assert numbers(log.after(first.next)) == [MAX_ANSWERED + 1, MAX_ANSWERED + 2]


def test_the_oldest_is_forgotten_and_whoever_asks_for_it_hears_so() -> None:
    log = a_log(MAX_REMEMBERED + 3)

    assert (len(log), log.forgotten) == (MAX_REMEMBERED, 3)
    assert (log.after(0).missed, log.after(1).missed, log.after(3).missed) == (3, 2, 0)
    assert numbers(log.after(1))[0] == 4
