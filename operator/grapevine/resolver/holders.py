"""Whose an address was at a time: one workload, or why that cannot be said."""

from typing import NamedTuple

from grapevine.model.observation import ConnObservation, Observation
from grapevine.model.workload import WorkloadRef
from grapevine.resolver.clocks import UNKNOWN
from grapevine.resolver.index import ClusterIndex
from grapevine.resolver.noise import Reason, Unresolved
from grapevine.resolver.records import PodRecord

TOLD = "dnstap"
"""Source of what was told over the network and not heard on it; who told stands in `resolver_ip`."""
READ = "log"
"""Source of what its sender read out of a DNS server's own log, so that nobody else can have told it."""


class Holder(NamedTuple):
    """Who held an address."""

    pods: tuple[PodRecord, ...]
    """One pod, or several of the workload that cannot be told apart, the one told of last at the end."""
    workload: WorkloadRef
    is_certain: bool
    """Whether the pods' owners are known."""


def holder_at(index: ClusterIndex, ip: str, first_ms: int, last_ms: int, clock: str) -> Holder | Unresolved:
    """Return who held `ip` all the time between two times that `clock` wrote.

    Pods that cannot be told apart are one holder if they are of one workload.
    """
    held = index.held(ip, first_ms, last_ms, clock)
    if not held.pods:
        return Unresolved(Reason.NO_POD)
    if held.is_doubtful:
        return Unresolved(Reason.ADDRESS_SHARED)
    workload, is_certain = index.workload_of(held.pods[-1])
    for other in held.pods[:-1]:
        others, is_others_certain = index.workload_of(other)
        if others != workload:
            if not (is_certain and is_others_certain):
                return Unresolved(Reason.OWNER_UNKNOWN)
            return Unresolved(Reason.ADDRESS_SHARED if held.is_open else Reason.CHANGED_HANDS)
        is_certain = is_certain and is_others_certain
    if not held.is_whole:
        return Unresolved(Reason.CHANGED_HANDS)
    return Holder(held.pods, workload, is_certain)


def clock_of(index: ClusterIndex, observation: Observation, sender: str) -> str:
    """Return whose clock the observation's times are: the sender's, or that of the DNS server's node that told it.

    A log whose server is not known was read where it was written.
    """
    if isinstance(observation, ConnObservation) or observation.source not in (TOLD, READ):
        return sender
    servers = index.held(observation.resolver_ip, observation.last_ms, observation.last_ms, sender).pods
    if servers:
        return servers[-1].node
    return sender if observation.source == READ else UNKNOWN
