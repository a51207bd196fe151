"""Odd text by every way into the operator: batches, annotations. Every endpoint answers, metrics and plans are made."""

import asyncio
import json
from collections.abc import Callable, Mapping

import pytest
from tests.support.builders import (
    a_batch,
    a_deployment,
    a_pod_of,
    a_service,
    a_slice,
    an_observation,
)
from tests.support.fake_writer import FakeWriter
from tests.support.large_map import NOW_MS, QUESTIONS, asking
from tests.support.maps import HOSTILE

from grapevine.export.prometheus import Exposition
from grapevine.intents.render import render_object
from grapevine.kube.manifests import to_yaml
from grapevine.model.value import replace
from grapevine.pipeline import Pipeline
from grapevine.settings import OperatorSettings, ResolverSettings
from grapevine.wire.codec import decode_batch, encode_batch

LONGEST = ".".join((*("x" * 63 for _ in range(3)), "x" * 61))
HARMLESS = ["xn--bcher-kva.example", LONGEST, "_sip._tcp.example.com"]
NAMES = [*HOSTILE, *HARMLESS]
SHOP = [
    *a_deployment("web"),
    a_pod_of("web", 1, "10.0.0.9"),
    *a_deployment("cart"),
    a_pod_of("cart", 1, "10.0.0.8"),
    a_service("cart", ports=(8080,)),
    a_slice("cart", "cart-1-1"),
]


def batch_of(names: list[str]) -> bytes:
    """Return a batch as whoever has a token may write one: JSON, with any text for a name."""
    observations = [an_observation(f"name-{number}.example", first_ms=NOW_MS - 1_000) for number in range(len(names))]
    text = encode_batch(a_batch(*observations, clock_ms=NOW_MS)).decode()
    for number, name in enumerate(names):
        text = text.replace(f'"name-{number}.example"', json.dumps(name))
    return text.encode()


def a_pipeline(*overrides: str) -> Pipeline:
    pipeline = Pipeline(OperatorSettings(resolver=ResolverSettings(settle_ms=0)), FakeWriter(), lambda: NOW_MS)
    pods = [replace(a_pod_of("web", 100 + n, f"10.0.1.{n}"), override=text) for n, text in enumerate(overrides)]
    pipeline.on_records([*SHOP, *pods])
    return pipeline


def ask_everything(pipeline: Pipeline) -> None:
    """Ask every endpoint, `/metrics`, and for every client's object."""
    with asking(pipeline) as ask:
        for path, query in QUESTIONS:
            if path not in ("/api/v1/blast", "/api/v1/intents") and "focus" not in query:
                ask(path, query)
        for client in pipeline.graph.clients:
            _ask_about(ask, client.namespace, client.kind, client.name)
    assert Exposition((pipeline.metrics,)).render()
    for client in pipeline.graph.clients:
        rendered = render_object(pipeline.desired(client), "an-object")
        assert json.loads(json.dumps(rendered, ensure_ascii=False).encode())
        assert to_yaml(rendered).encode()


def _ask_about(ask: Callable[[str, Mapping[str, str]], bytes], namespace: str, kind: str, name: str) -> None:
    node = f"{namespace}/{kind}/{name}"
    ask("/api/v1/intents", {"client": node})
    ask("/api/v1/blast", {"workload": node, "cause": "compromised"})
    ask("/api/v1/graph", {"focus": node})


def test_names_in_batches_are_host_names_or_counted() -> None:
    pipeline = a_pipeline()
    batch = decode_batch(batch_of(NAMES))

    asyncio.run(pipeline.intake.process(batch))

    names = {name for c in pipeline.graph.clients for edge in pipeline.edges(c) for name in edge.names}
    assert {*HARMLESS} <= names
    assert all(name.isascii() and name.isprintable() for name in names)
    lookups = pipeline.intake.accounts()["lookups"]
    assert len(NAMES) == sum(batch.skipped.values()) + lookups.taken_in, "what is no text is counted"
    assert 0 == lookups.missing
    ask_everything(pipeline)


@pytest.mark.parametrize("name", [each for each in NAMES if "\ud800" not in each and "/" not in each and each.strip()])
def test_a_workloads_name_in_an_annotation_may_be_any_text(name: str) -> None:
    pipeline = a_pipeline(name)
    seen = an_observation("api.example.com", client_ip="10.0.1.0", first_ms=NOW_MS - 1_000)

    asyncio.run(pipeline.intake.process(a_batch(seen, clock_ms=NOW_MS)))

    assert 1 == len(list(pipeline.graph.clients))
    ask_everything(pipeline)
