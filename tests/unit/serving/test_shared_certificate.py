"""The certificate's life between Secret, ConfigMap and TLS context, on a clock of the test's own."""

import asyncio
import contextlib
from collections.abc import Mapping

import pytest
from tests.support.tls import a_pair, client_context

from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.serving.certificates import data_of, material_of
from grapevine.serving.rotation import Material, Schedule
from grapevine.serving.shared_certificate import CA_KEY, ServingCertificate

NAMES = frozenset({"localhost"})


class Cluster:
    """A Secret and a ConfigMap, with versions and a log of what was done to them."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.version = 0
        self.published: dict[str, str] = {}
        self.log: list[str] = []
        self.interfere: Mapping[str, bytes] | None = None
        """What another replica writes just before our next write."""
        self.fails: Exception | None = None

    async def read(self) -> tuple[Mapping[str, bytes], str]:
        if self.fails:
            raise self.fails
        return dict(self.data), str(self.version)

    async def write(self, data: Mapping[str, bytes], version: str) -> bool:
        if self.interfere is not None:
            self.data, self.interfere, self.version = dict(self.interfere), None, self.version + 1
        if version != str(self.version):
            return False
        self.data, self.version = dict(data), self.version + 1
        self.log.append("secret")
        return True

    async def publish(self, data: Mapping[str, str]) -> None:
        if data != self.published:
            self.published = dict(data)
            self.log.append("configmap")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def certificate(cluster: Cluster, clock: Clock, lifetime_s: float = 900) -> ServingCertificate:
    return ServingCertificate(cluster, [cluster], NAMES, Schedule(lifetime_s), clock)


def metrics(serving: ServingCertificate) -> dict[str, float]:
    return {metric.name: metric.samples[""] for metric in serving.metrics()}


async def test_fills_an_empty_secret_publishes_and_then_has_nothing_to_do(cluster: Cluster, clock: Clock) -> None:
    serving = certificate(cluster, clock)
    await serving.refresh()
    await serving.refresh()

    held = material_of(cluster.data)
    assert held.current is not None
    assert cluster.published == {CA_KEY: held.current.authority.pem}
    assert cluster.log == ["secret", "configmap"]
    assert metrics(serving) == {
        "grapevine_tls_expiry_timestamp_seconds": clock.now_s + 900,
        "grapevine_tls_certificates": 1,
        "grapevine_tls_refresh_failures": 0,
    }


async def test_a_second_replica_and_a_restart_take_what_is_there(cluster: Cluster, clock: Clock) -> None:
    await certificate(cluster, clock).refresh()
    before = dict(cluster.data)
    await certificate(cluster, clock).refresh()

    assert (cluster.data, cluster.log) == (before, ["secret", "configmap"])


async def test_of_two_that_begin_together_one_wins(cluster: Cluster, clock: Clock) -> None:
    theirs = a_pair("localhost", now_s=clock.now_s)
    cluster.interfere = data_of(Material(theirs))
    await certificate(cluster, clock, 3_600).refresh()

    assert material_of(cluster.data).current == theirs
    assert cluster.published == {CA_KEY: theirs.authority.pem}
    assert cluster.log == ["configmap"]


async def test_rotates_in_two_steps_publishing_first(cluster: Cluster, clock: Clock) -> None:
    serving = certificate(cluster, clock)
    await serving.refresh()
    old = material_of(cluster.data).current
    clock.now_s += 600
    await serving.refresh()
    prepared = material_of(cluster.data)
    assert (prepared.current, metrics(serving)["grapevine_tls_certificates"]) == (old, 1)
    assert prepared.successor is not None
    assert prepared.successor.authority.pem in cluster.published[CA_KEY]

    clock.now_s += 100
    await serving.refresh()

    assert material_of(cluster.data).current == prepared.successor
    assert metrics(serving)["grapevine_tls_certificates"] == 2
    assert old is not None
    assert old.authority.pem in cluster.published[CA_KEY]
    clock.now_s += 200
    await serving.refresh()
    assert cluster.published == {CA_KEY: prepared.successor.authority.pem}


async def test_an_open_listener_serves_the_new_one_to_the_next_connection(cluster: Cluster, clock: Clock) -> None:
    first, second = (a_pair("localhost", now_s=clock.now_s) for _ in range(2))

    async def greet(port: int) -> str:
        context = client_context(first, second)
        context.verify_flags |= 0x200000  # X509_V_FLAG_NO_CHECK_TIME: the test's clock is not OpenSSL's
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        served = writer.get_extra_info("ssl_object").getpeercert()["issuer"][0][0][1]
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return str(served)

    serving = certificate(cluster, clock, 3_600)
    cluster.data = data_of(Material(first))
    await serving.refresh()
    async with await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 0, ssl=serving.context) as server:
        port = server.sockets[0].getsockname()[1]
        before = await greet(port)
        cluster.data, cluster.version = data_of(Material(second)), 9
        await serving.refresh()
        assert await greet(port) != before


async def test_a_secret_that_keeps_changing_is_told(cluster: Cluster, clock: Clock) -> None:
    async def lose(data: Mapping[str, bytes], version: str) -> bool:
        return False

    cluster.write = lose  # type: ignore[method-assign]
    with pytest.raises(RetryableError, match="keeps changing; is something else writing it"):
        await certificate(cluster, clock).refresh()


async def test_goes_on_serving_while_the_api_server_is_away(
    cluster: Cluster, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    serving = certificate(cluster, clock, lifetime_s=0.3)  # looks every 10 ms
    await serving.refresh()
    cluster.fails = PermanentInputError("forbidden")
    running = asyncio.create_task(serving.run())
    while metrics(serving)["grapevine_tls_refresh_failures"] < 3:  # noqa: ASYNC110 - what is awaited is a count
        await asyncio.sleep(0.005)
    cluster.fails = None
    clock.now_s += 1
    while metrics(serving)["grapevine_tls_certificates"] < 2:  # noqa: ASYNC110 - what is awaited is a count
        await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.wait([running])

    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["serving certificate not refreshed"]


async def test_a_key_that_openssl_does_not_take_is_told(cluster: Cluster, clock: Clock) -> None:
    serving = certificate(cluster, clock)
    serving.context.set_ciphers("ALL:@SECLEVEL=5")  # 256 bits where the pair has 128
    with pytest.raises(PermanentInputError, match=r"cannot be served: .*; remove the Secret's data"):
        await serving.refresh()
