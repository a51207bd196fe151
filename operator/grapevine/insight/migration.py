"""What is left to do until Otterize's objects are Grapevine's to keep. Pure: what is there → steps, in their order.

Planned anew from what is there at every run, so a run that was cut short is gone on with by running it again. The order
is what makes it safe: everything is read and written once while the conversion webhook still answers; only then does
Otterize rest; only then is its CRD replaced, which it would write back; and what would hang without it is taken off.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from grapevine.model.identity import ObjectName

KEPT_VERSIONS = ("v2beta1", "v2alpha1")
"""That Grapevine's CRD has; Otterize's own have the same two schemas."""
INTENTS_PLURAL = "clientintents"


class Action(StrEnum):
    """What a step does to its subject."""

    SETTLE = "settle"
    """Write every object of a kind once, unchanged, so that all lie in etcd in the version that stays; then take the
    others off the CRD's `status.storedVersions`. One step: what was rewritten shows in nothing else."""
    STOP = "stop"
    """Scale a Deployment to zero, and wait until its pods are gone."""
    UNHOOK = "unhook"
    """Delete a validating webhook configuration that nobody answers any more."""
    REPLACE = "replace"
    """Put Grapevine's CRD in the place of Otterize's."""
    TRIM = "trim"
    """Take conversion webhook and old versions off a CRD that Grapevine does not ship."""
    RELEASE = "release"
    """Take Otterize's finalizers off the objects of a kind."""


@dataclass(frozen=True, slots=True)
class GroupCrd:
    """A CRD of the group k8s.otterize.com that is installed."""

    plural: str
    kind: str
    versions: tuple[str, ...]
    storage: str
    """Version that new writes are stored in."""
    stored: tuple[str, ...]
    """`status.storedVersions`."""
    has_webhook: bool
    """Whether reading or writing another version than the stored one asks a webhook."""
    is_ours: bool
    """It is Grapevine's, as it was applied."""
    objects: int
    finalized: int
    """Of the objects, those that carry a finalizer of Otterize's."""

    @property
    def name(self) -> str:
        """Name of the CRD."""
        return f"{self.plural}.k8s.otterize.com"


@dataclass(frozen=True, slots=True)
class Otterize:
    """What of Otterize is in a cluster."""

    crds: tuple[GroupCrd, ...] = ()
    running: tuple[ObjectName, ...] = ()
    """Deployments of its operator and its webhook server that want pods."""
    webhooks: tuple[str, ...] = ()
    """Its validating webhook configurations."""
    policies: int = 0
    """NetworkPolicies that it made."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do."""

    action: Action
    subject: str
    """Plural of the objects, name of the CRD or configuration, or NAMESPACE/NAME of the Deployment."""
    says: str
    """What will be done, for a person."""


def plan(found: Otterize) -> tuple[Step, ...]:
    """Return the steps that are left, in order; none where nothing is left but what a person must judge."""
    return (
        *(_settle(crd) for crd in found.crds if set(crd.stored) != {crd.storage}),
        *(
            Step(Action.STOP, str(name), f"scale Deployment {name} to 0, and wait for its pods")
            for name in found.running
        ),
        *(
            Step(Action.UNHOOK, name, f"delete ValidatingWebhookConfiguration {name}: it would refuse every write")
            for name in found.webhooks
        ),
        *(step for crd in found.crds for step in _hand_over(crd)),
        *(
            Step(Action.RELEASE, crd.plural, f"take Otterize's finalizers off {crd.finalized:,} {crd.plural}")
            for crd in found.crds
            if crd.finalized
        ),
    )


def blockers(found: Otterize, *, accepts_policies: bool) -> tuple[str, ...]:
    """Return what must be ended before the first step; each says what it is and what to do."""
    told = [
        f"{crd.name} stores {crd.storage}, which does not stay: upgrade Otterize until its CRD stores v2alpha1 "
        "(2025-03 and later), then look again"
        for crd in found.crds
        if crd.storage not in KEPT_VERSIONS
    ]
    if found.policies and found.running and not accepts_policies:
        told.append(
            f"{found.policies:,} NetworkPolicies of Otterize's are in force. They admit clients by labels that its "
            "operator puts on pods; pods that start after it rests get none and are shut out. Delete them, or put "
            "policies of your own beside them, and then go on with --accept-policies"
        )
    return tuple(told)


def _settle(crd: GroupCrd) -> Step:
    others = ", ".join(version for version in crd.stored if version != crd.storage)
    says = f"rewrite {crd.objects:,} {crd.plural} unchanged as {crd.storage}, and strike {others} off storedVersions"
    return Step(Action.SETTLE, crd.plural, says)


def _hand_over(crd: GroupCrd) -> Iterator[Step]:
    gone = ", ".join(version for version in crd.versions if version not in KEPT_VERSIONS)
    without = f", without {gone}" if gone else ""
    if crd.plural == INTENTS_PLURAL and not crd.is_ours:
        yield Step(Action.REPLACE, crd.name, f"replace CRD {crd.name} by Grapevine's{without}; every object stays")
    elif crd.plural != INTENTS_PLURAL and (crd.has_webhook or gone):
        yield Step(
            Action.TRIM, crd.name, f"take the conversion webhook off CRD {crd.name}{without}; every object stays"
        )
