"""Grapevine as a user installs and removes it, and the map as kubectl shows it."""

from pathlib import Path

from tests.cluster.node import Node
from tests.cluster.shop import shop
from tests.support.truth import Intents, intents_of

DEFAULT = Path(__file__).parents[2] / "deploy"
WITHOUT_CRD = DEFAULT / "overlays" / "without-crd"
RESTRICTED = DEFAULT / "overlays" / "restricted"
INTENTS = ("clientintents", "-A")


def install(node: Node, kustomization: Path = DEFAULT) -> None:
    """Apply a kustomization and wait until what it starts is ready."""
    node.kubectl.run("apply", "-k", str(kustomization))
    wait_ready(node)


def wait_ready(node: Node) -> None:
    """Wait until the operator, and capture where it is installed, are as their manifests say."""
    for workload in node.objects("deployments,daemonsets", "-A", "-l", "app.kubernetes.io/part-of=grapevine"):
        meta, kind = workload["metadata"], workload["kind"].lower()
        where = (f"{kind}/{meta['name']}", "-n", meta["namespace"])
        node.kubectl.run("rollout", "status", *where, "--timeout=150s", timeout_s=180)


def uninstall(node: Node) -> None:
    """Remove every part but the CRD, and with it the map."""
    removed = ("delete", "-k", str(WITHOUT_CRD), "--ignore-not-found", "--timeout=120s")
    node.kubectl.run(*removed, timeout_s=150)


def start_shop(node: Node) -> None:
    """Apply the shop. Its Job asks once in its life, so one that is over begins anew."""
    node.kubectl.run("delete", "job", "migrate", "-n", "batch", "--ignore-not-found")
    node.apply(shop())


def seen(node: Node) -> Intents:
    """Return what `kubectl get clientintents` says, the newcomers of other tests aside."""
    return intents_of(o for o in node.objects(*INTENTS) if not o["metadata"]["name"].startswith("newcomer"))
