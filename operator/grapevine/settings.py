"""Settings of the operator and of offline runs: one small frozen dataclass per component, validated when made.

Values come from `GRAPEVINE_*` environment variables and command-line flags; a flag wins.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from grapevine.model.errors import PermanentInputError

_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """How addresses and names become workloads and destinations."""

    cluster_domain: str = "cluster.local"
    """DNS domain of the cluster, without leading or trailing dot; kubelet's `clusterDomain`."""
    override_annotations: tuple[str, ...] = ("intents.otterize.com/workload-name", "intents.otterize.com/service-name")
    """Pod annotations that name its workload, first one present wins; Otterize's two by default."""
    own_namespace: str = ""
    """Grapevine's own namespace, whose look-ups are not part of the map; empty outside a cluster."""
    tombstone_s: int = 600
    """How long a finished pod's address is remembered, seconds of observation time: what a late batch may be behind."""
    park_ms: int = 5_000
    """How long an observation waits for an object the informers have not delivered yet; they may lag by seconds."""
    max_parked: int = 20_000
    """Observations waiting at once; more are counted as `parking-full` and resolved with what is known."""

    def __post_init__(self) -> None:
        if not _DOMAIN.fullmatch(self.cluster_domain):
            raise PermanentInputError(
                f"cluster domain {self.cluster_domain!r} is no DNS domain: give it like cluster.local"
            )


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """Bounds of the map in memory."""

    max_clients: int = 20_000
    max_destinations: int = 1_000
    """Distinct destinations of one client; a name flood stops here and is counted as `destinations-full`."""
    max_failures: int = 200
    """Names of one client that never resolved; the oldest gives way and is counted as `failures-full`."""


@dataclass(frozen=True, slots=True)
class ReconcileSettings:
    """How the map becomes objects."""

    max_observed: int = 200
    """Entries of `status.observed`; what is over it is counted in the status and kept in memory."""
    coalesce_ms: int = 1_000
    """Shortest time between two writes of one object: a client's first look-ups become one write."""
    refresh_ms: int = 300_000
    """How far `status.lastSeen` may lag behind before it alone is worth a write; ≥ 1."""
    workers: int = 4
    """Objects written at the same time."""


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """The door for batches."""

    max_queued_batches: int = 256
    """Batches accepted and not yet processed; over it the answer is 429."""
    max_streams: int = 5_000
    """Capture processes remembered for deduplication; the one silent longest is forgotten."""


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Everything `grapevine operator` needs."""

    kubeconfig: str | None = None
    """Path of a kubeconfig; None means the service account in a pod, else kubectl's default file."""
    listen_host: str = "0.0.0.0"  # noqa: S104 - capture reaches it from every node
    listen_port: int = 8080
    health_host: str = "0.0.0.0"  # noqa: S104 - kubelet probes the pod's address
    health_port: int = 8081
    resolver: ResolverSettings = field(default_factory=ResolverSettings)
    graph: GraphSettings = field(default_factory=GraphSettings)
    reconcile: ReconcileSettings = field(default_factory=ReconcileSettings)
    ingest: IngestSettings = field(default_factory=IngestSettings)

    def __post_init__(self) -> None:
        for name in ("listen_port", "health_port"):
            if not 0 <= getattr(self, name) <= 65_535:
                raise PermanentInputError(f"{name} {getattr(self, name)} is no port: give 0 to 65535")


def parse_address(text: str, what: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`, `[V6]:PORT` or `:PORT` (every address).

    Raises:
        PermanentInputError: it is none of these; the text names `what` (a flag or a variable).
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise PermanentInputError(f"{what}: {text!r} is no address: give HOST:PORT, e.g. 127.0.0.1:8080")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - asked for by leaving the host out


def operator_settings(environ: Mapping[str, str], **flags: str | None) -> OperatorSettings:
    """Join defaults, environment and flags; a flag that is None was not given.

    Flags: `kubeconfig`, `listen`, `health` (HOST:PORT), `cluster_domain`.

    Raises:
        PermanentInputError: a value is not usable; the text names it.
    """
    given = {k: v for k, v in flags.items() if v is not None}

    def value(flag: str, variable: str) -> str | None:
        return given.get(flag) or environ.get(variable) or None

    settings = OperatorSettings(kubeconfig=value("kubeconfig", "GRAPEVINE_KUBECONFIG"))
    if listen := value("listen", "GRAPEVINE_LISTEN"):
        host, port = parse_address(listen, "--listen")
        settings = replace(settings, listen_host=host, listen_port=port)
    if health := value("health", "GRAPEVINE_HEALTH"):
        host, port = parse_address(health, "--health")
        settings = replace(settings, health_host=host, health_port=port)
    resolver = settings.resolver
    if domain := value("cluster_domain", "GRAPEVINE_CLUSTER_DOMAIN"):
        resolver = replace(resolver, cluster_domain=domain.strip(".").lower())
    if annotation := environ.get("GRAPEVINE_WORKLOAD_NAME_ANNOTATION"):
        resolver = replace(resolver, override_annotations=(annotation, *resolver.override_annotations))
    if park_ms := environ.get("GRAPEVINE_PARK_MS"):
        resolver = replace(resolver, park_ms=_parse_count(park_ms, "GRAPEVINE_PARK_MS"))
    if namespace := environ.get("GRAPEVINE_NAMESPACE"):
        resolver = replace(resolver, own_namespace=namespace)
    return replace(settings, resolver=resolver)


def _parse_count(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise PermanentInputError(f"{what}: {text!r} is no whole number")
    return int(text)
