"""What several modules of real parts share."""

from collections.abc import Iterator

import pytest
from tests.support.controlplane import Binaries
from tests.support.shop_telemetry import ShopTelemetry, running_shop


@pytest.fixture(scope="session")
def shop_telemetry(
    control_plane_binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ShopTelemetry]:
    """The recorded shop, all of it told to a collector and a Prometheus (a minute, once): to be read alone."""
    with running_shop(tmp_path_factory.mktemp("shop-telemetry"), control_plane_binaries) as running:
        yield running
