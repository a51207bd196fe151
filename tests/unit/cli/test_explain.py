"""`grapevine explain`: what it prints of each answer, how it ends, and what it says where nothing answers."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from tests.support.builders import T0, a_workload

from grapevine.cli.explanation import explanation_lines, parse_client, to_json
from grapevine.cli.main import main
from grapevine.insight.explain import (
    EdgeView,
    Explanation,
    NameView,
    NoiseView,
    OwnerView,
    SeenView,
    TargetView,
    Verdict,
)
from grapevine.model.errors import PermanentInputError

NAME = NameView(
    name="both.shop.svc.cluster.local",
    is_answered=True,
    lookups=SeenView(3, T0, T0 + 2_000),
    connections=None,
    ports=(),
    pods=("web-1-1", "web-1-2"),
    resolvers=("10.96.0.10",),
    answers=("10.96.0.2",),
    sources=("packet",),
    shared_with=(),
)
EDGE = EdgeView(
    target=TargetView("service", "shop", "", "both"),
    evidence=("dns",),
    confidence=75,
    because="it looked the name up and was answered",
    count=3,
    first_ms=T0,
    last_ms=T0 + 2_000,
    names=(NAME,),
    cut=0,
    owners=(OwnerView(a_workload("canary"), 1, 2, 0, 25), OwnerView(a_workload("cart"), 2, 6, 0, 75)),
    service_ports=(80,),
)
FOUND = Explanation(Verdict.EDGE, a_workload(), "both", edges=(EDGE,), noise=(NoiseView("search-list", 1_234, ()),))
Serve = Callable[[int, object], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answers every request on loopback with one status and body, and remembers the last path."""
    servers: list[HTTPServer] = []

    def start(status: int, content: object) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = content if isinstance(content, bytes) else json.dumps({**content, "path": self.path}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_an_edge_is_told_from_the_names_to_the_rule() -> None:
    assert explanation_lines(to_json(FOUND)) == [
        "shop/web (Deployment) → shop/both (Service)",
        "  confidence  75 % (dns): it looked the name up and was answered",
        "  seen        at least 3 times, 2023-11-14T22:13:20Z to 2023-11-14T22:13:22Z",
        "  behind it   shop/canary (Deployment), 1 pods, 25 % of what was seen",
        "  behind it   shop/cart (Deployment), 2 pods, 75 % of what was seen",
        "  ambiguity   several workloads are behind the Service, so the Service is the target",
        "  port        80, by the Service",
        "  by both.shop.svc.cluster.local",
        "    look-ups    3, answered, 2023-11-14T22:13:20Z to 2023-11-14T22:13:22Z",
        "    pods        web-1-1, web-1-2",
        "    resolvers   10.96.0.10",
        "    answers     10.96.0.2",
        "    heard by    packet",
        "",
        "Left out of what this client did, by reason (docs/reference/operator.md):",
        "  search-list                1,234",
    ]


@pytest.mark.parametrize("verdict", [v for v in Verdict if v != Verdict.EDGE])
def test_every_other_verdict_is_a_sentence_about_the_client(verdict: Verdict) -> None:
    is_known = verdict not in (Verdict.CLIENT_UNKNOWN, Verdict.CLIENT_AMBIGUOUS)
    answer = Explanation(verdict, a_workload() if is_known else None, "cart", candidates=(a_workload(),))
    (line,) = explanation_lines(to_json(answer), "shop/web")

    assert line.startswith("shop/web (Deployment) " if is_known else "shop/web ")
    assert len(line) > len("shop/web (Deployment) ")


def test_the_client_may_be_named_in_three_ways() -> None:
    assert parse_client("web", "shop", "CLIENT") == a_workload(kind="")
    assert parse_client("shop/web", "other", "CLIENT") == a_workload(kind="")
    assert parse_client("shop/Deployment/web", "other", "CLIENT") == a_workload()
    for wrong in ("", "a/b/c/d", "a//b"):
        with pytest.raises(PermanentInputError, match=r"CLIENT: .* names no workload"):
            parse_client(wrong, "shop", "CLIENT")


def test_asks_the_operator_and_prints_its_answer(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    url = serve(200, asdict(FOUND))

    assert main(["explain", "shop/Deployment/web", "both", "--operator", url, "-o", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["path"] == "/api/v1/explain?client=shop%2Fweb&kind=Deployment&target=both"
    assert answer["edges"][0]["confidence"] == 75
    assert main(["explain", "-n", "shop", "web", "both", "--operator", url]) == 0
    assert capsys.readouterr().out.startswith("shop/web (Deployment) → shop/both (Service)\n")


def test_no_edge_ends_with_one(serve: Serve) -> None:
    url = serve(200, asdict(Explanation(Verdict.NOT_SEEN, a_workload(), "cart")))

    assert main(["explain", "shop/web", "cart", "--operator", url]) == 1


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, {"error": "client: give NAMESPACE/NAME"}, "client: give NAMESPACE/NAME"),
        (404, b"<html>", "HTTP 404: what answers there is no operator, or another version"),
        (200, b"<html>", "what answers there is no operator"),
    ],
)
def test_another_answer_is_one_line(
    status: int, body: object, says: str, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "shop/web", "cart", "--operator", serve(status, body)]) == 2
    assert says in capsys.readouterr().err


def test_without_an_operator_it_says_how_to_reach_one(capsys: pytest.CaptureFixture[str], unused_tcp_port: int) -> None:
    assert main(["explain", "shop/web", "cart", "--operator", f"http://127.0.0.1:{unused_tcp_port}"]) == 2
    error = capsys.readouterr().err

    assert f"no operator answers at http://127.0.0.1:{unused_tcp_port}" in error
    assert "without --operator its pod is found through the kubeconfig" in error


def test_a_url_that_is_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "shop/web", "cart", "--operator", "127.0.0.1:8082"]) == 2
    assert "--operator: '127.0.0.1:8082' is no such URL" in capsys.readouterr().err
