"""The component that follows CoreDNS's log through the API server, where neither packets nor dnstap can be had."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.installation import (
    DEFAULT,
    RESTRICTED,
    configured_dns,
    forget_map,
    install,
    start_shop,
    uninstall,
    wait_for_shop,
)
from tests.cluster.node import Node
from tests.support.kubectl import KubectlError

pytestmark = [pytest.mark.cluster, pytest.mark.root, pytest.mark.timeout(600)]

ACCOUNT = "system:serviceaccount:grapevine-system:grapevine-operator"


@pytest.fixture(scope="module")
def following(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The node with the sidecar instead of the default, no map, and CoreDNS logging what it is asked."""
    uninstall(node)
    forget_map(node)
    kustomization = tmp_path_factory.mktemp("coredns-log")
    component = DEFAULT / "components" / "coredns-log"
    (kustomization / "kustomization.yaml").write_text(
        f"resources: [{_from(kustomization, RESTRICTED)}]\ncomponents: [{_from(kustomization, component)}]\n"
    )
    with configured_dns(node, "log"):
        install(node, kustomization)
        yield node
    node.kubectl.run("delete", "-k", str(kustomization), "--timeout=120s", timeout_s=150)


def _from(directory: Path, target: Path) -> str:
    return os.path.relpath(target.resolve(), directory.resolve())


def test_maps_the_shop_by_what_coredns_logs(following: Node) -> None:
    start_shop(following)

    wait_for_shop(following)


def test_reads_the_logs_of_one_namespace_alone(following: Node) -> None:
    assert _may_read_logs(following, "kube-system")
    assert not _may_read_logs(following, "storefront")


def _may_read_logs(node: Node, namespace: str) -> bool:
    try:
        answer = node.kubectl.run(
            "auth", "can-i", "get", "pods", "--subresource=log", "-n", namespace, f"--as={ACCOUNT}"
        )
    except KubectlError as error:  # it says no, and ends with 1
        answer = str(error).rpartition(": ")[2]
    assert answer.strip() in ("yes", "no")
    return answer.strip() == "yes"
