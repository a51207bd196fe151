"""An API server that has the shop and grants exactly what the manifests do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.api import Api
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.kubelet import CAPTURE
from tests.support.manifests import rights
from tests.support.objects import load_shop

INTENTS = "k8s.otterize.com/v2beta1"
LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"namespace": "grapevine-system", "name": "grapevine-operator"},
}
CA = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": CAPTURE, "name": "grapevine-ca"}}


@contextmanager
def granting_plane(
    directory: Path, binaries: Binaries, users: Mapping[str, tuple[str, ...]] | None = None
) -> Iterator[ControlPlane]:
    """Run an API server with the CRD, the shop's history, what the manifests grant, and users with their groups."""
    with ControlPlane(directory, binaries, users=users) as plane:
        with plane.api() as api:
            load_shop(api)
            for document in rights():
                api.apply(document, manager="tests")
        yield plane


@contextmanager
def freshly_installed(plane: ControlPlane) -> Iterator[Api]:
    """Bring it back to its first moment: no ClientIntents, the Secret empty, nothing published, nobody leading."""
    with plane.api() as connection:
        for resource in connection.list(INTENTS, "ClientIntents"):
            connection.delete(resource)
        secret = connection.get("v1", "Secret", "grapevine-system", "grapevine-serving")
        connection.request("PUT", connection.path_of(secret), {**secret, "data": None})
        shipped = connection.get("v1", "ConfigMap", "grapevine-system", "grapevine-ca")
        connection.request("PUT", connection.path_of(shipped), {**shipped, "data": None})
        connection.delete(CA)
        connection.delete(LEASE)
        yield connection
