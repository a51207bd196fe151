"""One small frozen dataclass per component, validated when made."""

import ipaddress
import re
from dataclasses import dataclass, field

from grapevine.model.errors import PermanentInputError
from grapevine.model.identity import ObjectName
from grapevine.model.loopback import is_loopback
from grapevine.model.write_policy import WritePolicy
from grapevine.settings.webhook import WebhookSettings

DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""A DNS domain in lower case, without leading or trailing dot."""

_CA_CONFIGMAP = ObjectName("grapevine-capture", "grapevine-ca")
_CAPTURE_ACCOUNT = ObjectName("grapevine-capture", "grapevine-capture")

CLOUD_METADATA = (
    "metadata.google.internal",
    "instance-data.ec2.internal",
    "instance-data",
    "metadata.azure.internal",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
)
"""Metadata services as the clouds document them: instance metadata of AWS, Azure, Google, Oracle, OpenStack and
Alibaba, and the credentials of ECS and EKS pods."""
IGNORE_ANNOTATION = "grapevine.dev/ignore"
"""On a pod: leave it out as a client."""
_NAMESPACE_PATTERN = re.compile(r"[a-z0-9*]([-a-z0-9*]*[a-z0-9*])?")
_LABEL = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?(=[A-Za-z0-9_.-]*)?")


@dataclass(frozen=True, slots=True)
class ScopeSettings:
    """Which pods the map is about, as clients. Edges that lead to others stay (resolver.scope)."""

    namespaces: tuple[str, ...] = ()
    """Patterns, `*` for any part; empty for all."""
    excluded_namespaces: tuple[str, ...] = ()
    """Patterns that win over these."""
    labels: tuple[str, ...] = ()
    """`key` or `key=value`, one of which a pod must carry; empty for all."""
    excluded_labels: tuple[str, ...] = ()
    """The same, none of which it may carry."""
    ignore_annotation: str = IGNORE_ANNOTATION
    """Pod annotation that leaves it out where it is `true`."""

    def __post_init__(self) -> None:
        for each in (*self.namespaces, *self.excluded_namespaces):
            if not _NAMESPACE_PATTERN.fullmatch(each):
                raise PermanentInputError(f"namespaces: {each!r} is no pattern of a namespace: give NAME or team-*")
        for each in (*self.labels, *self.excluded_labels):
            if not _LABEL.fullmatch(each):
                raise PermanentInputError(f"labels: {each!r} is no label: give KEY or KEY=VALUE")


@dataclass(frozen=True, slots=True)
class OwnerKindName:
    """A kind as it is asked for."""

    group: str
    version: str
    name: str
    """Kind or resource: `Rollout`, `rollouts`."""

    def __str__(self) -> str:
        """Return it as it was given."""
        return f"{self.group or 'core'}/{self.version}/{self.name}"


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """How addresses and names become workloads and destinations."""

    cluster_domain: str = "cluster.local"
    """DNS domain of the cluster, without leading or trailing dot; kubelet's `clusterDomain`."""
    override_annotations: tuple[str, ...] = ("intents.otterize.com/workload-name", "intents.otterize.com/service-name")
    """Pod annotations that name its workload, first one present wins; Otterize's two by default."""
    owner_kinds: tuple[OwnerKindName, ...] = ()
    """Kinds that own pods, or what owns them, besides Kubernetes' own: Argo's Rollout, Knative's Revision, …"""
    name_jobs_by_image: bool = False
    """Name Jobs that nothing owns by the images of their containers: their own names may be new each time."""
    dns_servers: tuple[str, ...] = ()
    """Networks (CIDR, or single addresses) of DNS servers that may speak for the cluster's names besides those that are
    found without being told (`resolver.dns_servers`): a resolver of the pods' own, outside the cluster."""
    metadata: tuple[str, ...] = CLOUD_METADATA
    """Names, addresses and networks of clouds' metadata services, which are noise."""
    scope: ScopeSettings = field(default_factory=ScopeSettings)
    domain_rules: tuple[str, ...] = ()
    """Groups of domains, `*.s3.amazonaws.com`: every name below is shown as the group. None by default."""
    groups_by_suffix: bool = False
    """Whether other domains are grouped by who registered them, `*.example.co.uk`, by the Public Suffix List."""
    own_namespace: str = ""
    """Grapevine's own namespace, whose look-ups are not part of the map; empty outside a cluster."""
    tombstone_s: int = 600
    """How long a finished pod's address is remembered, seconds of observation time: what a late batch may be behind."""
    settle_ms: int = 2_000
    """How long what was just heard waits before it is decided whose it is: what the watch may be behind with telling
    that an address changed hands. What is older by more than clocks may be off (a file) waits for nothing."""
    park_ms: int = 5_000
    """How long an observation waits for an object the informers have not delivered yet; they may lag by seconds."""
    max_parked: int = 20_000
    """Observations waiting at once; more are counted as `parking-full` and resolved with what is known."""
    max_behind_ms: int = 300_000
    """Longest that batches and what is parked wait while the informers cannot follow; then what is known must do."""

    def __post_init__(self) -> None:
        if not DOMAIN.fullmatch(self.cluster_domain):
            raise PermanentInputError(
                f"cluster domain {self.cluster_domain!r} is no DNS domain: give it like cluster.local"
            )
        for each in self.metadata:
            if "/" not in each and ":" not in each and DOMAIN.fullmatch(each):
                continue  # a name, or an IPv4 address
            try:
                ipaddress.ip_network(each)
            except ValueError as error:
                raise PermanentInputError(f"metadata: {error}: give names, addresses or networks") from error
        for each in self.domain_rules:
            if not each.startswith("*.") or not DOMAIN.fullmatch(each[2:]):
                raise PermanentInputError(f"domain rules: {each!r} is no group: give it like *.s3.amazonaws.com")
        for each in self.dns_servers:
            try:
                ipaddress.ip_network(each)
            except ValueError as error:
                raise PermanentInputError(
                    f"DNS servers: {error}: give addresses or networks, like 192.0.2.53,2001:db8::/64"
                ) from error


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """Bounds of the map in memory."""

    max_clients: int = 20_000
    max_destinations: int = 1_000
    """Distinct destinations of one client; a name flood stops here and is counted as `destinations-full`."""
    max_domains: int = 500
    """Of these, names outside the cluster; more are counted as `domains-full` and in the client's status."""
    max_failures: int = 200
    """Names of one client that never resolved; the oldest gives way and is counted as `failures-full`."""
    max_client_addresses: int = 256
    """Addresses outside the cluster remembered of one client, answered or connected to; the one heard of longest ago
    gives way and is counted as `addresses-full`."""
    max_addresses: int = 20_000
    """The same of all clients together, where new ones are not taken in; 12 MiB."""
    patience_ms: int = 86_400_000
    """How long a well-known edge without a slow rhythm is listened for in vain before it is stale; ≥ 24. All else in
    `graph.ageing` is a multiple of it."""
    learning_ms: int = 86_400_000
    """How long a client must have been listened to before an edge of it is news."""
    max_trails: int = 40_000
    """Destinations, over all clients, that remember which pods, resolvers and answers stood behind them; one over it
    keeps its numbers alone."""


@dataclass(frozen=True, slots=True)
class ReconcileSettings:
    """How the map becomes objects."""

    coalesce_ms: int = 1_000
    """Shortest time between two writes of one object: a client's first look-ups become one write."""
    refresh_ms: int = 300_000
    """How far `status.lastSeen` may lag behind before it alone is worth a write; ≥ 1."""
    refresh_share_ms: int = 2_000
    """The same for each object in the cluster, where that is more: half a write a second for all of them together."""
    writes_per_s: int = 100
    """Writes of all objects; 0 is no limit."""
    write_burst: int = 200
    """Writes at once after a rest."""
    workers: int = 4
    """Objects written at the same time."""
    policy: WritePolicy = WritePolicy.UPSERT_ONLY
    """What may be written."""
    recreate_after_ms: int = 600_000
    """How long a discovered object that a person deleted stays deleted, whatever is seen."""


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """The door for batches."""

    max_queued_batches: int = 4_096
    """Batches accepted and not yet processed, those that settle among them; over it the answer is 429."""
    max_queued_observations: int = 60_000
    """The same in observations: the settle time at 20,000/s and half of it more; 50 MiB."""
    max_streams: int = 5_000
    """Capture processes remembered for deduplication; the one silent longest is forgotten."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """The doors for others than this pod: batches from other nodes, and questions where that is asked for."""

    secret: ObjectName
    """Where the replicas share certificate and key; it must be there, be it empty."""
    host: str = "0.0.0.0"  # noqa: S104 - capture reaches it from every node
    port: int = 8_443
    ca_configmaps: tuple[ObjectName, ...] = (_CA_CONFIGMAP,)
    """Where capture, and the sidecars, find whom to trust; made where they are missing."""
    names: tuple[str, ...] = ()
    """DNS names of the certificate; never empty."""
    lifetime_s: int = 90 * 86_400
    """How long a certificate is valid; it is replaced after two thirds of it."""
    accounts: tuple[ObjectName, ...] = (_CAPTURE_ACCOUNT,)
    """Service accounts whose pods may send."""
    api: tuple[str, int] | None = None
    """Host and port of the API's listener for tokens, with the same certificate; None for none."""

    def __post_init__(self) -> None:
        wrong = [name for name in self.names if not DOMAIN.fullmatch(name) or len(name) > 253]
        if wrong or not self.names:
            raise PermanentInputError(f"GRAPEVINE_TLS_NAMES: {wrong[:1]!r} is no list of DNS names")
        if not 15 <= self.lifetime_s <= 10 * 365 * 86_400:
            raise PermanentInputError(f"GRAPEVINE_TLS_LIFETIME_S: {self.lifetime_s}: give 15 seconds to 10 years")


@dataclass(frozen=True, slots=True)
class ElectionSettings:
    """Who this process is among the replicas, and the Lease they lead by."""

    lease: ObjectName
    pod: str
    """Name of its pod; outside one, a name of its own."""
    uid: str = ""
    """Of the pod; where empty, the process takes something random."""
    address: str = ""
    """`IP:PORT` or `[IPv6]:PORT` where the others' senders find its TLS listener; empty without one."""


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Everything `grapevine operator` needs."""

    kubeconfig: str | None = None
    """Path of a kubeconfig; None means the service account in a pod, else kubectl's default file."""
    listen_host: str = "127.0.0.1"
    """Plain HTTP without authentication, so loopback: for the sidecar, and for use by hand."""
    listen_port: int = 8080
    allow_plain_http: bool = False
    """Let `listen_host` be any address: whoever reaches it can write edges into the map."""
    tls: TlsSettings | None = None
    election: ElectionSettings | None = None
    """None: this process is the only one."""
    health_host: str = "0.0.0.0"  # noqa: S104 - kubelet probes the pod's address
    health_port: int = 8081
    api_host: str = "127.0.0.1"
    """Names that were looked up are nobody else's business, and there is no authentication: loopback, always."""
    api_port: int = 8082
    resolver: ResolverSettings = field(default_factory=ResolverSettings)
    graph: GraphSettings = field(default_factory=GraphSettings)
    reconcile: ReconcileSettings = field(default_factory=ReconcileSettings)
    ingest: IngestSettings = field(default_factory=IngestSettings)
    events: bool = True
    """Write Events about ClientIntents."""
    webhook: WebhookSettings | None = None

    def __post_init__(self) -> None:
        for name in ("listen_port", "health_port", "api_port"):
            if not 0 <= getattr(self, name) <= 65_535:
                raise PermanentInputError(f"{name} {getattr(self, name)} is no port: give 0 to 65535")
        if not is_loopback(self.api_host):
            raise PermanentInputError(
                f"--api {self.api_host}: it tells whoever reaches it who talks to whom, so it is for loopback alone: "
                "give 127.0.0.1:PORT, and reach it with `kubectl port-forward`; --api-tls-listen is for other "
                "addresses, and asks for tokens"
            )
        if not (self.allow_plain_http or is_loopback(self.listen_host)):
            raise PermanentInputError(
                f"--listen {self.listen_host}: plain HTTP is for loopback alone, as whoever reaches it can write edges "
                "into the map; use --tls-listen, or say --allow-plain-http in a network you trust"
            )
