"""`grapevine watch`: what it prints of each answer, how it goes on, and what it says where nothing answers."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.builders import T0, a_new_edge, a_workload

from grapevine.cli import watch
from grapevine.cli.main import main
from grapevine.insight.news import NewsItem, NewsLog

Answer = tuple[int, dict[str, Any]]
LINE = "2023-11-14T22:13:20Z  shop/Deployment/web → shop/Deployment/cart  dns 75 %"


class Script:
    """Answers requests in turn, and then is away; keeps what was asked."""

    def __init__(self, answers: list[Answer]) -> None:
        self.asked: list[dict[str, str]] = []
        self.answers = answers


Serve = Callable[..., tuple[str, Script]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve answers on loopback, one after the other; the last ends the reader, as Ctrl-C does."""
    servers: list[HTTPServer] = []

    def start(*answers: Answer) -> tuple[str, Script]:
        script = Script(list(answers))

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                script.asked.append({k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()})
                status, content = script.answers.pop(0)
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever).start()
        servers.append(server)
        return f"--operator=http://127.0.0.1:{server.server_port}", script

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def item(**fields: Any) -> NewsItem:
    return NewsLog().add(a_new_edge(**fields), T0 + 5_000)


def page(*items: NewsItem, instance: str = "i1", next_seq: int = 1, missed: int = 0) -> Answer:
    return 200, {"instance": instance, "items": [asdict(each) for each in items], "next": next_seq, "missed": missed}


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were made; the third is where a person interrupts."""
    paused: list[float] = []

    def pause(seconds: float) -> None:
        paused.append(seconds)
        if len(paused) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.time, "sleep", pause)
    return paused


def test_prints_what_is_remembered_as_lines(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    operator, script = serve(page(item(), item(ports=(80, 443))), page(next_seq=2))

    assert main(["watch", "--once", operator]) == 0
    assert capsys.readouterr() == (f"{LINE}\n{LINE}  port 80,443\n", "")
    assert [asked["after"] for asked in script.asked] == ["0", "1"]


def test_who_has_listened_for_a_short_while_says_since_when(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    operator, _ = serve(page(item(listened_ms=30_000)), page())
    main(["watch", "--once", operator])

    assert capsys.readouterr().out == f"{LINE}  (listened to since 2023-11-14T22:12:55Z)\n"


def test_json_is_an_object_a_line_with_an_id_to_go_on_from(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    operator, _ = serve(page(item()), page())
    main(["watch", "--once", "-o", "json", operator])

    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"id": "i1/1", **json.loads(json.dumps(asdict(item())))}


def test_goes_on_after_an_id_in_some_namespaces(serve: Serve) -> None:
    operator, script = serve(page())
    main(["watch", "--once", "--after", "i7/41", "-n", "shop,billing", operator])

    assert script.asked == [{"after": "41", "instance": "i7", "wait": "0", "namespace": "shop,billing"}]


@pytest.mark.usefixtures("interrupted")
def test_an_operator_that_is_lost_is_asked_again_until_it_answers(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    operator, script = serve(page(item()), (421, {"error": "no replica leads now"}), page(instance="i2", next_seq=0))

    assert main(["watch", operator]) == 130
    out, said = capsys.readouterr()
    assert out == f"{LINE}\n"
    assert "no replica leads now; asking again until it answers" in said
    assert "another operator process answers now" in said
    assert [(asked.get("instance", ""), asked["after"]) for asked in script.asked[:4]] == [
        ("", "0"),
        ("i1", "1"),
        ("i1", "1"),
        ("i2", "0"),
    ]


def test_pauses_grow_while_nobody_answers(serve: Serve, interrupted: list[float]) -> None:
    operator, _ = serve(page())
    main(["watch", operator])

    assert interrupted == [1, 2, 4]


def test_says_what_it_missed(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    operator, _ = serve(page(missed=3))
    main(["watch", "--once", operator])

    assert "3 new edges came and were forgotten before they were asked for" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((421, {"error": "no replica leads now"}), "no replica leads now"),
        ((200, {"version": "0"}), "tells no news"),
        ((404, {"error": "Not Found"}), "Not Found"),
    ],
)
def test_a_first_question_that_fails_ends_it(
    serve: Serve, capsys: pytest.CaptureFixture[str], answer: Answer, said: str
) -> None:
    operator, _ = serve(answer)

    assert main(["watch", operator]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("text", ["x", "i1/", "i1/-2", "../1", "i1/1/1"])
def test_what_is_no_id_is_refused(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert main(["watch", "--after", text]) == 2
    assert f"--after: '{text}' is no id" in capsys.readouterr().err


def test_a_name_cannot_act_upon_the_terminal(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    operator, _ = serve(page(item(client=a_workload("web\x1b[2J"))), page())
    main(["watch", "--once", operator])

    assert "\x1b" not in capsys.readouterr().out
