"""Every endpoint at 1,000 workloads and 20,000 edges: it answers, and within bounds that do not grow with the map."""

import asyncio
import csv
import io
import json

import pytest
from tests.support.large_map import QUESTIONS, asking, large_pipeline
from tests.support.web import FixedMap

from grapevine.view.selection import MAX_NODES
from grapevine.web import news
from grapevine.web.api import ROUTES
from grapevine.web.graph import ANSWERS, MAX_EDGES, MAX_FOUND, MAX_REACHED, GraphAnswers

EDGES = 20_000
MAX_BYTES = 8 << 20
"""What the commands read of an answer at most."""


@pytest.fixture(scope="module")
def answers() -> list[tuple[str, bytes]]:
    """Path and body of the answer to each question."""
    with asking(asyncio.run(large_pipeline())) as ask:
        return [(path, ask(path, query)) for path, query in QUESTIONS]


def test_every_endpoint_is_asked() -> None:
    paths = {*ROUTES, *ANSWERS, *GraphAnswers(FixedMap()).routes(), news.PATH}

    assert paths == {path for path, _ in QUESTIONS}


def test_every_answer_is_bounded(answers: list[tuple[str, bytes]]) -> None:
    assert {} == {path: len(body) for path, body in answers if len(body) > MAX_BYTES}
    graphs = [json.loads(body) for path, body in answers if path == "/api/v1/graph"]
    assert [True] * len(graphs) == [len(each["nodes"]) <= MAX_NODES for each in graphs]
    assert graphs[0]["calls"] >= EDGES, "all of it is shown, joined"
    for path, body in answers:
        if path == "/api/v1/edges":
            assert (EDGES, MAX_EDGES) == (json.loads(body)["total"], len(json.loads(body)["links"]))
        elif path == "/api/v1/search":
            assert len(json.loads(body)["nodes"]) == MAX_FOUND
        elif path == "/api/v1/blast":
            assert len(json.loads(body)["reached"]) <= MAX_REACHED
        elif path == "/api/v1/edges.csv":
            assert len(list(csv.reader(io.StringIO(body.decode())))) >= EDGES
