"""A real node with Grapevine's own images on it, for the whole run, and the shop mapped on it."""

import itertools
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from tests.cluster.existing import ExistingCluster
from tests.cluster.installation import NEWCOMER, install, start_shop, wait_for_shop
from tests.cluster.newcomer import NAMESPACE
from tests.cluster.node import Node, is_built, why_impossible
from tests.support.kubectl import KubectlError
from tests.support.missing import give_up

IMAGES = Path(__file__).parents[2] / "out" / "images"


@pytest.fixture(scope="session")
def image_archives() -> dict[str, Path]:
    """The archives of `make image-archive`, by target."""
    archives = {target: IMAGES / f"{target}.tar" for target in ("capture", "operator")}
    if not all(path.exists() for path in archives.values()):
        give_up("the images are not built: make image-archive")
    return archives


@pytest.fixture(scope="session")
def node(image_archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The node, with the images imported and nothing installed; skips where this machine cannot be one.

    With `GRAPEVINE_TEST_KUBECONFIG` it is that cluster's, where somebody has loaded the images (docs/guide/kind.md).
    """
    if kubeconfig := os.environ.get("GRAPEVINE_TEST_KUBECONFIG"):
        with ExistingCluster(Path(kubeconfig), tmp_path_factory.mktemp("node")) as cluster:
            yield cluster
        return
    if reason := why_impossible():
        give_up(reason)
    if not is_built():
        give_up("what a node needs is not built: make test-cluster")
    with Node(tmp_path_factory.mktemp("node"), *image_archives.values()) as node:
        yield node


@pytest.fixture(scope="module")
def installed(node: Node) -> Node:
    """The node with Grapevine as the README installs it, ready."""
    install(node)
    return node


@pytest.fixture(scope="module")
def mapped(installed: Node) -> Node:
    """The node with the shop running and every edge of it seen."""
    start_shop(installed)
    wait_for_shop(installed)
    return installed


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def newcomer(node: Node, _numbers: Iterator[int]) -> Iterator[str]:
    """The name of a pod that does not run yet; it and one called `…-after` are deleted at the end."""
    name = f"{NEWCOMER}-{next(_numbers)}"
    yield name
    node.kubectl.run("delete", "pod", "-n", NAMESPACE, name, f"{name}-after", "--ignore-not-found", "--wait=false")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the cluster's state to a failed test, which nobody can ask for once the node is gone."""
    report = yield
    node = getattr(item, "funcargs", {}).get("node")
    if report.failed and isinstance(node, Node):
        report.sections.append(("The cluster", _state(node)))
    return report


def _state(node: Node) -> str:
    operator = ("-n", "grapevine-system", "deployment/grapevine-operator", "--all-containers", "--tail=60")
    commands = [
        ("get", "pods", "-A", "-o", "wide"),
        ("get", "clientintents", "-A"),
        ("logs", *operator),
        ("logs", "--previous", *operator),
        ("logs", "-n", "grapevine-capture", "daemonset/grapevine-capture", "--tail=40"),
    ]
    return "\n".join(f"$ kubectl {' '.join(command)}\n{_answer(node, *command)}" for command in commands)


def _answer(node: Node, *command: str) -> str:
    try:
        return node.kubectl.run(*command)
    except KubectlError as error:
        return str(error)
