"""The whole pipeline of one process: what comes in from capture and cluster, what goes out to the writer."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from grapevine.graph.store import GraphStore
from grapevine.insight.explain import Explainer
from grapevine.insight.service_facts import ServiceFacts
from grapevine.intents.build import build_intents
from grapevine.intents.kept import KeptStatus
from grapevine.intents.read import read_intents, read_learned_ms, read_observed, read_overflow
from grapevine.model.edge import DeadDependency, Edge
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.intents import ActualIntents, DesiredIntents, ObservedItem
from grapevine.model.metric import Metric
from grapevine.model.news import NewEdge
from grapevine.model.target import ServiceDestination, WorkloadTarget
from grapevine.model.workload import ServiceRef, WorkloadRef
from grapevine.pipeline.currency import Currency
from grapevine.pipeline.intake import Intake
from grapevine.pipeline.upkeep import Upkeep
from grapevine.reconcile.absences import Absences
from grapevine.reconcile.actual import ActualStore
from grapevine.reconcile.ledger import Ledger
from grapevine.reconcile.ports import IntentsWriter
from grapevine.reconcile.reconciler import OnStatus, Reconciler
from grapevine.resolver.domain_groups import DomainGroups, RegistrableOf
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.names import destinations_of
from grapevine.resolver.parking import BatchId
from grapevine.resolver.records import Record, RecordGone, ServiceRecord
from grapevine.settings import OperatorSettings
from grapevine.wire.schema import Batch, DnsPod

OnNewEdges = Callable[[Sequence[NewEdge], ActualIntents | None], None]
"""Takes what is new of one client, once that is written, and the object in force for it; None where there is none."""

_TICK_S = 0.25
_HOUSEKEEPING_TICKS = 120


class Pipeline:
    """Everything runs on one event loop, so that no stage sees half a change of another.

    `clock` gives milliseconds since the epoch.
    """

    def __init__(
        self,
        settings: OperatorSettings,
        writer: IntentsWriter,
        clock: Callable[[], int],
        registrable_of: RegistrableOf | None = None,
        on_new_edges: OnNewEdges = lambda _edges, _actual: None,
        on_status: OnStatus = lambda _before, _after, _written: None,
    ) -> None:
        """Take what tells registrable domains, where domains are to be grouped by them, and whom to tell of news."""
        self._settings = settings
        self._clock = clock
        self._on_new_edges = on_new_edges
        self.domain = settings.resolver.cluster_domain
        self.patience_ms = settings.graph.patience_ms
        groups = DomainGroups(settings.resolver.domain_rules, registrable_of)
        self.index = ClusterIndex(self.domain, groups.group_of)
        self.graph = GraphStore(self.domain, settings.graph)
        self.intake = Intake(
            settings.resolver,
            index=self.index,
            graph=self.graph,
            clock=clock,
            on_taken_in=self._on_taken_in,
            max_clients=settings.graph.max_clients,
        )
        self._facts = ServiceFacts(self.graph, self.index, self.domain)
        self.explainer = Explainer(self.graph, self.index, self.intake.left_out, self.domain)
        self._ledger = Ledger(max_streams=settings.ingest.max_streams)
        self._actual = ActualStore()
        self._absences = Absences(grace_ms=settings.reconcile.recreate_after_ms)
        self._currency = Currency(
            recover_ms=settings.resolver.park_ms, max_behind_ms=settings.resolver.max_behind_ms, clock=clock
        )
        self._reconciler = Reconciler(
            desired_of=self.desired,
            actual=self._actual,
            writer=writer,
            clock=clock,
            settings=settings.reconcile,
            on_written=self._on_written,
            on_gone=self._on_deleted,
            on_status=on_status,
            is_fresh=self._currency.is_current,
            is_unwanted=self._is_unwanted,
            kept=lambda: self.kept,
        )
        self.kept = KeptStatus()
        """What the cluster's schema keeps of a status; all, unless told otherwise."""
        self.changes = 0
        """Grows whenever the map says something else than before; times and counts are no reason."""
        self._upkeep = Upkeep(self.graph, self.index, clock)
        self._batches: asyncio.Queue[tuple[Batch, int]] = asyncio.Queue(settings.ingest.max_queued_batches)
        """Each with the time from which on it may be decided."""
        self._queued_observations = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._have_records_changed = False
        self._counts: Counter[str] = Counter()

    def restore(self, resources: Iterable[Mapping[str, Any]]) -> None:
        """Rebuild the map from the cluster's ClientIntents; the informers are synced, nothing runs yet."""
        namesakes: dict[tuple[str, str], set[WorkloadRef]] = {}
        for workload in self.index.workloads():
            namesakes.setdefault((workload.namespace, workload.name), set()).add(workload)
        for resource in resources:
            try:
                actual = read_intents(resource)
            except PermanentInputError:
                continue  # the schema forbids it, so nothing of ours is in there
            self._actual.put(actual)
            client = actual.client
            known = namesakes.get((client.namespace, client.name), set())
            if not actual.discovered and not client.kind and len(known) == 1:
                (client,) = known  # a person left the kind open; the edges are this workload's
            for item in read_observed(resource):
                self._restore_item(client, item)
            self.graph.restore_client(client, overflow=read_overflow(resource), learned_ms=read_learned_ms(resource))
            self._reconciler.enqueue(actual.client)
        self._enqueue_dirty()

    def on_records(self, records: Sequence[Record | RecordGone]) -> None:
        """Take in objects that appeared, changed or went."""
        self.graph.retarget(self.index.apply(records, self._clock()), self.index.target_of)
        self.graph.touch(ServiceRef(r.namespace, r.name) for r in records if isinstance(r, ServiceRecord))
        self._have_records_changed = True
        self._enqueue_dirty()

    def on_current(self, is_current: bool) -> None:
        """Take in whether the informers follow the cluster; once they do again, so may the writer reach it."""
        self._currency.put(is_current)
        if is_current:
            self._reconciler.look_at_held()
            self.hurry()

    def on_schema(self, kept: KeptStatus) -> None:
        """Take in what the cluster keeps of a status, and look at every object anew where that is news."""
        if kept != self.kept:
            self.kept = kept
            for actual in self._actual:
                self._reconciler.enqueue(actual.client)
            self.hurry()

    def hurry(self) -> None:
        """Try at once to write what waits, because it may be written again."""
        self._reconciler.hurry()

    def on_intents(self, event_type: str | None, resource: Mapping[str, Any]) -> None:
        """Take in a ClientIntents object that appeared, changed or went; `event_type` as the watch gives it."""
        try:
            actual = read_intents(resource)
        except PermanentInputError:
            self._counts["unreadable-intents"] += 1
            return
        if event_type == "DELETED":
            gone = self._actual.drop(actual.namespace, actual.name, actual.uid)
            if gone is not None:
                self._on_deleted(gone)
        elif not self._actual.put(actual):
            return
        for client in self.graph.namesakes(actual.namespace, actual.client.name) or [actual.client]:
            self._reconciler.enqueue(client)

    def offer(self, batch: Batch) -> int:
        """Accept a batch for work and return what of its stream is durable; a known one is accepted and forgotten.

        Raises:
            RetryableError: the queue is full.
        """
        header = batch.header
        if self._batches.full() or self._queued_observations >= self._settings.ingest.max_queued_observations:
            raise RetryableError("too many batches are waiting", after_s=1)
        self.intake.hear(batch)
        self._upkeep.hear(header)
        if self._ledger.admit(header.stream, header.seq, header.oldest):
            self._counts["batches"] += 1
            self._is_idle.clear()
            self._queued_observations += len(batch.observations)
            self._batches.put_nowait((batch, self.intake.due_ms(batch)))
        elif header.seq:
            self._counts["duplicate-batches"] += 1
        return self._ledger.durable_through(header.stream)

    def dns_pods(self) -> tuple[DnsPod, ...]:
        """Return the pods that are the cluster's DNS now, by namespace and name."""
        return tuple(DnsPod(p.namespace, p.name, p.ips[0] if p.ips else "") for p in self.intake.dns_pods())

    def refused_writes(self) -> tuple[int, str]:
        """Return how many workloads' objects cannot be written, and why the last of them."""
        return self._reconciler.refused()

    async def stand_by(self) -> None:
        """Before `run`, until cancelled: remember of the cluster's past no more than late batches may ask about."""
        while True:
            await asyncio.sleep(_TICK_S * _HOUSEKEEPING_TICKS)
            self.index.forget_before(self._clock() - self._settings.resolver.tombstone_s * 1000)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reconciler.run())
            tasks.create_task(self._take_in_batches())
            tasks.create_task(self._keep_house())

    async def drain(self) -> None:
        """Wait until every accepted batch has been taken in; `run` must be running."""
        await self._is_idle.wait()

    async def flush(self, timeout_s: float, *, has_all: bool = False) -> bool:
        """Take in what was accepted, write what is dirty; return whether nothing is left to be written.

        `has_all` says that no object will arrive any more, so that what is parked is decided with what is known. Else
        it stays undecided and its batch not durable: its sender has it still, and gives it to whoever comes next.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self.drain()
        except TimeoutError:
            return False
        if has_all:
            await self.intake.settle_parked(only_due=False)
        for client in self.intake.take_touched():
            self._reconciler.enqueue(client)
        return await self._reconciler.flush(timeout_s)

    def desired(self, client: WorkloadRef) -> DesiredIntents:
        """Return what the object of `client` should say now."""
        actual = self._actual.object_of(client)
        clients = [client]
        if actual is not None and not actual.discovered and not actual.client.kind:
            # A person left the kind open: the object is about every workload of the name that has none of its own.
            namesakes = self.graph.namesakes(client.namespace, client.name)
            clients = [c for c in namesakes if self._actual.object_of(c) == actual] or clients
        return build_intents(
            client,
            (self._facts.complete(edge) for c in clients for edge in self.graph.edges(c)),
            (dead for c in clients for dead in self.graph.dead(c)),
            is_silent=bool(clients) and all(self.graph.is_silent(c) for c in clients),
            retired=sum(self.graph.retired(c) for c in clients),
            overflow=sum(self.graph.overflow(c) for c in clients),
            unread_owner=next((unread for c in clients if (unread := self.index.unread_owner(c))), ""),
        )

    def edges(self, client: WorkloadRef) -> list[Edge]:
        """Return a client's edges with who is behind the Services they go to, as the map has them; empty for none."""
        return [self._facts.with_owners(edge) for edge in self.graph.edges(client)]

    def object_of(self, client: WorkloadRef) -> ActualIntents | None:
        """Return the object in force for a client, as the cluster has it."""
        return self._actual.object_of(client)

    def metrics(self) -> list[Metric]:
        """Return every stage's measurements."""
        open_batches = {"": self._ledger.open_batches()}
        return [
            Metric(
                "grapevine_pipeline_events", "counter", "Batches and oddities, by kind.", dict(self._counts), "event"
            ),
            Metric("grapevine_index_overflow", "counter", "What gave way, by bound.", self.index.overflow(), "bound"),
            Metric("grapevine_batches_not_durable", "gauge", "Batches whose edges are not written yet.", open_batches),
            *self._currency.metrics(),
            *self.intake.metrics(),
            *self.graph.metrics(),
            *self._reconciler.metrics(),
        ]

    def _on_written(self, client: WorkloadRef) -> None:
        self._ledger.written(client)
        if new_edges := self.graph.take_new_edges(client):
            self._on_new_edges(new_edges, self._actual.object_of(client))
        if self.graph.retired(client) and not self.graph.is_known(client) and not self._reconciler.is_held(client):
            self.graph.forget_client(client)  # its object says so, too
            self._reconciler.enqueue(client)

    def _on_deleted(self, actual: ActualIntents) -> None:
        """Forget what somebody else's deletion of a discovered object says to forget."""
        if actual.discovered and self._actual.object_of(actual.client) is None:
            self._absences.note(actual.client, self._clock())
            self.graph.forget_client(actual.client)

    def _is_unwanted(self, desired: DesiredIntents) -> bool:
        client = desired.client
        return self.index.is_kept_out(client) or self._absences.is_unwanted(client, desired.last_ms)

    def _on_taken_in(self, batch: BatchId, clients: set[WorkloadRef], is_whole: bool) -> None:
        """Let the batch wait for its clients' objects, and for nothing else once nothing of it is parked."""
        self._enqueue_dirty()
        self._ledger.wait_for(*batch, [c for c in clients if self._reconciler.is_pending(c)])
        if is_whole:
            self._ledger.worked(*batch)

    def _enqueue_dirty(self) -> None:
        for client in self.graph.take_dirty():
            self._reconciler.enqueue(client)
            self.changes += 1

    def _restore_item(self, client: WorkloadRef, item: ObservedItem) -> None:
        if item.target is None:
            name = item.names[0]
            seen = (item.first_ms, item.last_ms, item.count)
            self.graph.restore_dead(DeadDependency(client, name, item.rcode, *seen, item.age))
            return
        destinations = destinations_of(item.names, item.target, self.domain)
        for destination in destinations:
            if isinstance(destination, ServiceDestination) and isinstance(item.target, WorkloadTarget):
                service = ServiceRef(destination.namespace, destination.service)
                self.index.remember_owner(service, item.target.workload)
        edge = Edge(
            client=client,
            target=item.target,
            names=item.names,
            evidence=item.evidence,
            first_ms=item.first_ms,
            last_ms=item.last_ms,
            count=item.count,
            ports=item.ports,
            protocols=item.protocols,
            owners=item.owners,
            state=item.state,
            age=item.age,
            addresses=item.addresses,
        )
        self.graph.restore_edge(client, destinations, edge, self.index.target_of)

    async def _take_in_batches(self) -> None:
        while True:
            batch, due_ms = await self._batches.get()
            await self._currency.wait(due_ms)
            await self.intake.process(batch)
            self._queued_observations -= len(batch.observations)
            if self._batches.empty():
                self._is_idle.set()

    async def _keep_house(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(_TICK_S)
            ticks += 1
            if self._have_records_changed:
                self._have_records_changed = False
                await self.intake.retry_parked()
            if self._currency.may_decide():
                await self.intake.settle_parked(only_due=True)
            if ticks % _HOUSEKEEPING_TICKS == 0:
                self.intake.forget()
                await self._upkeep.go_round()
                self._enqueue_dirty()
                for client in self.intake.take_touched():
                    self._reconciler.enqueue(client)
