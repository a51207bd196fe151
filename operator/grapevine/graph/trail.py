"""What an edge remembers of the observations behind it: a sample, bounded, for a person who asks why. Pure.

Kept beside the numbers of a sighting and never written to the cluster: a restart begins it anew.
"""

from sys import intern

from grapevine.model.trace import Trace

MAX_PODS = 8
MAX_ANSWERS = 8
MAX_RESOLVERS = 4
MAX_SOURCES = 4


class Trail:
    """The newest pods, answers, resolvers and sources of one destination of one client, the oldest of them first.

    Tuples, as a map has tens of thousands of these and most hold one of each: about 0.3 KiB.
    """

    __slots__ = ("answers", "pods", "resolvers", "sources")

    def __init__(self) -> None:
        self.pods: tuple[str, ...] = ()
        self.answers: tuple[str, ...] = ()
        self.resolvers: tuple[str, ...] = ()
        self.sources: tuple[str, ...] = ()

    def note(self, trace: Trace) -> None:
        """Take in one observation; over a bound the oldest goes."""
        if trace.pod not in self.pods:
            self.pods = (*self.pods, intern(trace.pod))[-MAX_PODS:]
        if trace.source not in self.sources:
            self.sources = (*self.sources, intern(trace.source))[-MAX_SOURCES:]
        if trace.resolver and trace.resolver not in self.resolvers:
            self.resolvers = (*self.resolvers, intern(trace.resolver))[-MAX_RESOLVERS:]
        if new := [intern(answer) for answer in trace.answers[:MAX_ANSWERS] if answer not in self.answers]:
            self.answers = (*self.answers, *new)[-MAX_ANSWERS:]
