"""What an answer to a TokenReview means; what a real API server answers is in tests/integration."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from grapevine.kube.session import Session
from grapevine.kube.token_review import TokenReviewer
from grapevine.model.errors import RetryableError
from grapevine.model.identity import ObjectName, TokenReview

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]

CAPTURE = "system:serviceaccount:grapevine-capture:grapevine-capture"
ACCOUNT = ObjectName("grapevine-capture", "grapevine-capture")
POD = {"authentication.kubernetes.io/pod-name": ["p"], "authentication.kubernetes.io/pod-uid": ["u"]}
NODE = {"authentication.kubernetes.io/node-name": ["node-7"]}


def status(username: str = CAPTURE, *, extra: Any = NODE | POD, audiences: Any = ("grapevine",)) -> dict[str, Any]:
    return {"authenticated": True, "user": {"username": username, "extra": extra}, "audiences": audiences}


def whose(answer: dict[str, Any]) -> str | None:
    """Return the user of a token that is good for us."""
    is_ours = answer.get("authenticated") and "grapevine" in (answer["audiences"] or ())
    return answer["user"]["username"] if is_ours else None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (status(), TokenReview(ACCOUNT, "node-7", pod=ObjectName("grapevine-capture", "p"), pod_uid="u")),
        (status(extra=POD), TokenReview(ACCOUNT, pod=ObjectName("grapevine-capture", "p"), pod_uid="u")),
        (status(extra=NODE | dict([*POD.items()][:1])), TokenReview(ACCOUNT, "node-7")),
        (status(extra=None), TokenReview(ACCOUNT)),
        (status(extra={next(iter(NODE)): []}), TokenReview(ACCOUNT)),
        (status("system:admin"), TokenReview(None, reason="it is no service account's")),
        (status("a:system:serviceaccount:b:c"), TokenReview(None, reason="it is no service account's")),
        (status("system:serviceaccount:only"), TokenReview(None, reason="it is no service account's")),
        (status(audiences=None), TokenReview(None, reason="it is not for audience grapevine")),
        (status(audiences=["api"]), TokenReview(None, reason="it is not for audience grapevine")),
        ({"authenticated": False, "error": "expired"}, TokenReview(None, reason="expired")),
        ({}, TokenReview(None, reason="not authenticated")),
    ],
)
async def test_judges_an_answer(serve: Serve, answer: dict[str, Any], expected: TokenReview) -> None:
    asked: list[Any] = []

    async def review(request: web.Request) -> web.Response:
        asked.append((request.path, (await request.json())["spec"]))
        return web.json_response({"status": answer}, status=201)

    async with await Session.open(await serve(review)) as session:
        found = await TokenReviewer(session).review("t", "grapevine")

    assert replace(found, user=None) == expected
    assert (found.user and found.user.name) == whose(answer)
    assert asked == [("/apis/authentication.k8s.io/v1/tokenreviews", {"token": "t", "audiences": ["grapevine"]})]


@pytest.mark.parametrize(
    ("code", "body", "text"),
    [
        (403, "{}", r"grant it: apiGroups: \[\"authentication.k8s.io\"\], resources: \[tokenreviews\]"),
        (500, "{}", "500"),
        (201, "hello", "no token can be reviewed"),
        (201, "{}", "no token can be reviewed"),
    ],
)
async def test_an_answer_that_is_none_may_come_later(serve: Serve, code: int, body: str, text: str) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=code, text=body)

    async with await Session.open(await serve(refuse)) as session:
        with pytest.raises(RetryableError, match=text):
            await TokenReviewer(session).review("t", "grapevine")
