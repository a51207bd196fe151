"""New edges to a real receiver on loopback: signed, in order, tried again, bounded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.builders import T0, a_new_edge
from tests.support.loop import until
from tests.support.webhooks import SECRET, Receiver

from grapevine.export import webhook as webhook_module
from grapevine.export.webhook import Webhook
from grapevine.insight.news import NewsItem, NewsLog
from grapevine.model.errors import PermanentInputError
from grapevine.settings import WebhookSettings, operator_settings


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return file


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_module, "pause_s", lambda _tried, asked_s, _chance: asked_s)


def items(*names: str) -> list[NewsItem]:
    log = NewsLog()
    return [log.add(a_new_edge(name), T0) for name in names]


def replace_secret(file: Path, *secrets: str) -> None:
    file.write_text("\n".join(secrets))


@asynccontextmanager
async def sending(receiver: Receiver, secret_file: Path, *, cluster: str = "") -> AsyncIterator[Webhook]:
    with receiver.serving():
        webhook = Webhook(WebhookSettings(receiver.url, str(secret_file), cluster=cluster), "i1", lambda: True)
        task = asyncio.create_task(webhook.run())
        try:
            yield webhook
        finally:
            task.cancel()
            await asyncio.wait([task])


def tell(webhook: Webhook, *names: str) -> None:
    for item in items(*names):
        webhook.tell(item, None)


def results(webhook: Webhook) -> dict[str, float]:
    return {result: count for result, count in webhook.metrics()[0].samples.items() if count}


async def test_a_message_says_what_is_new_and_is_signed(secret_file: Path) -> None:
    receiver = Receiver()
    async with sending(receiver, secret_file, cluster="east") as webhook:
        tell(webhook, "cart")
        await until(lambda: results(webhook) == {"delivered": 1})

    (body,) = receiver.taken
    assert (body["type"], body["timestamp"]) == ("grapevine.edge.new", "2023-11-14T22:13:20.000Z")
    assert body["data"]["cluster"] == "east"
    assert body["data"]["client"] == {"namespace": "shop", "kind": "Deployment", "name": "web"}
    assert body["data"]["target"] == {"type": "workload", "namespace": "shop", "kind": "Deployment", "name": "cart"}
    assert receiver.tries == [("i1/1", 204)]


async def test_what_fails_is_tried_again_under_its_id_and_what_follows_waits(secret_file: Path) -> None:
    receiver = Receiver(500, 302, 429)
    async with sending(receiver, secret_file) as webhook:
        tell(webhook, "cart", "catalog")
        await until(lambda: results(webhook) == {"delivered": 2})

    assert receiver.tries == [("i1/1", 500), ("i1/1", 302), ("i1/1", 429), ("i1/1", 204), ("i1/2", 204)]
    assert webhook.metrics()[1].samples == {"": 3}


async def test_one_that_is_not_fit_is_given_up_at_once_and_one_that_fails_for_long_later(secret_file: Path) -> None:
    receiver = Receiver(400, *[503] * webhook_module.TRIES)
    async with sending(receiver, secret_file) as webhook:
        tell(webhook, "cart", "catalog", "payment")
        await until(lambda: results(webhook) == {"refused": 1, "gave-up": 1, "delivered": 1})

    assert [name for name, _ in receiver.tries] == ["i1/1", *["i1/2"] * webhook_module.TRIES, "i1/3"]


async def test_a_receiver_that_is_gone_is_left_alone(secret_file: Path) -> None:
    receiver = Receiver(410)
    async with sending(receiver, secret_file) as webhook:
        tell(webhook, "cart", "catalog")
        await until(lambda: results(webhook) == {"gone": 2})
        tell(webhook, "payment")

    assert results(webhook) == {"gone": 3}
    assert receiver.tries == [("i1/1", 410)]


async def test_a_secret_that_is_replaced_is_used_from_the_next_try_on(
    secret_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver()
    replace_secret(secret_file, "A" * 44)
    async with sending(receiver, secret_file) as webhook:
        tell(webhook, "cart")
        await until(lambda: len(receiver.tries) > 0)
        replace_secret(secret_file, "A" * 44, SECRET)
        await until(lambda: results(webhook) != {})

    assert (receiver.tries[0], receiver.tries[-1]) == (("i1/1", 401), ("i1/1", 204))
    assert "private" not in caplog.text


async def test_more_than_has_room_is_dropped_and_counted(secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_module, "MAX_WAITING", 2)
    webhook = Webhook(WebhookSettings("http://127.0.0.1:1/", str(secret_file)), "i1", lambda: True)
    tell(webhook, "cart", "catalog", "payment")

    assert results(webhook) == {"queue-full": 1}
    assert webhook.metrics()[2].samples == {"": 2}


async def test_a_replica_that_does_not_lead_sends_nothing(secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_module, "_STANDBY_S", 0.0)
    leads = False
    with Receiver().serving() as receiver:
        webhook = Webhook(WebhookSettings(receiver.url, str(secret_file)), "i1", lambda: leads)
        task = asyncio.create_task(webhook.run())
        tell(webhook, "cart")
        for _ in range(20):
            await asyncio.sleep(0)
        assert receiver.tries == []

        leads = True
        await until(lambda: results(webhook) == {"delivered": 1})
        task.cancel()
        await asyncio.wait([task])


async def test_nobody_there_is_a_try_that_failed(
    secret_file: Path, unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    settings = WebhookSettings(f"http://127.0.0.1:{unused_tcp_port}/?token=private", str(secret_file))
    webhook = Webhook(settings, "i1", lambda: True)
    task = asyncio.create_task(webhook.run())
    tell(webhook, "cart")
    await until(lambda: results(webhook) == {"gave-up": 1})
    task.cancel()
    await asyncio.wait([task])

    assert caplog.text.count("the webhook did not take a message") == 1, "once a minute"
    assert "private" not in caplog.text


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("", "it holds no secret")])
async def test_a_file_that_cannot_be_used_is_named_at_the_start(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "none"
    if content is not None:
        file.write_text(content)
    with pytest.raises(PermanentInputError, match=rf"GRAPEVINE_WEBHOOK_SECRET_FILE: {file}: {said}"):
        Webhook(WebhookSettings("https://hooks.example.com/", str(file)), "i1", lambda: True)


async def test_authorities_that_are_none_are_named_at_the_start(secret_file: Path) -> None:
    with pytest.raises(PermanentInputError, match=rf"GRAPEVINE_WEBHOOK_CA_FILE: {secret_file}: "):
        Webhook(WebhookSettings("https://a.example/", str(secret_file), str(secret_file)), "i1", lambda: True)


@pytest.mark.parametrize("url", ["https://hooks.example.com/a?b=c", "http://127.0.0.1:8080/", "http://[::1]/"])
def test_https_or_loopback_may_be_told(url: str) -> None:
    environ = {
        "GRAPEVINE_WEBHOOK_URL": f" {url}\n",
        "GRAPEVINE_WEBHOOK_SECRET_FILE": "/a/secret",
        "GRAPEVINE_WEBHOOK_CA_FILE": "/a/ca.crt",
        "GRAPEVINE_CLUSTER_NAME": "east",
    }
    assert operator_settings(environ).webhook == WebhookSettings(url, "/a/secret", "/a/ca.crt", "east")
    assert operator_settings({}).webhook is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hooks.example.com/?token=private", "give https, or loopback"),
        ("ftp://127.0.0.1/private", "is no such URL"),
        ("https://user:private@example.com/", "is no such URL"),
        ("https:///private", "is no such URL"),
        ("https://[private/", "is no such URL"),
        ("https://a:99999/private", "is no such URL"),
    ],
)
def test_what_may_not_be_told_is_refused_and_not_shown(url: str, said: str) -> None:
    with pytest.raises(PermanentInputError, match=said) as refused:
        operator_settings({"GRAPEVINE_WEBHOOK_URL": url, "GRAPEVINE_WEBHOOK_SECRET_FILE": "s"})

    assert "private" not in str(refused.value)


def test_a_url_without_a_secret_is_refused() -> None:
    with pytest.raises(PermanentInputError, match="GRAPEVINE_WEBHOOK_SECRET_FILE"):
        operator_settings({"GRAPEVINE_WEBHOOK_URL": "https://hooks.example.com/"})


def test_the_settings_do_not_show_the_url() -> None:
    assert "private" not in repr(WebhookSettings("https://hooks.example.com/private", "s"))
