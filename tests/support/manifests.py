"""The manifests of deploy/ as kubectl renders them, with components as a user adds them."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from tests.support.kubectl import Kubectl

DEPLOY = Path(__file__).parents[2] / "deploy"
OVERLAYS = ("", "overlays/restricted", "overlays/without-crd", "overlays/openshift")
"""Directories to apply, below deploy/; the empty one is the default."""
COMPONENTS = ("alerts", "api", "coredns-log", "gitops", "ha", "monitoring", "network-policies", "priority", "webhook")
"""Components to be added to any overlay; the others belong to one, or go with another."""
RIGHTS = (
    "base/namespace.yaml",
    "base/rbac.yaml",
    "components/node-capture/namespace.yaml",
    "components/node-capture/rbac.yaml",
    "components/transport/rbac.yaml",
    "components/transport/objects.yaml",
)
"""What the default grants, and the objects that its rules name."""

Object = dict[str, Any]


def rights() -> list[Object]:
    """Return the objects of `RIGHTS`, in the order they can be made."""
    return [o for name in RIGHTS for o in yaml.safe_load_all((DEPLOY / name).read_text())]


@contextmanager
def kustomization(overlay: str, components: Iterable[str] = ()) -> Iterator[Path]:
    """Make a kustomization of an overlay and components, as docs/guide/install.md has it, and yield its directory."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made).resolve()  # kustomize takes no absolute path, and follows no link to a relative one
        deploy = os.path.relpath(DEPLOY.resolve(), directory)
        content = {
            "resources": [f"{deploy}/{overlay}"],
            "components": [f"{deploy}/components/{name}" for name in with_needs(overlay, components)],
        }
        (directory / "kustomization.yaml").write_text(yaml.safe_dump(content))
        yield directory


def with_needs(overlay: str, components: Iterable[str]) -> list[str]:
    """Return components in the order in which they are added to the overlay, with those that they need."""
    needs = ["transport"] if overlay == "overlays/restricted" and {"api", "ha"} & set(components) else []
    return [*needs, *components]


def render(kubectl: Kubectl, overlay: str = "", components: Iterable[str] = ()) -> list[Object]:
    """Return the objects of an overlay with components."""
    with kustomization(overlay, components) as directory:
        return list(yaml.safe_load_all(kubectl.run("kustomize", str(directory))))


def rules_of(objects: Iterable[Object]) -> list[Object]:
    """Return the rules of all roles."""
    return [rule for o in objects if o["kind"] in ("Role", "ClusterRole") for rule in o["rules"]]


def workloads_of(objects: Iterable[Object]) -> list[Object]:
    """Return what runs pods."""
    return [o for o in objects if o["kind"] in ("Deployment", "DaemonSet")]


def containers_of(objects: Iterable[Object]) -> list[Object]:
    """Return the containers of all that runs pods."""
    return [each for o in workloads_of(objects) for each in o["spec"]["template"]["spec"]["containers"]]
