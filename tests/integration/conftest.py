"""What several modules of real parts share."""

from collections.abc import Iterator

import pytest
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.objects import SHOP, load_shop
from tests.support.processes import Operator, send_capture
from tests.support.shop_telemetry import ShopTelemetry, running_shop


@pytest.fixture(scope="session")
def shop_telemetry(
    control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ShopTelemetry]:
    """The recorded shop, all of it told to a collector and a Prometheus (a minute, once): to be read alone."""
    with running_shop(tmp_path_factory.mktemp("shop-telemetry"), control_plane_binaries) as running:
        yield running


@pytest.fixture(scope="session")
def heard_shop(control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator that has taken in the shop's capture, all of it durable: to be asked alone."""
    directory = tmp_path_factory.mktemp("heard-shop")
    with ControlPlane(directory, control_plane_binaries) as plane:
        with plane.api() as api:
            load_shop(api)
        with Operator(plane.kubeconfig(), directory / "operator.log", park_ms="500") as operator:
            send_capture(SHOP / "capture.pcap", operator.url)
            yield operator
