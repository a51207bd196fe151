"""The API over TLS: tokens before anything else, the same answers and headers as on loopback, bounds by peer."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.support.tls import a_pair, client_context, server_context
from tests.support.web import NoViews, an_api
from tests.unit.web.test_readers import Cluster

from grapevine import __version__
from grapevine.model.errors import PermanentInputError
from grapevine.web.api import ApiServer
from grapevine.web.readers import Readers

PAIR = a_pair()
CLIENT = client_context(PAIR)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
async def server(cluster: Cluster) -> AsyncIterator[ApiServer]:
    server = an_api(NoViews())
    await server.start("127.0.0.1", 0)
    await server.start_tls("127.0.0.1", 0, server_context(PAIR), Readers(cluster, cluster))
    yield server
    await server.stop()


async def ask(
    server: ApiServer, path: str, token: str = "", *, client: aiohttp.ClientSession | None = None
) -> tuple[int, str, aiohttp.typedefs.CIMultiDictProxy[str]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"https://127.0.0.1:{server.tls_port}{path}"
    own = client or aiohttp.ClientSession()
    try:
        async with own.get(url, headers=headers, ssl=CLIENT, server_hostname="localhost") as answer:
            return answer.status, await answer.text(), answer.headers
    finally:
        if client is None:
            await own.close()


def refused(server: ApiServer) -> dict[str, float]:
    return dict({metric.name: metric.samples for metric in server.metrics()}["grapevine_api_refused"])


@pytest.mark.parametrize("path", ["/", "/page/page.css", "/api/v1/version", "/api/v1/graph", "/api/v1/nothing"])
async def test_without_a_token_there_is_nothing_to_see(server: ApiServer, path: str) -> None:
    status, text, headers = await ask(server, path)

    assert 401 == status
    assert "Bearer" == headers["WWW-Authenticate"]
    assert "--token-file" in json.loads(text)["error"]
    assert {"no-token": 1} == refused(server)


async def test_who_may_not_read_is_told_the_right_that_is_missing(server: ApiServer) -> None:
    status, text, _ = await ask(server, "/api/v1/graph", "bob's")

    assert 403 == status
    assert "verbs: [list]" in json.loads(text)["error"]
    assert {"forbidden": 1} == refused(server)


async def test_a_reader_gets_what_loopback_gets(server: ApiServer) -> None:
    async with aiohttp.ClientSession() as client:
        for path in ("/", "/api/v1/version", "/api/v1/graph", "/api/v1/nothing"):
            async with client.get(f"http://127.0.0.1:{server.port}{path}") as answer:
                expected = answer.status, await answer.text()
                headers = {key: value for key, value in answer.headers.items() if key != "Date"}
            status, text, found = await ask(server, path, "alice's", client=client)
            assert expected == (status, text)
            assert headers == {key: value for key, value in found.items() if key != "Date"}

    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert {} == refused(server)


async def test_on_loopback_no_token_is_asked_for(server: ApiServer, cluster: Cluster) -> None:
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{server.port}/api/v1/version") as answer,
    ):
        assert {"version": __version__} == await answer.json()

    assert [] == cluster.reviews


async def test_a_stream_of_changes_outlives_the_time_for_idle_connections(server: ApiServer) -> None:
    url = f"https://127.0.0.1:{server.tls_port}/api/v1/changes"
    headers = {"Authorization": "Bearer alice's"}
    async with (
        aiohttp.ClientSession() as client,
        client.get(url, headers=headers, ssl=CLIENT, server_hostname="localhost") as answer,
    ):
        assert b"event: change\n" == await answer.content.readline()
        (guard,) = server._listener._guards.values()  # type: ignore[union-attr]
        left_s = guard._timer.when() - guard._timer._loop.time()  # type: ignore[union-attr]
        assert left_s > 600, "a stream lasts ten minutes"


async def test_an_api_server_that_is_away_is_a_503(server: ApiServer, cluster: Cluster) -> None:
    cluster.is_away = True

    status, text, headers = await ask(server, "/api/v1/version", "alice's")

    assert (503, "5") == (status, headers["Retry-After"])
    assert "log says why" in json.loads(text)["error"]
    assert {"unreviewed": 1} == refused(server)


async def test_guessing_tokens_gets_slow(server: ApiServer, cluster: Cluster) -> None:
    async with aiohttp.ClientSession() as client:
        statuses = [(await ask(server, "/", f"guess-{number}", client=client))[0] for number in range(15)]

    assert 401 == statuses[0]
    assert 429 == statuses[-1]
    assert refused(server)["rate"] >= 1
    assert len(cluster.reviews) < 2 * len(statuses)


async def test_an_address_that_is_taken_is_named(server: ApiServer, cluster: Cluster) -> None:
    other = an_api(NoViews())
    with pytest.raises(PermanentInputError, match=r"cannot listen on .* for the API: .*--api-tls-listen"):
        await other.start_tls("127.0.0.1", server.tls_port, server_context(PAIR), Readers(cluster, cluster))
    await other.stop()
