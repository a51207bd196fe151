"""The cluster as far as identity and names need it: fed with records, asked for workloads and targets."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Set

from grapevine.model.identity import ObjectName
from grapevine.model.target import (
    CLUSTERSET_DOMAIN,
    Destination,
    DomainDestination,
    InternetTarget,
    ServiceDestination,
    ServiceTarget,
    Target,
    WorkloadDestination,
    WorkloadTarget,
)
from grapevine.model.workload import ServiceRef, WorkloadRef
from grapevine.resolver.addresses import AddressIndex, Held
from grapevine.resolver.clocks import OURS, Clocks
from grapevine.resolver.external_names import ExternalNames
from grapevine.resolver.hosts import Hosts
from grapevine.resolver.names import is_address, try_pod_name
from grapevine.resolver.records import (
    NodeRecord,
    OwnerRecord,
    PodRecord,
    Record,
    RecordGone,
    ServiceRecord,
    SliceRecord,
)
from grapevine.resolver.service_addresses import ServiceAddresses
from grapevine.resolver.workloads import Workloads

_API_SERVER = ServiceRef("default", "kubernetes")
_NOW_MS = 1 << 62
"""After every start, and after every end that is known."""


class ClusterIndex:
    """Pods, owners, Services, slices and nodes, joined.

    `apply` tells which Services may now have another target, so that the graph moves their edges; all else is asked.
    """

    def __init__(self, cluster_domain: str, group_of: Callable[[str], str] = lambda domain: domain) -> None:
        """Take what tells the group that a domain outside the cluster is shown as; each is its own by default."""
        self._domain = cluster_domain
        self._group_of = group_of
        self.clocks = Clocks()
        """Of the nodes, to be told of every sender's."""
        self._addresses = AddressIndex(self.clocks)
        self._workloads = Workloads()
        self._pods: dict[str, PodRecord] = {}
        self._pod_uids: dict[tuple[str, str], str] = {}
        self._services: dict[ServiceRef, ServiceRecord] = {}
        self._service_addresses = ServiceAddresses()
        self._services_on: dict[int, set[ServiceRef]] = {}
        self._slices: dict[ServiceRef, dict[str, SliceRecord]] = {}
        self._services_of_pod: dict[tuple[str, str], set[ServiceRef]] = {}
        self._backing: dict[ServiceRef, frozenset[WorkloadRef | None]] = {}
        """Owners of the endpoints of Services asked about since they last changed."""
        self._last_owner: dict[ServiceRef, WorkloadRef] = {}
        self._hosts = Hosts()
        self._external_names = ExternalNames(cluster_domain)
        self._kept_out: set[WorkloadRef] = set()

    # --- feeding

    def apply(self, records: Iterable[Record | RecordGone], now_ms: int) -> set[ServiceRef]:
        """Take in new states and removals, told now; return the Services whose target may have changed."""
        changed: set[ServiceRef] = set()
        for item in records:
            gone = isinstance(item, RecordGone)
            record = item.record if isinstance(item, RecordGone) else item
            match record:
                case PodRecord():
                    if isinstance(item, RecordGone):
                        changed |= self._drop_pod(record, item, now_ms)
                    else:
                        changed |= self._put_pod(record, now_ms)
                case OwnerRecord():
                    ref = WorkloadRef(record.namespace, record.kind, record.name.replace(".", "_"))
                    self._keep_out(ref, is_kept_out=record.is_kept_out and not gone)
                    if isinstance(item, RecordGone):
                        self._workloads.mark_gone(record, item.at_ms)
                    elif self._workloads.put(record):
                        changed |= self._services_in(record.namespace)
                case ServiceRecord():
                    changed |= self._put_service(record, gone=gone)
                case SliceRecord():
                    changed |= self._put_slice(record, gone=gone)
                case NodeRecord():
                    self._hosts.put(record, gone=gone)
                    self._backing.clear()
        for service in changed:
            self._backing.pop(service, None)
        return self._external_names.with_aliases(changed)

    def put_host_ips(self, node: str, ips: tuple[str, ...]) -> None:
        """Take in the addresses a capture process reports of its own node."""
        if self._hosts.report(node, ips):
            self._backing.clear()

    def remember_owner(self, service: ServiceRef, workload: WorkloadRef) -> None:
        """Seed the last known owner of a Service from the cluster's status after a restart."""
        self._last_owner.setdefault(service, workload)

    def forget_before(self, at_ms: int) -> None:
        """Drop tombstones of what ended before `at_ms` (observation time)."""
        self._forget_pods(self._addresses.forget_before(at_ms))
        self._workloads.forget_before(at_ms, self._pods.values())

    # --- asking

    def is_host_address(self, ip: str) -> bool:
        """Whether it is an address of a node or of a pod network's gateway: never a pod's."""
        return ip in self._hosts

    def held(self, ip: str, first_ms: int, last_ms: int, clock: str) -> Held:
        """Return who may have held the address between two times that `clock` wrote."""
        return self._addresses.held(ip, first_ms, last_ms, clock)

    def in_clock_of(self, node: str, at_ms: int, clock: str) -> int:
        """Return a time that `clock` wrote as the node's clock would have it."""
        return at_ms + self.clocks.between(clock, node)[0]

    def overflow(self) -> dict[str, int]:
        """Return what gave way to the bounds, by bound."""
        return {"tombstones-full": self._addresses.forgotten, "owner-tombstones-full": self._workloads.owners.forgotten}

    def node_of(self, pod: ObjectName, uid: str) -> str:
        """Return the node of a pod that is there now; empty where it is another one of that name, or on no node yet."""
        return self._pods[uid].node if self._pod_uids.get((pod.namespace, pod.name)) == uid else ""

    def node_names(self) -> frozenset[str]:
        """Return the names of the cluster's nodes."""
        return self._hosts.names

    def dns_caches(self) -> list[OwnerRecord]:
        """Return the DaemonSets of NodeLocal DNSCache that are there; O(owners)."""
        return self._workloads.owners.dns_caches()

    def naming_pods(self) -> list[PodRecord]:
        """Return the pods that say what their service is called in telemetry; O(pods)."""
        return [pod for pod in self._pods.values() if pod.service]

    def count_pods(self) -> tuple[int, int]:
        """Return the pods there are now: with an address of their own, and on the network of their node."""
        hosts = sum(self._pods[uid].host_network for uid in self._pod_uids.values())
        return len(self._pod_uids) - hosts, hosts

    def workload_of(self, pod: PodRecord) -> tuple[WorkloadRef, bool]:
        """Return the pod's workload, and whether that is certain (False: an owner may only be late)."""
        return self._workloads.workload_of(pod)

    def follow_owners(self, group: str, kind: str) -> None:
        """Take in that all objects of a kind that may own pods are told of from now on."""
        self._workloads.follow(group, kind)

    def unread_owner(self, workload: WorkloadRef) -> str:
        """Return kind and group (`Rollout.argoproj.io`) of the unread owner that names a workload; empty for none."""
        return self._workloads.unread.get(workload, "")

    def unread_owners(self) -> Counter[str]:
        """Return how many workloads are named by owners that could not be read, by kind and group."""
        return Counter(self._workloads.unread.values())

    def running_pods(self) -> list[PodRecord]:
        """Return the pods that are there now and have not ended, on networks of their own."""
        there = [self._pods[uid] for uid in self._pod_uids.values()]
        return [pod for pod in there if pod.end_ms is None and not pod.host_network]

    def is_on_host_network(self, workload: WorkloadRef) -> bool:
        """Whether the workload has pods now, and all of them are on the network of their node; O(pods)."""
        mine = [
            pod.host_network
            for uid in self._pod_uids.values()
            if (pod := self._pods[uid]).namespace == workload.namespace and self.workload_of(pod)[0] == workload
        ]
        return bool(mine) and all(mine)

    def workloads(self) -> set[WorkloadRef]:
        """Return the workloads of all pods known."""
        return {self.workload_of(pod)[0] for pod in self._pods.values()}

    def is_kept_out(self, workload: WorkloadRef) -> bool:
        """Whether an annotation on the workload says that no object is to be made for it."""
        return workload in self._kept_out

    def is_resolver(self, pod: PodRecord) -> bool:
        """Whether the pod stands behind a Service on port 53: it asks on behalf of others."""
        return self.is_behind(pod, self.services_on(53))

    def is_behind(self, pod: PodRecord, services: Set[ServiceRef]) -> bool:
        """Whether the pod stands, or stood until it went, behind one of these Services."""
        if not services.isdisjoint(self._services_of_pod.get((pod.namespace, pod.name), ())):
            return True
        if any(not services.isdisjoint(self._service_addresses.listing(ip)) for ip in pod.ips):
            return True
        if self._pod_uids.get((pod.namespace, pod.name)) == pod.uid and pod.end_ms is None:
            return False
        # No slice lists a pod that is gone, and its last look-ups may arrive later: its workload still tells.
        workload = self.workload_of(pod)[0]
        return any(self._single_owner(service) == workload for service in services)

    def services_on(self, port: int) -> Set[ServiceRef]:
        """Return the Services that have this port now."""
        return self._services_on.get(port, frozenset())

    def service_at(self, ip: str, port: int) -> ServiceRef | None:
        """Return the Service that has this ClusterIP, or an endpoint at that address and port that names no pod."""
        return self._service_addresses.at(ip, port)

    def cluster_ip_of(self, ip: str) -> ServiceRef | None:
        """Return the Service that has this ClusterIP."""
        return self._service_addresses.cluster_ip_of(ip)

    def is_in_cluster(self, ip: str, at_ms: int, clock: str) -> bool:
        """Whether it is a ClusterIP, or was a pod's address at that time: whose it is needs no look-up to tell."""
        return self._service_addresses.is_cluster_ip(ip) or bool(self.held(ip, at_ms, at_ms, clock).pods)

    def pods_behind(self, service: ServiceRef) -> list[PodRecord]:
        """Return the pods that the Service's slices list and that are known."""
        names = {(s.namespace, e.pod) for s in self._slices.get(service, {}).values() for e in s.endpoints}
        named = [self._pods[uid] for key in names if (uid := self._pod_uids.get(key))]
        return named + [pod for ip in self.bare_addresses_behind(service) if (pod := self._pod_now(ip))]

    def is_shared(self, service: ServiceRef) -> bool:
        """Whether several workloads are behind the Service now."""
        owners = self._owners_behind(service)
        return len(owners) - (None in owners) > 1

    def owners_of(self, service: ServiceRef) -> list[WorkloadRef]:
        """Return the workloads behind the Service now, sorted."""
        return sorted(owner for owner in self._owners_behind(service) if owner is not None)

    def is_headless(self, service: ServiceRef) -> bool:
        """Whether a look-up of the Service answers with the addresses of its endpoints."""
        record = self._services.get(service)
        return record is not None and record.headless

    def ports_of(self, destination: ServiceDestination) -> tuple[int, ...]:
        """Return the port that a client of this name dials, where the Service leaves no choice; else empty.

        That of its SRV name, or the only one the Service has. The ports of a headless Service are its pods' matter.
        """
        record = self._services.get(ServiceRef(destination.namespace, destination.service))
        if record is None or record.headless or record.external_name:
            return ()
        if destination.port:
            return tuple(p for p, name in zip(record.ports, record.srv_names, strict=False) if name == destination.port)
        return record.ports if len(record.ports) == 1 else ()

    def bare_addresses_behind(self, service: ServiceRef) -> set[str]:
        """Return the addresses of the Service's endpoints that name no pod."""
        return {ip for s in self._slices.get(service, {}).values() for e in s.endpoints for ip in e.addresses}

    def has_service(self, service: ServiceRef) -> bool:
        """Whether the Service exists now."""
        return service in self._services

    def has_pod_host(self, service: ServiceRef, host: str) -> bool:
        """Whether a pod is known under that host name behind a headless Service, ready or not."""
        record = self._services.get(service)
        return bool(record and record.headless) and self._pod_of_host(service, host) is not None

    def target_of(self, destination: Destination) -> Target:
        """Return who stands behind a destination now: one workload, else the Service, or the domain."""
        match destination:
            case WorkloadDestination(workload):
                return WorkloadTarget(workload)
            case DomainDestination(domain):
                return InternetTarget(self._group_of(domain))
            case ServiceDestination():
                return self._service_target(destination)

    # --- targets

    def _service_target(self, asked: ServiceDestination) -> Target:
        destination, name = self._external_names.end_of(asked)
        service = ServiceRef(destination.namespace, destination.service)
        if destination.zone == CLUSTERSET_DOMAIN:
            if self.has_service(service):
                return ServiceTarget(service.namespace, service.name)
            return InternetTarget(f"{service.name}.{service.namespace}.svc.{CLUSTERSET_DOMAIN}")
        if not name:
            return self._inside_target(service, destination.host)
        if pod_name := try_pod_name(name, self._domain):
            pod = self._pod_now(pod_name.ip)
            return WorkloadTarget(self.workload_of(pod)[0]) if pod else ServiceTarget(service.namespace, service.name)
        if is_address(name, self._domain) or ":" in name:  # the API allows it, and DNS takes it for a name
            return ServiceTarget(service.namespace, service.name)
        return InternetTarget(self._group_of(name))

    def _inside_target(self, service: ServiceRef, host: str) -> Target:
        if service != _API_SERVER:
            if host and (pod := self._pod_of_host(service, host)):
                return WorkloadTarget(self.workload_of(pod)[0])
            if owner := self._single_owner(service):
                return WorkloadTarget(owner)
        return ServiceTarget(service.namespace, service.name)

    def _single_owner(self, service: ServiceRef) -> WorkloadRef | None:
        owners = self._owners_behind(service)
        if not owners:
            return self._last_owner.get(service)  # scaled to zero keeps its last one
        if len(owners) > 1:
            self._last_owner.pop(service, None)
            return None
        (owner,) = owners
        if owner is not None:
            self._last_owner[service] = owner
        return owner

    def _owners_behind(self, service: ServiceRef) -> frozenset[WorkloadRef | None]:
        """Return the owners of the Service's endpoints; None among them where one is no pod."""
        if (known := self._backing.get(service)) is not None:
            return known
        owners: set[WorkloadRef | None] = set()
        for slice_ in self._slices.get(service, {}).values():
            for endpoint in slice_.endpoints:
                if not endpoint.pod:
                    pods = [self._pod_now(ip) for ip in endpoint.addresses] or [None]
                    owners.update(self.workload_of(pod)[0] if pod else None for pod in pods)
                elif uid := self._pod_uids.get((slice_.namespace, endpoint.pod)):
                    # A pod not known is under way, or gone before its slice says so: every rollout shows the latter.
                    owners.add(self.workload_of(self._pods[uid])[0])
        self._backing[service] = frozenset(owners)
        return self._backing[service]

    def _pod_now(self, ip: str) -> PodRecord | None:
        """Return the pod that has the address now; None where none has, or pods of several workloads have."""
        pods = () if ip in self._hosts else self.held(ip, _NOW_MS, _NOW_MS, OURS).pods
        return pods[-1] if len({self.workload_of(pod)[0] for pod in pods}) == 1 else None

    def _pod_of_host(self, service: ServiceRef, host: str) -> PodRecord | None:
        for slice_ in self._slices.get(service, {}).values():
            for endpoint in slice_.endpoints:
                if host in (endpoint.host, endpoint.pod) and (
                    uid := self._pod_uids.get((slice_.namespace, endpoint.pod))
                ):
                    return self._pods[uid]
        uid = self._pod_uids.get((service.namespace, host))  # not ready pods of a StatefulSet may be in no slice
        pod = self._pods[uid] if uid else None
        return pod if pod and pod.owner and re.fullmatch(re.escape(pod.owner.name) + r"-\d+", host) else None

    # --- records

    def _keep_out(self, workload: WorkloadRef, *, is_kept_out: bool) -> None:
        if is_kept_out:
            self._kept_out.add(workload)
        else:
            self._kept_out.discard(workload)

    def _put_pod(self, pod: PodRecord, now_ms: int) -> set[ServiceRef]:
        if pod.owner is None or pod.override:
            self._keep_out(self.workload_of(pod)[0], is_kept_out=pod.is_kept_out)
        key = (pod.namespace, pod.name)
        before = self._pods.get(self._pod_uids.get(key, ""))
        self._pods[pod.uid] = pod
        self._pod_uids[key] = pod.uid
        self._forget_pods(self._addresses.hold(pod, now_ms))
        changed: set[ServiceRef] = set()
        if before is None or (before.owner, before.override) != (pod.owner, pod.override):
            changed |= self._services_of_pod.get(key, set())
        if not pod.host_network and (changed or before is None or (before.ips, before.end_ms) != (pod.ips, pod.end_ms)):
            changed |= self._service_addresses.listing_any((*(before.ips if before else ()), *pod.ips))
        return changed

    def _drop_pod(self, pod: PodRecord, gone: RecordGone, now_ms: int) -> set[ServiceRef]:
        self._pods[pod.uid] = pod
        forgotten = self._addresses.hold(pod, now_ms)
        forgotten |= self._addresses.release(pod, gone.at_ms, gone.at_ms if gone.since_ms is None else gone.since_ms)
        key = (pod.namespace, pod.name)
        if self._pod_uids.get(key) == pod.uid:
            del self._pod_uids[key]
        if not pod.ips or pod.host_network:
            forgotten.add(pod.uid)
        self._forget_pods(forgotten)
        return self._services_of_pod.get(key, set()) | self._service_addresses.listing_any(pod.ips)

    def _forget_pods(self, uids: Iterable[str]) -> None:
        """Forget pods that hold no address any more, unless they are there still."""
        for uid in uids:
            pod = self._pods.get(uid)
            if pod is not None and self._pod_uids.get((pod.namespace, pod.name)) != uid:
                del self._pods[uid]

    def _put_service(self, record: ServiceRecord, *, gone: bool) -> set[ServiceRef]:
        service = ServiceRef(record.namespace, record.name)
        before = self._services.get(service)
        self._service_addresses.put_service(before, None if gone else record)
        for port in before.ports if before else ():
            self._services_on[port].discard(service)
        if gone:
            self._services.pop(service, None)
            self._last_owner.pop(service, None)
        else:
            self._services[service] = record
            for port in record.ports:
                self._services_on.setdefault(port, set()).add(service)
        self._external_names.put(service, "" if gone else record.external_name)
        return {service}

    def _put_slice(self, record: SliceRecord, *, gone: bool) -> set[ServiceRef]:
        service = ServiceRef(record.namespace, record.service)
        slices = self._slices.setdefault(service, {})
        before = slices.pop(record.name, None)
        if not gone:
            slices[record.name] = record
        self._service_addresses.put_slice(before, None if gone else record)
        for endpoint in before.endpoints if before else ():
            keeps = any(endpoint.pod == e.pod for s in slices.values() for e in s.endpoints)
            if not keeps and (services := self._services_of_pod.get((record.namespace, endpoint.pod))):
                services.discard(service)
                if not services:
                    del self._services_of_pod[record.namespace, endpoint.pod]
        for endpoint in record.endpoints if not gone else ():
            if endpoint.pod:
                self._services_of_pod.setdefault((record.namespace, endpoint.pod), set()).add(service)
        if not slices:
            del self._slices[service]
        return {service}

    def _services_in(self, namespace: str) -> set[ServiceRef]:
        """Return the Services with endpoints in that namespace."""
        bare = self._service_addresses.bare_addresses()
        here = [ip for ip in bare if (pod := self._pod_now(ip)) and pod.namespace == namespace]
        return {s for s in self._slices if s.namespace == namespace} | self._service_addresses.listing_any(here)
