"""Grapevine as a user installs and removes it, and the map as kubectl shows it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.node import Node
from tests.cluster.shop import shop
from tests.support.eventually import eventually
from tests.support.kubectl import KubectlError
from tests.support.truth import Intents, intents_of, shop_truth

DEFAULT = Path(__file__).parents[2] / "deploy"
WITHOUT_CRD = DEFAULT / "overlays" / "without-crd"
RESTRICTED = DEFAULT / "overlays" / "restricted"
INTENTS = ("clientintents", "-A")
NEWCOMER = "newcomer"
"""How the names of pods begin that tests add to the shop."""


def install(node: Node, kustomization: Path = DEFAULT) -> None:
    """Apply a kustomization and wait until what it starts is ready."""
    node.kubectl.run("apply", "-k", str(kustomization))
    wait_ready(node)


def wait_ready(node: Node) -> None:
    """Wait until the operator, and capture where it is installed, are as their manifests say, old pods gone."""
    ours = ("-A", "-l", "app.kubernetes.io/part-of=grapevine")
    for workload in node.objects("deployments,daemonsets", *ours):
        meta, kind = workload["metadata"], workload["kind"].lower()
        where = (f"{kind}/{meta['name']}", "-n", meta["namespace"])
        node.kubectl.run("rollout", "status", *where, "--timeout=150s", timeout_s=180)
    eventually(
        lambda: not any("deletionTimestamp" in pod["metadata"] for pod in node.objects("pods", *ours)),
        timeout_s=90,
        every_s=0.5,
    )


def uninstall(node: Node) -> None:
    """Remove every part but the CRD, and with it the map."""
    removed = ("delete", "-k", str(WITHOUT_CRD), "--ignore-not-found", "--timeout=120s")
    node.kubectl.run(*removed, timeout_s=150)


def start_shop(node: Node) -> None:
    """Apply the shop. Its Job asks once in its life, so one that is over begins anew."""
    node.kubectl.run("delete", "job", "migrate", "-n", "batch", "--ignore-not-found")
    node.apply(shop())


def forget_map(node: Node) -> None:
    """Delete every object of the map; nothing may be there that writes it anew."""
    if node.objects("crds", "--field-selector=metadata.name=clientintents.k8s.otterize.com"):
        node.kubectl.run("delete", *INTENTS, "--all")


def remove_shop(node: Node) -> None:
    """Delete the shop."""
    node.kubectl.run("delete", "-f", "-", "--ignore-not-found", "--timeout=150s", stdin=shop(), timeout_s=180)


@contextmanager
def configured_dns(node: Node, line: str) -> Iterator[None]:
    """Have the cluster's DNS run with a line more in its Corefile, in the server block of the cluster's names."""
    (corefile,) = node.objects("configmaps", "-n", "kube-system", "--field-selector=metadata.name=coredns")
    text = corefile["data"]["Corefile"]
    _restart_dns(node, text.replace("errors\n", f"errors\n        {line}\n"))
    try:
        yield
    finally:
        _restart_dns(node, text)


def _restart_dns(node: Node, corefile: str) -> None:
    patch = json.dumps({"data": {"Corefile": corefile}})
    node.kubectl.run("patch", "configmap", "coredns", "-n", "kube-system", "--type=merge", "-p", patch)
    dns = ("deployment/coredns", "-n", "kube-system")
    node.kubectl.run("rollout", "restart", *dns)
    node.kubectl.run("rollout", "status", *dns, "--timeout=90s", timeout_s=100)


def wait_for_map(node: Node, expected: Intents, *, timeout_s: float = 240.0) -> None:
    """Wait until the map says exactly this of these clients, whatever it says of others.

    Raises:
        AssertionError: it does not in time; a line for each edge that is missing or too much, or kubectl's error.
    """

    def check() -> None:
        try:
            found = intents_of(node.objects(*INTENTS))
        except KubectlError as error:
            raise AssertionError(str(error)) from error
        if lines := _differences(expected, found):
            raise AssertionError("\n".join(lines))

    eventually(check, timeout_s=timeout_s, every_s=0.5)


def wait_for_shop(node: Node, *, timeout_s: float = 240.0) -> None:
    """Wait until the map is `truth.yaml`: of every client the exact targets, and in the shop no client too much.

    Outside there may be others: CoreDNS, for one, opens connections to an API server that comes back.
    """
    truth = shop_truth()
    namespaces = {namespace for namespace, *_ in truth}
    wait_for_map(node, truth, timeout_s=timeout_s)
    found = intents_of(o for o in node.objects(*INTENTS) if not o["metadata"]["name"].startswith(NEWCOMER))
    if too_many := sorted(client for client in found.keys() - truth.keys() if client[0] in namespaces):
        raise AssertionError(f"clients that nobody is: {too_many}")


def _differences(expected: Intents, found: Intents) -> list[str]:
    lines = []
    for client, targets in sorted(expected.items()):
        name, actual = "/".join(client), found.get(client)
        if actual is None:
            lines.append(f"{name}: no object")
            continue
        lines += [f"{name}: missing {' '.join(target)}" for target in sorted(targets - actual)]
        lines += [f"{name}: too much {' '.join(target)}" for target in sorted(actual - targets)]
    return lines
