"""Who is let in, how often the API server is asked, and what a flood can do."""

import asyncio
from collections.abc import Callable

import pytest
from tests.support.builders import LATER, T0, a_pod, an_index

from grapevine.ingest.authentication import Authenticator, PodNodes
from grapevine.model.errors import RetryableError
from grapevine.model.identity import ObjectName, TokenReview
from grapevine.resolver.records import PodRecord, RecordGone
from grapevine.serving.tokens import AuthenticationLimits, Denied

CAPTURE = ObjectName("grapevine-capture", "grapevine-capture")


class ApiServer:
    """Knows tokens by name; counts how often it is asked."""

    def __init__(self) -> None:
        self.reviews = {
            "good": TokenReview(CAPTURE, "node-1"),
            "other": TokenReview(ObjectName("shop", "web"), "node-1"),
            "nodeless": TokenReview(CAPTURE),
            "1.31": TokenReview(CAPTURE, pod=ObjectName("grapevine-capture", "capture-x"), pod_uid="u"),
            "expired": TokenReview(None, reason="token has expired ä"),
        }
        self.asked: list[tuple[str, str]] = []
        self.is_away = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.most_at_once = self.at_once = 0

    async def review(self, token: str, audience: str) -> TokenReview:
        self.asked.append((token, audience))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
        finally:  # also of one that is given up
            self.at_once -= 1
        if self.is_away:
            raise RetryableError("unreachable")
        return self.reviews.get(token, TokenReview(None, reason="invalid"))


@pytest.fixture
def api() -> ApiServer:
    return ApiServer()


def authenticator(
    api: ApiServer,
    limits: AuthenticationLimits | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    pods: PodNodes | None = None,
) -> Authenticator:
    return Authenticator(api, [CAPTURE], pods or an_index(), limits, clock)


async def denied(asked: Authenticator, header: str) -> tuple[str, str]:
    with pytest.raises(Denied) as refused:
        await asked.node_of(header)
    return refused.value.result, str(refused.value)


async def test_the_node_is_the_tokens(api: ApiServer) -> None:
    assert await authenticator(api).node_of("Bearer good") == "node-1"
    assert api.asked == [("good", "grapevine")]


async def test_a_token_that_names_its_pod_alone_is_of_the_pods_node_as_soon_as_that_is_known(api: ApiServer) -> None:
    def capture_pod(uid: str, node: str) -> PodRecord:
        return a_pod("capture-x", namespace="grapevine-capture", uid=uid, node=node)

    index = an_index(capture_pod("u", ""))
    asked = authenticator(api, pods=index)
    for change, node in (
        (capture_pod("u", ""), ""),
        (capture_pod("u", "node-2"), "node-2"),
        (RecordGone(capture_pod("u", "node-2"), T0), ""),
        (capture_pod("another", "node-3"), ""),
    ):
        index.apply([change], LATER)
        if node:
            assert await asked.node_of("Bearer 1.31") == node
        else:
            assert (await denied(asked, "Bearer 1.31"))[0] == "no-node"

    assert len(api.asked) == 1, "the verdict is kept, the node is not"


@pytest.mark.parametrize(
    ("header", "result", "reason"),
    [
        ("", "no-token", "Authorization: Bearer TOKEN"),
        ("Basic good", "no-token", "Authorization: Bearer TOKEN"),
        ("Bearer ", "no-token", "Authorization: Bearer TOKEN"),
        ("Bearer " + "x" * 8_193, "bad-token", "over 8192 characters"),
        ("Bearer two words", "bad-token", "or none"),
        ("Bearer t\x00", "bad-token", "or none"),
        ("Bearer expired", "token-refused", "for audience grapevine: token has expired ?"),
        ("Bearer other", "wrong-account", "service account shop/web is not capture's"),
        ("Bearer nodeless", "no-node", "names neither node nor pod"),
        ("Bearer 1.31", "no-node", "node of pod grapevine-capture/capture-x is not known yet; come again"),
    ],
)
async def test_says_why_nobody_else_comes_in(api: ApiServer, header: str, result: str, reason: str) -> None:
    said, why = await denied(authenticator(api), header)

    assert said == result
    assert reason in why


async def test_asks_once_in_a_while(api: ApiServer) -> None:
    now_s = 0.0
    asked = authenticator(api, clock=lambda: now_s)
    for at_s, good, bad in ((0, 1, 1), (9.9, 1, 1), (10.0, 1, 2), (59.9, 1, 3), (60.0, 2, 3)):
        now_s = at_s
        await asked.node_of("Bearer good")
        await denied(asked, "Bearer expired")
        names = [token for token, _ in api.asked]
        assert (names.count("good"), names.count("expired")) == (good, bad), at_s


async def test_a_flood_of_bad_tokens_does_not_make_a_good_one_forgotten(api: ApiServer) -> None:
    asked = authenticator(api, AuthenticationLimits(max_refused=4))
    await asked.node_of("Bearer good")
    for number in range(20):
        await denied(asked, f"Bearer {number}")
    await asked.node_of("Bearer good")

    assert len(api.asked) == 21
    assert asked.refused == 4


async def test_few_reviews_at_once_and_none_for_ever(api: ApiServer) -> None:
    asked = authenticator(api, AuthenticationLimits(max_reviews=2, review_timeout_s=0.1))
    api.gate.clear()
    outcomes = await asyncio.gather(*(asked.node_of(f"Bearer {n}") for n in range(6)), return_exceptions=True)

    assert api.most_at_once == 2
    assert {str(each) for each in outcomes} == {"too many tokens wait to be reviewed; come again"}


async def test_no_verdict_is_kept_of_an_api_server_that_is_away(api: ApiServer) -> None:
    asked = authenticator(api)
    api.is_away = True
    with pytest.raises(RetryableError, match="unreachable"):
        await asked.node_of("Bearer good")
    api.is_away = False
    assert await asked.node_of("Bearer good") == "node-1"
