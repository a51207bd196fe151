"""Leader election over the API server: does what `kube.election` asks for, and tells the rest of the process.

`kubernetes.aio.leaderelection` is not used: it measures by the wall clock and lets go of nothing at the end, a request
of its has no deadline, and it needs the typed API (docs/decisions/018).

Source: Kubernetes API reference, coordination.k8s.io/v1 Lease; API conventions, "Concurrency control".
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from grapevine.kube.election import Election, Lease, Read, Replica, Timing
from grapevine.kube.errors import ConflictError, NotFoundError
from grapevine.kube.session import Session
from grapevine.model.errors import GrapevineError, RetryableError
from grapevine.model.identity import ObjectName
from grapevine.model.metric import Metric

_GROUP_VERSION = "coordination.k8s.io/v1"
_RELEASE_STEPS = 3
"""Write; and read and write again where the answer to the last renewal was lost."""

_log = logging.getLogger(__name__)


class DeposedError(RetryableError):
    """Another replica has led meanwhile: what this process knows is not the truth any more."""


class Leadership(Protocol):
    """Whether this process leads."""

    async def run(self, on_return: Callable[[], None]) -> None:
        """Take part until cancelled; tell `on_return` when this process, having been cut off, leads again."""

    async def wait_elected(self) -> None:
        """Return once this process leads for the first time."""

    def left_s(self) -> float:
        """Return the seconds for which it may still write; 0 while it does not lead."""

    def leader(self) -> Replica | None:
        """Return who leads, this process included; None while nobody is known to."""

    async def release(self) -> None:
        """Let another one lead at once; `run` has ended."""

    def metrics(self) -> list[Metric]:
        """Return who leads, and how often that changed."""


class Unopposed:
    """The leadership of a process that is the only one: leader election is off."""

    async def run(self, on_return: Callable[[], None]) -> None:
        """Take part until cancelled."""
        await asyncio.Event().wait()

    async def wait_elected(self) -> None:
        """Return."""

    def left_s(self) -> float:
        """Return infinity."""
        return float("inf")

    def leader(self) -> Replica | None:
        """Return a replica without a name: this process."""
        return Replica("", "")

    async def release(self) -> None:
        """Do nothing: nobody waits."""

    def metrics(self) -> list[Metric]:
        """Return that it leads."""
        return [_leader_metric(True)]


class LeaseLeadership:
    """Leads while it holds a Lease. `run` once, then `release`."""

    def __init__(
        self,
        session: Session,
        name: ObjectName,
        me: Replica,
        timing: Timing | None = None,
        clock: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        """Take who this process is; the clock's seconds are set by nobody, and pass while the machine is suspended."""
        self._session = session
        self._name = name
        self._me = me
        self._timing = timing or Timing()
        self._clock = clock
        self._election = Election(me, self._timing)
        self._collection = f"/apis/{_GROUP_VERSION}/namespaces/{name.namespace}/leases"
        self._elected = asyncio.Event()
        self._metadata: Mapping[str, Any] = {}
        """As last read or written: labels of others stay."""
        self._told: Replica | None = None
        """Whom the log last said to lead."""
        self._failures = 0
        self._is_failing = False

    async def run(self, on_return: Callable[[], None]) -> None:
        """Take part until cancelled; tell `on_return` when this process, having been cut off, leads again.

        Raises:
            DeposedError: it has led, and now another one does.
        """
        while True:
            was_cut_off = self._elected.is_set() and not self.left_s()
            await self._step()
            if was_cut_off and self.left_s():
                on_return()
            if self._election.is_deposed:
                leader = self.leader()
                whose = f"of pod {leader.pod}" if leader else "not ours"
                raise DeposedError(
                    f"Lease {self._name} is {whose} now: another replica may have written the map, so this process "
                    "ends, and one that knows nothing follows"
                )
            wait_s = self._election.wait_s(self._clock())
            await asyncio.sleep(wait_s * random.uniform(0.75, 1.0))  # noqa: S311 - no secret

    async def wait_elected(self) -> None:
        """Return once this process leads for the first time."""
        await self._elected.wait()

    def left_s(self) -> float:
        """Return the seconds for which it may still write; 0 while it does not lead."""
        return self._election.left_s(self._clock())

    def leader(self) -> Replica | None:
        """Return who leads, this process included; None while nobody is known to."""
        return self._election.leader(self._clock())

    async def release(self) -> None:
        """Let another one lead at once; a Lease that cannot be written runs out by itself."""
        was_ours = not self._election.is_out
        self._election.release()
        for _ in range(_RELEASE_STEPS):
            if not self._election.is_out:
                await self._step()
        if was_ours:
            _log.info("no longer leading", extra={"lease": str(self._name), "is_free": self._election.is_out})

    def metrics(self) -> list[Metric]:
        """Return who leads, and how often that changed."""
        return [
            _leader_metric(bool(self.left_s())),
            Metric(
                "grapevine_leader_known", "gauge", "1 while a replica leads.", {"": float(self.leader() is not None)}
            ),
            Metric("grapevine_lease_term", "gauge", "Leaders before this one.", {"": self._election.term}),
            Metric(
                "grapevine_lease_failures", "counter", "Requests about the Lease that failed.", {"": self._failures}
            ),
        ]

    async def _step(self) -> None:
        """Ask one thing, and take in the answer."""
        step = self._election.ask(self._clock())
        try:
            if isinstance(step, Read):
                self._election.found(await self._read(), self._clock())
            else:
                self._election.written(await self._write(step.lease), self._clock())
            self._is_failing = False
        except (ConflictError, NotFoundError):
            self._election.refused()
        except GrapevineError as error:
            self._election.failed()
            self._failures += 1
            if not self._is_failing:  # once an outage
                _log.warning("the Lease cannot be had", extra={"lease": str(self._name), "reason": str(error)})
            self._is_failing = True
        self._tell()

    def _tell(self) -> None:
        """Tell the process and the log who leads."""
        leads = self.left_s() > 0
        if leads:
            self._elected.set()
        leader = self.leader()
        if leader == self._told:
            return
        self._told = leader
        if leader is None:
            _log.info("nobody leads", extra={"lease": str(self._name)})
        else:
            said = {"lease": str(self._name), "pod": leader.pod, "term": self._election.term}
            _log.info("leading" if leads else "following", extra=said)

    async def _read(self) -> Lease | None:
        try:
            return self._decode(await self._request("GET", f"{self._collection}/{self._name.name}"))
        except NotFoundError:
            return None

    async def _write(self, lease: Lease) -> Lease:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": int(lease.duration_s),
            "acquireTime": lease.acquired or now,
            "renewTime": now,
            "leaseTransitions": lease.term,
        }
        metadata = {**self._metadata, "name": self._name.name, "namespace": self._name.namespace}
        body: dict[str, Any] = {"apiVersion": _GROUP_VERSION, "kind": "Lease", "metadata": metadata, "spec": spec}
        if not lease.version:
            body["metadata"] = {"name": self._name.name, "namespace": self._name.namespace}
            return self._decode(await self._request("POST", self._collection, body))
        body["metadata"]["resourceVersion"] = lease.version
        return self._decode(await self._request("PUT", f"{self._collection}/{self._name.name}", body))

    async def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        timeout_s = self._timing.renew_deadline_s / 2  # so that one that hangs leaves time for another
        return await self._session.request(method, path, body=body, timeout_s=timeout_s)

    def _decode(self, body: bytes) -> Lease:
        try:
            answer = msgspec.json.decode(body, type=_LeaseAnswer)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise RetryableError(f"the API server's answer is no Lease: {error}") from error
        self._metadata = answer.metadata
        spec = answer.spec
        return Lease(
            holder=spec.holder_identity or "",
            duration_s=float(spec.lease_duration_seconds or 0),
            term=spec.lease_transitions or 0,
            version=str(answer.metadata.get("resourceVersion", "")),
            acquired=spec.acquire_time or "",
            renewed=spec.renew_time or "",
        )


class _Spec(msgspec.Struct, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _LeaseAnswer(msgspec.Struct):
    metadata: dict[str, Any]
    spec: _Spec = msgspec.field(default_factory=_Spec)


def _leader_metric(leads: bool) -> Metric:
    return Metric("grapevine_leader", "gauge", "1 where this replica leads.", {"": float(leads)})
