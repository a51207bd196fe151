"""What travels between capture and operator, and its limits.

`POST /v1/observations`: one header line and one JSON line an observation (NDJSON), optionally deflated (RFC 1950).
"""

from collections.abc import Mapping
from types import MappingProxyType

from grapevine.model.errors import PermanentInputError
from grapevine.model.observation import Observation
from grapevine.model.value import value

VERSION = 1
PATH = "/v1/observations"
CONTENT_TYPE = "application/x-ndjson"

MAX_BODY_BYTES = 1 << 20
"""Largest request body as it arrives; a batch of `MAX_RECORDS` usual records is about a third of it."""
MAX_DECODED_BYTES = 8 << 20
"""Largest body once inflated: bounds what a deflate bomb can cost."""
MAX_RECORDS = 2_000
"""Observations in one batch."""
MAX_ANSWERS = 64
"""Answers, and CNAMEs, kept of one response; capture cuts there and counts."""
MAX_NAME_CHARS = 1_023
"""A name of 255 octets (RFC 1035 §2.3.4) with every octet escaped as `\\DDD`."""
MAX_HOST_IPS = 256
MAX_COUNTERS = 256
HEARTBEAT_SEQ = 0
"""A batch with this sequence number carries no observations: it keeps *heard* going and asks for the reply."""

STATUS_ACCEPTED = 202
STATUS_REJECTED = 400
STATUS_UNAUTHENTICATED = 401
"""Over TLS only: no token, or not one of capture's service account; the reply says which."""
STATUS_NOT_LEADER = 421
"""This replica does not lead; `Reply.leader` says where the leader is (RFC 9110 §15.5.20)."""
STATUS_BUSY = 429
STATUS_UNAVAILABLE = 503
"""The token cannot be checked now: the API server does not answer."""

TOKEN_AUDIENCE = "grapevine"  # noqa: S105 - no secret
"""Audience a sender's service account token is bound to: no other token of a pod opens this door."""
MAX_TOKEN_CHARS = 8_192
"""Longest token; Kubernetes' have about 1,200."""
MAX_ADDRESS_CHARS = 64
WANT_DNS_PODS = "dns-pods"
"""In `BatchHeader.wants`: the reply is to name the cluster's DNS servers."""
MAX_OBJECT_NAME_CHARS = 253
"""Longest name of a Kubernetes object (RFC 1123 subdomain)."""
MAX_DNS_PODS = 50
"""Pods in one reply; each is followed by a stream of its own through the API server."""


class WireError(PermanentInputError):
    """The bytes are no batch (or reply) of this protocol; the text says why and goes into the 400 reply."""


@value
class Hearing:
    """What a capture process listens to, so that an edge ages only by time in which it could have been heard."""

    sources: tuple[str, ...]
    """Sources open now, e.g. `("packet",)`; empty while none is."""
    since_ms: int
    """Since when all of them have been open without a gap, milliseconds since the epoch."""


@value
class BatchHeader:
    """First line of a batch."""

    stream: str
    """Names the sequence: random per capture process; for a file its digest, with batches cut deterministically."""
    seq: int
    """1, 2, 3, … within the stream; `HEARTBEAT_SEQ` for a heartbeat."""
    oldest: int
    """Lowest sequence number the sender still keeps: everything below is durable or lost, and will not come again."""
    node: str
    """Node's name as capture was told; empty for a file."""
    clock_ms: int
    """Sender's clock when the request was sent (for a file: time of its newest packet): how far it is from ours."""
    hearing: Hearing
    host_ips: tuple[str, ...] = ()
    """Addresses of the node itself: never a pod's."""
    counters: Mapping[str, int] = MappingProxyType({})
    """Rejections and losses by reason, cumulative since the stream began."""
    wants: tuple[str, ...] = ()
    """What the sender asks for in the reply beyond its usual fields: `WANT_DNS_PODS`."""


@value
class Batch:
    """One request."""

    header: BatchHeader
    observations: tuple[Observation, ...]
    skipped: Mapping[str, int] = MappingProxyType({})
    """Filled by the decoder: lines it did not take, by reason (`unknown-type`, `bad-record`)."""


@value
class DnsPod:
    """A pod that is a DNS server of the cluster."""

    namespace: str
    name: str
    ip: str
    """Its address, the resolver of what it tells; empty where it is not known."""


@value
class Reply:
    """Body of every answer of the operator."""

    instance: str
    """Random per operator process: a new one makes the sender send again all it keeps."""
    durable_through: int
    """Highest sequence number of the stream up to which every edge stands in a written object."""
    reason: str = ""
    """Why a batch was refused, for the sender's log; empty when accepted."""
    leader: str = ""
    """With 421 alone: `IP:PORT` or `[IPv6]:PORT` of the leader's TLS listener; empty while nobody is."""
    dns_pods: tuple[DnsPod, ...] | None = None
    """The cluster's DNS servers, in the order of their names; only where the batch wants to know."""
