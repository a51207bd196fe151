"""What Events say: of conditions that changed, and of edges that are new."""

from dataclasses import replace

import pytest
from tests.support.builders import T0, a_new_edge, an_object

from grapevine.insight.events import event_name, new_edge_event, render_event, status_events
from grapevine.insight.news import NewsLog
from grapevine.intents.read import read_intents
from grapevine.model.event import Event, ObjectRef
from grapevine.model.intents import ActualIntents, Condition

WEB = ObjectRef("shop", "web", "uid-web")


def with_conditions(*conditions: tuple[str, str, str]) -> ActualIntents:
    """Return an object with conditions of type, status and reason."""
    made = {each[0]: Condition(*each, "", T0) for each in conditions}
    return replace(read_intents(an_object("web")), conditions=made)


def told(before: ActualIntents | None, *conditions: tuple[str, str, str]) -> list[Event]:
    """Return the Events of conditions that were written, each with its reason as message."""
    written = [{"type": t, "status": s, "reason": r, "message": f"because {r}"} for t, s, r in conditions]
    return status_events(before, with_conditions(*conditions), {"status": {"conditions": written}})


UNDECLARED = ("Drifted", "True", "TargetsDiffer")


@pytest.mark.parametrize(
    ("condition", "event"),
    [
        (("Ready", "False", "Conflict"), ("Conflict", True)),
        (("Ready", "True", "Declared"), ("EnforcementGloballyDisabled", False)),
        (("Observed", "True", "OwnerUnread"), ("OwnerUnread", True)),
        (("Observed", "False", "AllRetired"), ("AllRetired", False)),
        (("Resolved", "False", "DeadDependency"), ("DeadDependency", True)),
        (("Resolved", "False", "IntentToUnresolvedDns"), ("IntentToUnresolvedDns", True)),
        (("Resolved", "False", "KubernetesServiceNotFound"), ("KubernetesServiceNotFound", True)),
        (UNDECLARED, ("TargetsDiffer", False)),
    ],
)
def test_a_condition_is_told_when_it_becomes_so_and_not_while_it_stays(
    condition: tuple[str, str, str], event: tuple[str, bool]
) -> None:
    reason, is_warning = event
    expected = [Event(WEB, reason, f"because {condition[2]}", is_warning)]

    assert told(None, condition) == expected
    assert told(with_conditions((condition[0], "True", "Other")), condition) == expected
    assert told(with_conditions(condition), condition) == []


@pytest.mark.parametrize(
    "condition",
    [
        ("Ready", "True", "Discovered"),
        ("Observed", "True", "LookupsSeen"),
        ("Observed", "Unknown", "SourceSilent"),
        ("Resolved", "True", "AllResolved"),
        ("Drifted", "False", "InStep"),
    ],
)
def test_what_is_well_or_about_grapevine_itself_is_not_told(condition: tuple[str, str, str]) -> None:
    assert told(None, condition) == []


def test_a_condition_that_the_crd_does_not_keep_is_not_told() -> None:
    written = {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Conflict", "message": ""}]}}

    assert status_events(None, with_conditions(), written) == []
    assert status_events(None, with_conditions(("Ready", "False", "Conflict")), {"status": {}}) == []


def test_an_object_that_was_in_conflict_and_is_in_force_again_says_so() -> None:
    before = with_conditions(("Ready", "False", "Conflict"), UNDECLARED)
    events = told(before, ("Ready", "True", "Declared"), UNDECLARED)

    assert [event.reason for event in events] == ["EnforcementGloballyDisabled"]


@pytest.mark.parametrize(
    ("listened_ms", "span"),
    [(0, "for less than a minute"), (3_600_000, "for 60 min"), (93_600_000, "for 26 h")],
)
def test_a_new_edge_says_what_was_heard_and_for_how_long_one_has_listened(listened_ms: int, span: str) -> None:
    item = NewsLog().add(a_new_edge(ports=(80, 443), listened_ms=listened_ms), T0)

    assert new_edge_event(item, with_conditions()) == Event(
        WEB,
        "NewEdge",
        "web reaches shop/Deployment/cart (cart.shop.svc.cluster.local) on port 80, 443 for the first time, by dns; "
        f"it was listened to {span} without a pause before",
        subject="shop/Deployment/cart",
    )


def test_is_rendered_as_the_api_takes_it() -> None:
    assert render_event(Event(WEB, "Conflict", "two", True), name="web.1", at_ms=T0 + 7, reporter="pod-a") == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "shop", "name": "web.1"},
        "eventTime": "2023-11-14T22:13:20.007000Z",
        "reportingController": "grapevine.dev/operator",
        "reportingInstance": "pod-a",
        "action": "Observe",
        "reason": "Conflict",
        "note": "two",
        "type": "Warning",
        "regarding": {
            "apiVersion": "k8s.otterize.com/v2beta1",
            "kind": "ClientIntents",
            "namespace": "shop",
            "name": "web",
            "uid": "uid-web",
        },
    }


@pytest.mark.parametrize(
    ("text", "note"), [("ü" * 512, "ü" * 512), ("ü" * 600, "ü" * 510 + "…"), ("a\x1bb", "a\\u001bb")]
)
def test_a_note_is_cut_at_what_the_api_takes_and_cannot_act_upon_a_terminal(text: str, note: str) -> None:
    rendered = render_event(Event(WEB, "Conflict", text), name="web.1", at_ms=T0, reporter="")["note"]

    assert rendered == note
    assert len(rendered.encode()) <= 1_024


def test_a_name_is_the_objects_and_a_number_and_never_too_long() -> None:
    long = Event(ObjectRef("shop", "a" * 235 + "." + "b" * 17, "u"), "Conflict", "")

    assert event_name(Event(WEB, "Conflict", ""), 255) == "web.00000000000000ff"
    assert event_name(long, 1) == "a" * 235 + ".0000000000000001"
