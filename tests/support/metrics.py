"""Every family of the operator's `/metrics`, from the parts themselves: nothing runs, and nothing is asked."""

import tempfile
from typing import Any, cast

from tests.support.fake_writer import FakeWriter
from tests.support.telemetry import BOTH, FakeWire
from tests.support.web import FixedMap, NoViews, an_api
from tests.support.webhooks import SECRET

from grapevine.export.graph_page import DEAD_HELP, DEAD_LABELS, DEAD_METRIC, HELP, METRIC, labels_of
from grapevine.export.prometheus import BUILD_HELP, BUILD_LABEL, BUILD_METRIC
from grapevine.export.sender import Sender
from grapevine.export.series import SeriesKey
from grapevine.export.telemetry import Telemetry
from grapevine.export.webhook import Webhook
from grapevine.handlers.watch import IntentsWatch
from grapevine.ingest.server import IngestServer
from grapevine.kube.election import Replica
from grapevine.kube.event_writer import EventWriter
from grapevine.kube.informer import Informers
from grapevine.kube.lease import LeaseLeadership
from grapevine.kube.owner_kinds import OwnerKinds
from grapevine.kube.served_schema import ServedSchema
from grapevine.model.identity import ObjectName
from grapevine.model.metric import Family, Metric, MetricTable
from grapevine.pipeline import Pipeline
from grapevine.pipeline.newsroom import Newsroom
from grapevine.pipeline.views import PipelineViews
from grapevine.serving.rotation import Schedule
from grapevine.serving.shared_certificate import ServingCertificate
from grapevine.settings import OperatorSettings, WebhookSettings
from grapevine.web.changes import ChangeStreams
from grapevine.web.graph import GraphAnswers
from grapevine.web.news import NewsAnswers

_NOBODY = cast("Any", None)
"""In place of an API server: a part tells its families before it asks for anything."""


def all_families() -> list[Family]:
    """Return them, whatever samples they have now."""
    pipeline = Pipeline(OperatorSettings(), FakeWriter(), lambda: 0)
    newsroom = Newsroom(lambda: 0)
    wire = FakeWire()
    telemetry = Telemetry(BOTH, _NOBODY)
    parts: list[list[Family]] = [
        [Metric(BUILD_METRIC, "gauge", BUILD_HELP, {}, BUILD_LABEL)],
        [*pipeline.metrics()],
        PipelineViews(pipeline, dict, lambda: 0).metrics(),
        [*Informers(_NOBODY, (), _NOBODY, lambda: 0).metrics()],
        [*OwnerKinds(_NOBODY, (), _NOBODY, lambda: 0, _NOBODY).metrics()],
        [*ServedSchema(_NOBODY, _NOBODY).metrics()],
        [*IngestServer(_NOBODY, "").metrics()],
        [*IntentsWatch(_NOBODY, _NOBODY).metrics()],
        [*LeaseLeadership(_NOBODY, ObjectName("", ""), Replica("", "")).metrics()],
        [*ServingCertificate(_NOBODY, (), frozenset(), Schedule(60)).metrics()],
        [*newsroom.metrics()],
        [*_webhook().metrics()],
        [*EventWriter(_NOBODY, "", lambda: 0).metrics()],
        [*NewsAnswers(newsroom, "").metrics()],
        [*GraphAnswers(FixedMap()).metrics()],
        [*ChangeStreams(FixedMap(), "").metrics()],
        [*an_api(NoViews()).metrics()],
        [*telemetry.metrics()],
        [*Sender(BOTH, wire, clock_ns=wire.clock_ns, wait=wire.wait).metrics()],
        [
            MetricTable(METRIC.removesuffix("_total"), "counter", HELP, tuple(labels_of(SeriesKey(*"abcde"))), {}),
            MetricTable(DEAD_METRIC, "gauge", DEAD_HELP, DEAD_LABELS, {}),
        ],
    ]
    return [family for part in parts for family in part]


def _webhook() -> Webhook:
    with tempfile.NamedTemporaryFile("w") as secret:
        secret.write(SECRET)
        secret.flush()
        return Webhook(WebhookSettings("https://hooks.example.com/", secret.name), "", lambda: False)


def shown_name(family: Family) -> str:
    """Return the name as Prometheus shows it."""
    return f"{family.name}_total" if family.kind == "counter" else family.name


def labels_in(family: Family) -> tuple[str, ...]:
    """Return the labels of a family."""
    if isinstance(family, MetricTable):
        return family.labels
    return (family.label,) if family.label else ()
