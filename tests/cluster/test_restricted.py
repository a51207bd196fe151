"""The overlay without any capability: CoreDNS tells, by dnstap, what it answered."""

import json
from collections.abc import Iterator

import pytest
from tests.cluster.installation import (
    RESTRICTED,
    configured_dns,
    forget_map,
    install,
    start_shop,
    uninstall,
    wait_for_shop,
)
from tests.cluster.node import Node, Object

pytestmark = [pytest.mark.cluster, pytest.mark.root, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def restricted(node: Node) -> Iterator[Node]:
    """The node with the overlay instead of the default, no map, and CoreDNS pointed at the sidecar."""
    uninstall(node)
    forget_map(node)
    install(node, RESTRICTED)
    service = json.loads(node.kubectl.run("get", "service", "-n", "grapevine-system", "grapevine-dnstap", "-o", "json"))
    with configured_dns(node, f"dnstap tcp://{service['spec']['clusterIP']}:6000 full"):
        yield node
    node.kubectl.run("delete", "-k", str(RESTRICTED), "--timeout=120s", timeout_s=150)


def test_nothing_in_it_has_a_capability_a_node_or_a_key(restricted: Node) -> None:
    names = ("-l", "app.kubernetes.io/part-of=grapevine")
    kinds = "daemonsets,secrets,deployments,namespaces,clusterroles,roles"
    found = restricted.objects(kinds, "-A", *names)

    assert {"Deployment", "Namespace", "ClusterRole", "Role"} == {o["kind"] for o in found}
    (pod,) = restricted.objects("pods", "-n", "grapevine-system")
    assert not pod["spec"].get("hostNetwork")
    assert [{"drop": ["ALL"]}] * 2 == [_capabilities(container) for container in pod["spec"]["containers"]]


def _capabilities(container: Object) -> Object:
    capabilities: Object = container["securityContext"]["capabilities"]
    return capabilities


def test_maps_the_shop_by_what_coredns_tells(restricted: Node) -> None:
    start_shop(restricted)

    wait_for_shop(restricted)
