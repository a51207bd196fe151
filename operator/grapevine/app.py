"""Composition root of `grapevine operator`: makes every part, starts them in order, ends them in reverse.

Order: API server known → health → serving certificate → informers synced → ingest and API, which send all to the leader
→ elected → map restored from ClientIntents → telemetry → pipeline → open to batches → kopf. A follower waits before
"elected", warm. The end of any part, and being deposed, ends the process: a new one begins from the cluster's state,
which is simpler than mending this one.
"""

import asyncio
import contextlib
import gc
import logging
import secrets
import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from grapevine import __version__
from grapevine.export.prometheus import Exposition
from grapevine.export.settings import TelemetrySettings
from grapevine.export.telemetry import Telemetry
from grapevine.export.webhook import Webhook
from grapevine.handlers.watch import IntentsWatch
from grapevine.ingest.authentication import Authenticator
from grapevine.ingest.server import IngestServer
from grapevine.kube.access_review import AccessReviewer
from grapevine.kube.election import Replica
from grapevine.kube.event_writer import EventWriter
from grapevine.kube.fence import FencedSession
from grapevine.kube.informer import Informers
from grapevine.kube.intents_list import list_intents
from grapevine.kube.intents_writer import ApiIntentsWriter
from grapevine.kube.lease import Leadership, LeaseLeadership, Unopposed
from grapevine.kube.named_objects import NamedConfigMap, NamedSecret
from grapevine.kube.owner_kinds import OwnerKinds
from grapevine.kube.served_schema import ServedSchema
from grapevine.kube.session import Session, preflight
from grapevine.kube.token_review import TokenReviewer
from grapevine.model.errors import GrapevineError
from grapevine.pipeline import Pipeline
from grapevine.pipeline.live_edges import LiveEdges
from grapevine.pipeline.live_map import LiveMap
from grapevine.pipeline.newsroom import Newsroom
from grapevine.pipeline.role import Role
from grapevine.pipeline.views import PipelineViews
from grapevine.public_suffixes import registrable_domains
from grapevine.serving.rotation import Schedule
from grapevine.settings import ElectionSettings, OperatorSettings, TlsSettings, WebhookSettings
from grapevine.web.api import ApiServer
from grapevine.web.changes import ChangeStreams
from grapevine.web.graph import GraphAnswers
from grapevine.web.health import HealthServer
from grapevine.web.news import NewsAnswers
from grapevine.web.readers import Readers

if TYPE_CHECKING:
    from grapevine.serving.shared_certificate import ServingCertificate

SYNC_TIMEOUT_S = 120.0
"""For all informers' first lists; 10,000 pods take seconds."""
FLUSH_TIMEOUT_S = 10.0
"""For the last writes; with what stops before it well within Kubernetes' grace of 30 s."""

_log = logging.getLogger(__name__)


def run_operator(settings: OperatorSettings, telemetry: TelemetrySettings | None = None) -> int:
    """Run until SIGTERM or SIGINT, and return 0, or 1 where a part failed (it is in the log).

    Raises:
        PermanentInputError: the API server, its CRD or an address to listen on is not as it must be.
        RetryableError: the API server was lost while starting.
    """
    return asyncio.run(_run_until_told(settings, telemetry))


async def _run_until_told(settings: OperatorSettings, telemetry: TelemetrySettings | None = None) -> int:
    serving = asyncio.create_task(_serve(settings, telemetry), name="operator")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        _log.info("stopped")
        return 0
    except BaseExceptionGroup as group:
        first = _first(group)
        if isinstance(first, GrapevineError):
            raise first from first.__cause__
        _log.critical("a part failed", exc_info=first)
        return 1
    return 1  # nothing in it returns


async def _serve(settings: OperatorSettings, telemetry_settings: TelemetrySettings | None) -> None:
    """Run all parts until cancelled; what was entered or pushed last ends first."""
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(await Session.open(settings.kubeconfig))
        version = await preflight(session)
        instance = secrets.token_hex(8)
        _log.info(
            "starting",
            extra={"version": __version__, "server": session.server, "kubernetes": version, "instance": instance},
        )
        leadership = _leadership(session, settings.election)
        fenced = FencedSession(session, leadership.left_s)
        writer = ApiIntentsWriter(fenced)
        reporter = settings.election.pod if settings.election else instance
        events = EventWriter(fenced, reporter, _now_ms, is_on=settings.events)
        registrable_of = registrable_domains() if settings.resolver.groups_by_suffix else None
        webhook = _webhook(settings.webhook, instance, leadership) if settings.webhook else None
        newsroom = Newsroom(_now_ms, [events.tell_new_edge, *([webhook.tell] if webhook else ())])
        pipeline = Pipeline(settings, writer, _now_ms, registrable_of, newsroom.tell, events.tell_status)
        informers = Informers(
            session,
            settings.resolver.override_annotations,
            pipeline.on_records,
            _now_ms,
            on_current=pipeline.on_current,
            scope=settings.resolver.scope,
            service_labels=telemetry_settings.service_labels if telemetry_settings else (),
            with_job_images=settings.resolver.name_jobs_by_image,
        )
        owner_kinds = OwnerKinds(
            session, settings.resolver.owner_kinds, pipeline.on_records, _now_ms, pipeline.index.follow_owners
        )
        role = Role(leadership)
        schema = ServedSchema(session, pipeline.on_schema)
        views = PipelineViews(
            pipeline, informers.failing, _now_ms, role.lead, owner_kinds.failing, schema_unread=lambda: schema.unread
        )
        news = NewsAnswers(newsroom, instance)
        live_map = LiveMap(pipeline)
        graphs, streams = GraphAnswers(live_map), ChangeStreams(live_map, instance)
        api = ApiServer(views, news, graphs, streams, role.questions_elsewhere)
        ingest = IngestServer(pipeline, instance, dns_pods=pipeline.dns_pods, elsewhere=role.batches_elsewhere)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())

        def missing() -> Sequence[str]:
            unsynced = [f"informer {kind}" for kind in informers.unsynced()]
            return [*unsynced, *role.missing(), *([] if ingest.listening else ["ingest"])]

        serving = _serving_certificate(session, settings.tls) if settings.tls else None
        tls_metrics = (serving.metrics,) if serving else ()
        watch = IntentsWatch(pipeline.on_intents, session.credentials)
        telemetry = _telemetry(pipeline, settings, telemetry_settings, leadership) if telemetry_settings else None
        exposition = Exposition(
            (
                pipeline.metrics,
                newsroom.metrics,
                news.metrics,
                events.metrics,
                *((webhook.metrics,) if webhook else ()),
                graphs.metrics,
                streams.metrics,
                api.metrics,
                views.metrics,
                informers.metrics,
                owner_kinds.metrics,
                schema.metrics,
                ingest.metrics,
                watch.metrics,
                leadership.metrics,
                *tls_metrics,
                *((telemetry.metrics,) if telemetry else ()),
            ),
            page=telemetry.page if telemetry else bytes,
        )
        health = HealthServer(missing, exposition.render)
        stack.push_async_callback(health.stop)
        await health.start(settings.health_host, settings.health_port)

        if serving is not None:
            await serving.refresh()  # early: capture's pods cannot start before its authority is published
            stack.push_async_callback(_end, tasks.create_task(serving.run(), name="serving certificate"))
        stack.push_async_callback(_end, tasks.create_task(informers.run(), name="informers"))
        stack.push_async_callback(_end, tasks.create_task(owner_kinds.run(), name="owner kinds"))
        await schema.look()  # before anything is written
        stack.push_async_callback(_end, tasks.create_task(schema.run(), name="schema"))
        await informers.wait_synced(SYNC_TIMEOUT_S)
        await owner_kinds.wait_answered(SYNC_TIMEOUT_S)

        stack.push_async_callback(ingest.stop)
        await ingest.start(settings.listen_host, settings.listen_port)
        if settings.tls and serving is not None:
            authenticator = Authenticator(TokenReviewer(session), settings.tls.accounts, pipeline.index)
            await ingest.start_tls(settings.tls.host, settings.tls.port, serving.context, authenticator)
        stack.push_async_callback(api.stop)
        await api.start(settings.api_host, settings.api_port)
        if settings.tls and settings.tls.api and serving is not None:
            readers = Readers(TokenReviewer(session), AccessReviewer(session))
            await api.start_tls(*settings.tls.api, serving.context, readers)

        standing_by = tasks.create_task(pipeline.stand_by(), name="stand-by")
        stack.push_async_callback(leadership.release)
        stack.push_async_callback(_end, tasks.create_task(leadership.run(pipeline.hurry), name="leadership"))
        await leadership.wait_elected()
        await _end(standing_by)
        resources = await list_intents(session)
        pipeline.restore(resources)
        _log.info("restored", extra={"clientintents": len(resources)})

        if telemetry is not None:
            stack.push_async_callback(telemetry.stop)
            await telemetry.open()
            stack.push_async_callback(_end, tasks.create_task(telemetry.run(), name="telemetry"))

        stack.push_async_callback(_end, tasks.create_task(events.run(), name="events"))
        if webhook is not None:
            stack.push_async_callback(_end, tasks.create_task(webhook.run(), name="webhook"))
        gc.freeze()  # modules, records, map: a full collection would hold everything up to look through what lives on
        working = tasks.create_task(pipeline.run(), name="pipeline")
        stack.push_async_callback(_end, working)
        stack.push_async_callback(_flush, pipeline, working, leadership)
        stack.callback(role.close)
        role.open()
        stack.push_async_callback(_end, tasks.create_task(watch.run(), name="kopf"))
        await asyncio.Event().wait()


def _leadership(session: Session, settings: ElectionSettings | None) -> Leadership:
    if settings is None:
        return Unopposed()
    me = Replica(settings.pod, settings.uid or secrets.token_hex(8), settings.address)
    return LeaseLeadership(session, settings.lease, me)


def _webhook(settings: WebhookSettings, instance: str, leadership: Leadership) -> Webhook:
    return Webhook(settings, instance, lambda: leadership.left_s() > 0)


def _telemetry(
    pipeline: Pipeline, settings: OperatorSettings, telemetry: TelemetrySettings, leadership: Leadership
) -> Telemetry:
    has_page = telemetry.is_graph_on_metrics_page
    edges = LiveEdges(pipeline, settings.resolver.cluster_domain, _now_ms, is_dead_wanted=has_page)
    return Telemetry(telemetry, edges.snapshot, leads=lambda: leadership.left_s() > 0)


def _serving_certificate(session: Session, tls: TlsSettings) -> "ServingCertificate":
    from grapevine.serving.shared_certificate import ServingCertificate  # cryptography, 11 MiB, is for those who use it

    publishers = [NamedConfigMap(session, name) for name in tls.ca_configmaps]
    return ServingCertificate(
        NamedSecret(session, tls.secret), publishers, frozenset(tls.names), Schedule(tls.lifetime_s)
    )


async def _flush(pipeline: Pipeline, working: asyncio.Task[None], leadership: Leadership) -> None:
    """Write what is dirty, unless it is the pipeline that failed, or another replica leads."""
    if not working.done() and leadership.left_s() and not await pipeline.flush(FLUSH_TIMEOUT_S):
        _log.warning("not all was written; capture will send it again", extra={"timeout_s": FLUSH_TIMEOUT_S})


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first failure itself."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
