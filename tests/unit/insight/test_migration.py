"""What is left to do until Otterize's objects are Grapevine's to keep."""

from dataclasses import replace

import pytest

from grapevine.insight.migration import Action, GroupCrd, Otterize, blockers, plan
from grapevine.model.identity import ObjectName

OLD = GroupCrd(
    plural="clientintents",
    kind="ClientIntents",
    versions=("v1alpha3", "v2alpha1", "v2beta1"),
    storage="v2alpha1",
    stored=("v1alpha3", "v2alpha1"),
    has_webhook=True,
    is_ours=False,
    objects=3,
    finalized=2,
)
OURS = replace(
    OLD, versions=("v2beta1", "v2alpha1"), stored=("v2alpha1",), has_webhook=False, is_ours=True, finalized=0
)
PROTECTED = replace(OLD, plural="protectedservices", kind="ProtectedService")
OPERATOR = ObjectName("otterize-system", "intents-operator")
EVERYTHING = Otterize((OLD, PROTECTED), (OPERATOR,), ("hooks",))


def actions(found: Otterize) -> list[tuple[Action, str]]:
    return [(step.action, step.subject) for step in plan(found)]


def test_settles_while_the_webhook_answers_then_stops_then_replaces_then_releases() -> None:
    assert [
        (Action.SETTLE, "clientintents"),
        (Action.SETTLE, "protectedservices"),
        (Action.STOP, "otterize-system/intents-operator"),
        (Action.UNHOOK, "hooks"),
        (Action.REPLACE, "clientintents.k8s.otterize.com"),
        (Action.TRIM, "protectedservices.k8s.otterize.com"),
        (Action.RELEASE, "clientintents"),
        (Action.RELEASE, "protectedservices"),
    ] == actions(EVERYTHING)


@pytest.mark.parametrize("found", [Otterize(), Otterize((OURS,)), Otterize((OURS,), policies=5)])
def test_nothing_is_left_to_do_where_nothing_of_otterize_s_is(found: Otterize) -> None:
    assert [] == actions(found)


def test_goes_on_where_it_was() -> None:
    rewritten = replace(OLD, stored=("v2alpha1",))

    assert [Action.REPLACE, Action.RELEASE] == [action for action, _ in actions(Otterize((rewritten,)))]
    assert [Action.RELEASE] == [action for action, _ in actions(Otterize((replace(OURS, finalized=1),)))]


def test_says_which_versions_are_no_longer_served() -> None:
    (says,) = [step.says for step in plan(EVERYTHING) if step.action is Action.REPLACE]

    assert says.endswith("by Grapevine's, without v1alpha3; every object stays")


def test_a_storage_version_that_goes_is_in_the_way() -> None:
    (told,) = blockers(Otterize((replace(OLD, storage="v1alpha3"),)), accepts_policies=False)

    assert told.startswith("clientintents.k8s.otterize.com stores v1alpha3, which does not stay: upgrade Otterize")


def test_policies_in_force_are_in_the_way_until_accepted_or_nobody_keeps_them() -> None:
    found = replace(EVERYTHING, policies=7)

    (told,) = blockers(found, accepts_policies=False)
    assert told.startswith("7 NetworkPolicies of Otterize's are in force")
    assert () == blockers(found, accepts_policies=True)
    assert () == blockers(replace(found, running=()), accepts_policies=False)
