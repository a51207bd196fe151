"""Fixtures for every suite."""

import fcntl
import itertools
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tests.support.api import Api
from tests.support.controlplane import Binaries, ControlPlane, ControlPlaneError, find_binaries
from tests.support.coredns import CoreDnsError, find_coredns
from tests.support.helm import HelmError, find_helm
from tests.support.missing import ARE_SERVERS_REQUIRED, give_up
from tests.support.objects import install_crd

# Tests assert no timings, and a busy machine is no counterexample
settings.register_profile("grapevine", deadline=None)
settings.load_profile("grapevine")


LONG = ("test_shop.py", "test_chaos.py")
"""What takes minutes: begun first, so that with several workers none is waited for at the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones before the others, which are in random order."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a browser's test and one that makes network interfaces wait for each other, in whatever process they are.

    A browser gives up what it is loading when an interface comes or goes (ERR_NETWORK_CHANGED).
    """
    if not item.get_closest_marker("root") and "page" not in getattr(item, "fixturenames", ()):
        return (yield)
    with Path(__file__).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return (yield)


@pytest.fixture(scope="session")
def control_plane_binaries() -> Binaries:
    """The built etcd, kube-apiserver and kubectl; skips the test where there are none."""
    try:
        return find_binaries()
    except ControlPlaneError as error:
        give_up(str(error), is_required=ARE_SERVERS_REQUIRED)


@pytest.fixture(scope="session")
def coredns_binary() -> Path:
    """The built CoreDNS; skips the test where there is none."""
    try:
        return find_coredns()
    except CoreDnsError as error:
        give_up(str(error), is_required=ARE_SERVERS_REQUIRED)


@pytest.fixture(scope="session")
def helm_binary() -> Path:
    """The built Helm; skips the test where there is none."""
    try:
        return find_helm()
    except HelmError as error:
        give_up(str(error), is_required=ARE_SERVERS_REQUIRED)


@pytest.fixture(scope="session")
def control_plane(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One API server for the whole run: use a namespace of your own, leave cluster-wide objects as they are."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), control_plane_binaries) as plane:
        yield plane


@pytest.fixture
def fresh_control_plane(
    control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """An empty API server for one test (about four seconds): to load a whole cluster, or to break things."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), control_plane_binaries) as plane:
        yield plane


@pytest.fixture
def api(control_plane: ControlPlane) -> Iterator[Api]:
    """The session's API server, as admin."""
    with control_plane.api() as connection:
        yield connection


@pytest.fixture(scope="session")
def clientintents_crd(control_plane: ControlPlane) -> None:
    """The CRD of ClientIntents on the session's API server."""
    with control_plane.api() as connection:
        install_crd(connection)


@pytest.fixture(scope="session")
def _namespace_numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def namespace(api: Api, _namespace_numbers: Iterator[int]) -> str:
    """A new, empty namespace on the session's API server (never deleted: nobody is there to finish that)."""
    name = f"test-{next(_namespace_numbers)}"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name
