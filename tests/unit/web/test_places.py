"""What is kept of earlier pictures: a view's own places, so many views, and not for ever."""

from bench.layout import random_map
from tests.support.maps import a_map, call

from grapevine.view.layout import Layout, lay_out
from grapevine.view.servicemap import ServiceMap
from grapevine.web.places import MAX_VIEWS, Places

SMALL = random_map(60, 140)


def grown(by: int) -> ServiceMap:
    """Return the small map with workloads that call into it, so that it would be laid out otherwise anew."""
    new = [call(f"team-000/a-{number:03d}", f"team-001/service-{30 + number % 30}") for number in range(by)]
    return a_map(*SMALL.links, *new, nodes=SMALL.nodes)


def test_each_view_has_places_of_its_own() -> None:
    places = Places()
    places.lay_out({"namespace": "a"}, SMALL)

    assert lay_out(grown(5)) == places.lay_out({"namespace": "b"}, grown(5))
    assert lay_out(grown(5), lay_out(SMALL)) == places.lay_out({"namespace": "a"}, grown(5))


def test_a_view_of_the_last_hour_is_the_same_view_a_minute_later() -> None:
    places = Places()
    places.lay_out({"since_ms": "60000", "new_since_ms": "60000"}, SMALL)

    assert lay_out(grown(5), lay_out(SMALL)) == places.lay_out({"since_ms": "120000"}, grown(5))


def test_what_has_doubled_is_laid_out_anew() -> None:
    places = Places()
    places.lay_out({}, SMALL)

    assert lay_out(grown(61)) == places.lay_out({}, grown(61))


def test_the_view_nobody_asked_for_the_longest_is_forgotten() -> None:
    places = Places()
    for number in range(MAX_VIEWS):
        places.lay_out({"namespace": str(number)}, SMALL)
    places.lay_out({"namespace": "0"}, SMALL)
    places.lay_out({"namespace": "another"}, SMALL)

    def again(namespace: str) -> Layout:
        return places.lay_out({"namespace": namespace}, grown(5))

    assert lay_out(grown(5)) == again("1")
    assert lay_out(grown(5), lay_out(SMALL)) == again("0")
