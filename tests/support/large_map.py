"""A running map at the size of DESIGN §5, 1,000 workloads and 20,000 edges, and a question for every endpoint."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlencode
from urllib.request import urlopen

from bench.cluster import START_MS, name_of, namespace_of, observations, records
from tests.support.builders import a_batch
from tests.support.fake_writer import FakeWriter
from tests.support.web import an_api, served

from grapevine.model.observation import DnsObservation
from grapevine.pipeline import Pipeline
from grapevine.pipeline.live_map import LiveMap
from grapevine.pipeline.views import PipelineViews
from grapevine.settings import OperatorSettings, ResolverSettings
from grapevine.web.api import ApiServer

NOW_MS = START_MS + 120_000
_LOOKUPS_A_BATCH = 500
_TIMEOUT_S = 60.0

QUESTIONS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("/api/v1/version", {}),
    ("/api/v1/doctor", {}),
    ("/api/v1/explain", {"client": f"{namespace_of(0)}/{name_of(0)}", "target": f"{namespace_of(148)}/{name_of(148)}"}),
    ("/api/v1/explain", {"client": f"{namespace_of(0)}/{name_of(0)}", "target": "nothing-of-it"}),
    ("/api/v1/graph", {}),
    ("/api/v1/graph", {"namespace": "team-00,team-01,team-02,team-03,team-04,team-05", "expand": "1"}),
    ("/api/v1/graph", {"focus": f"{namespace_of(0)}/{name_of(0)}", "depth": "100"}),
    ("/api/v1/edges", {}),
    ("/api/v1/edges", {"offset": "18000", "sort": "-count"}),
    ("/api/v1/edges.csv", {}),
    ("/api/v1/search", {"q": "e"}),
    ("/api/v1/blast", {"workload": f"{namespace_of(0)}/{name_of(0)}", "cause": "down"}),
    ("/api/v1/blast", {"workload": f"{namespace_of(0)}/{name_of(0)}", "cause": "compromised", "depth": "100"}),
    ("/api/v1/diff", {"since": "1"}),
    ("/api/v1/intents", {"client": f"{namespace_of(0)}/Deployment/{name_of(0)}"}),
    ("/api/v1/news", {"after": "0"}),
)
"""Path and query: each path at its widest."""


async def large_pipeline(heard: Sequence[DnsObservation] | None = None) -> Pipeline:
    """Return a pipeline that has heard one look-up of every edge, or what is given."""
    heard = observations() if heard is None else heard
    settings = OperatorSettings(resolver=ResolverSettings(settle_ms=0))
    pipeline = Pipeline(settings, FakeWriter(), lambda: NOW_MS)
    pipeline.on_records(list(records()))
    for seq, start in enumerate(range(0, len(heard), _LOOKUPS_A_BATCH), 1):
        batch = a_batch(*heard[start : start + _LOOKUPS_A_BATCH], seq=seq, clock_ms=NOW_MS)
        await pipeline.intake.process(batch)
    return pipeline


def api_of(pipeline: Pipeline) -> ApiServer:
    """Return the API of a pipeline, not started, that has read nothing yet."""
    return an_api(PipelineViews(pipeline, dict, lambda: NOW_MS), maps=LiveMap(pipeline))


@contextmanager
def asking(pipeline: Pipeline) -> Iterator[Callable[[str, Mapping[str, str]], bytes]]:
    """Serve the API of a pipeline in a thread, and yield what asks it and returns the body of an answer of 200."""
    with served(lambda: api_of(pipeline)) as url:

        def ask(path: str, query: Mapping[str, str]) -> bytes:
            with urlopen(f"{url}{path}?{urlencode(query)}", timeout=_TIMEOUT_S) as answer:
                body: bytes = answer.read()
            return body

        yield ask
