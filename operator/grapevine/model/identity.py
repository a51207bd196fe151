"""Names of objects in the cluster, and who a sender is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class ObjectName:
    """A namespaced object, its kind being known from where the name stands."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return `namespace/name`, for messages and logs only."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class TokenUser:
    """Whose a token is, as the API server's authorizers want to be asked about it."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What authenticators said besides, by key."""


@dataclass(frozen=True, slots=True)
class TokenReview:
    """What the API server says of a token."""

    account: ObjectName | None
    """The service account it belongs to, None where the token is not valid for us or is no service account's."""
    node: str = ""
    """Node of the pod it was made for; empty where the token does not say (Kubernetes before 1.32, or no pod's)."""
    pod: ObjectName | None = None
    """The pod it was made for; None where it was made for none."""
    pod_uid: str = ""
    """Tells that pod from another one of its name."""
    reason: str = ""
    """Why there is no account, in the API server's words; empty where there is one."""
    user: TokenUser | None = None
    """Whose it is, service account or not; None where the token is not valid for us."""
