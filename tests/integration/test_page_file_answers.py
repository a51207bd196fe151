"""A page that is a file answers its own questions in JavaScript: as the operator would, of the same map."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.browser import Page, browsing

from grapevine.view.html import to_html
from grapevine.view.reach import Cause, blast
from grapevine.view.selection import part_of
from grapevine.view.servicemap import DOMAIN, SERVICE, STATES, Link, NodeRef, Relation, ServiceMap, service_map
from grapevine.view.wire import blast_fields, link_fields
from grapevine.web.pagefiles import DIRECTORY
from grapevine.web.part import part_of_query

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ASKING = 'import { ask } from "./api.js";\nwindow.ask = ask;\n'
"""In place of the page's own first module: its answers alone."""
FILES = {path.name: path.read_text() for path in DIRECTORY.iterdir()} | {"main.js": ASKING}
SEEDS = range(6)
QUESTIONS = 60


def a_world(draw: random.Random) -> ServiceMap:
    """Return a map of a bit of everything: kinds, states, evidence, Services with several behind, names outside."""
    workloads = [
        NodeRef(f"team-{draw.randrange(3)}", draw.choice(("Deployment", "StatefulSet", "")), f"app-{number}")
        for number in range(12)
    ]
    services = [NodeRef(f"team-{draw.randrange(3)}", SERVICE, f"front-{number}") for number in range(3)]
    outside = [NodeRef("", DOMAIN, f"api-{number}.example.com") for number in range(3)]
    links = {}
    for _ in range(40):
        client, target = draw.choice(workloads), draw.choice([*workloads, *services, *outside])
        if client != target:
            evidence = draw.choice(((), ("dns",), ("connection",), ("connection", "dns")))
            state = draw.choice(STATES[:3]) if evidence else "declared"
            first = draw.randrange(1, 900) if evidence else 0
            last = first + draw.randrange(100) if evidence else 0
            sure = draw.choice((35, 50, 75, 85, 95, 98)) if evidence else 0
            names = (f"svc-{draw.randrange(9)}.local",)
            links[client, target] = Link(client, target, evidence, sure, state, first, last, 3, names=names)
    for service in services:
        for workload in draw.sample(workloads, 2):
            links[service, workload] = Link(service, workload, relation=Relation.BEHIND)
    return service_map((), links.values())


def a_question(draw: random.Random, world: ServiceMap) -> dict[str, str]:
    """Return a query with some choices of a part."""
    choices = {
        "namespace": draw.choice(("team-0", "team-1,team-2", "team-9")),
        "kind": draw.choice(("Deployment", "workload,Domain", "Service")),
        "state": draw.choice(("active", "idle,stale", "declared")),
        "line": draw.choice(("solid", "dashed,dotted")),
        "since_ms": str(draw.randrange(1_000)),
        "new_since_ms": str(draw.randrange(1_000)),
        "confidence": draw.choice(("40", "80")),
        "outside": "1",
        "search": draw.choice(("APP-1", "team-2/", "svc-3", "example.com", "nowhere")),
        "focus": str(draw.choice(world.nodes).ref),
        "depth": str(draw.randrange(1, 4)),
    }
    return {key: choices[key] for key in draw.sample(sorted(choices), draw.randrange(4))}


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    async with browsing(tmp_path) as page:
        yield page
        assert page.errors == []


async def opened(page: Page, world: ServiceMap, path: Path) -> None:
    await asyncio.to_thread(path.write_text, to_html(world, "map", FILES, "2026-01-01 00:00"))
    await page.open(path.as_uri())
    await page.until("window.ask")


async def asked(page: Page, path: str, query: Mapping[str, str]) -> Any:
    text = await page.run(f"ask({json.dumps(path)}, {json.dumps(dict(query))}).then(JSON.stringify)")
    return json.loads(text)


def without_names(links: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return links as the operator tells them: the file has the names asked for too, to search in."""
    return [{key: value for key, value in link.items() if key != "names"} for link in links]


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_part_is_the_one_the_operator_chooses(tmp_path: Path, page: Page, seed: int) -> None:
    draw = random.Random(seed)
    world = a_world(draw)
    await opened(page, world, tmp_path / "map.html")

    for _ in range(QUESTIONS):
        query = a_question(draw, world)
        found = await asked(page, "edges", query)

        expected = part_of(world, part_of_query(query, world)).links
        links = without_names(found["links"])
        assert sorted(map(json.dumps, map(link_fields, expected))) == sorted(map(json.dumps, links)), query
        assert found["total"] == len(expected)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_blast_radius_is_the_one_the_operator_tells(tmp_path: Path, page: Page, seed: int) -> None:
    world = a_world(random.Random(seed))
    await opened(page, world, tmp_path / "map.html")

    for node in world.nodes:
        for cause in Cause:
            found = await asked(page, "blast", {"workload": str(node.ref), "cause": cause.value})

            expected = json.loads(json.dumps(blast_fields(blast(world, node.ref, cause))))
            for each in found["reached"]:
                each["chain"] = without_names(each["chain"])
            assert expected["reached"] == found["reached"], (node.ref, cause)
            assert expected["circle"] == found["circle"]
