"""What went through capture and what did not, by reason; every batch header carries the numbers.

The accounts close, which the tests check: every frame is a message, a query, a segment, a connection (or its copy, or
one too many) or one `skip`/`reject` of the frame stage (dnstap has another one than packets), and every message is an
event, a folded copy, one that found the window full, or one `skip`/`reject` of the message stage. Messages and queries
out of TCP streams come besides.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Every reason capture counts by: its name on the wire, its kind and its meaning.

    Kinds: `flow` went through, `skip` was not meant for us, `reject` could not be used, `partial` was used as far as
    it went, `loss` would have been used but for a bound or a failure.
    """

    kind: str
    meaning: str

    def __new__(cls, value: str, kind: str, meaning: str) -> "Reason":
        """Make the member; the enum's own protocol."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.kind = kind
        member.meaning = meaning
        return member

    __hash__ = str.__hash__  # the enum's own is written in Python, and twice as dear as all else in `Counters.add`

    FRAMES = "frames", "flow", "frames read from the source"
    SEGMENTS = "segments", "flow", "TCP segments from or to port 53, with or without data"
    MESSAGES = (
        "messages",
        "flow",
        "DNS messages: UDP datagrams from port 53, messages reassembled from TCP or told by dnstap",
    )
    EVENTS = "events", "flow", "responses reported, the copies of one counted once"
    QUERIES = "queries", "flow", "DNS queries heard, each copy: datagrams to port 53, messages reassembled from TCP"
    FOLDED = "folded", "flow", "further copies of a response, and a server's own look-ups on the way to it"

    CONNECTIONS = "connections", "flow", "TCP connections begun (SYN without ACK), the copies of one counted once"
    CONNECTIONS_FOLDED = "connections-folded", "flow", "further copies of a SYN, and its repeats within seconds"

    NOT_IP = "not-ip", "skip", "frame carries neither IPv4 nor IPv6"
    NOT_UDP_TCP = "not-udp-tcp", "skip", "packet carries neither UDP nor TCP"
    OTHER_PORT = (
        "other-port",
        "skip",
        "datagram or segment neither from nor to port 53, and no beginning of a connection",
    )
    LATER_FRAGMENT = "later-fragment", "skip", "fragment other than the first: it has no ports"
    SHORT_FRAME = "short-frame", "reject", "headers cut short by the snap length, or lengths in them that lie"
    CUT_PAYLOAD = "cut-payload", "partial", "payload cut by the snap length or by fragmentation; used up to the cut"

    RETRANSMITTED = "tcp-retransmitted", "skip", "segments that brought nothing new"
    MIDWAY = "tcp-midway", "skip", "segments of a connection whose start was not seen, at no start of a message"
    STREAM_GARBAGE = "tcp-garbage", "reject", "connections dropped because no DNS message stands where one must"
    STREAM_OVERFLOW = "tcp-overflow", "loss", "connections dropped with more out of order than the cap allows"
    STREAM_EVICTED = "tcp-evicted", "loss", "connections dropped, longest silent first, for the cap on flows or bytes"
    STREAM_IDLE = "tcp-idle", "loss", "connections that fell silent within a message"

    TAP_SENDERS = "dnstap-senders", "flow", "connections on which a dnstap sender has started"
    OTHER_TAP = "dnstap-other", "skip", "dnstap frames of another kind than CLIENT_RESPONSE: queries, forwarded ones"
    TAP_NOT_FULL = (
        "dnstap-not-full",
        "reject",
        "dnstap responses without the message itself: the sender's dnstap is not `full`",
    )
    BAD_TAP = "dnstap-bad", "reject", "frames that are no dnstap message, or name no client"
    TAP_TIME = "dnstap-time", "partial", "responses whose time is over a minute from ours; used with the time they came"
    TAP_GARBAGE = (
        "dnstap-garbage",
        "reject",
        "connections closed because they do not speak Frame Streams, or carry something else than dnstap",
    )
    TAP_REFUSED = "dnstap-refused", "loss", "connections refused for the cap on all, or on those of one address"
    TAP_STALLED = "dnstap-stalled", "loss", "connections closed because a handshake or a frame took too long"
    TAP_OVERFLOW = "dnstap-overflow", "loss", "connections closed for the cap on unfinished frames of all of them"
    TAP_BROKEN = "dnstap-broken", "loss", "connections that ended without a word: sender killed, or network failed"

    LOG_STREAMS = "log-streams", "flow", "log streams of pods opened, resumed ones each time"
    LOG_OTHER = "log-other", "skip", "log lines that tell of no response: start-up, errors, other plugins"
    LOG_REPEATED = "log-repeated", "skip", "log lines that came again after a stream was resumed"
    LOG_FORMAT = (
        "log-format",
        "reject",
        "log lines that begin with an address, but are in none of the formats expected",
    )
    LOG_BROKEN = (
        "log-broken",
        "loss",
        "log streams that ended or failed and are resumed; a rotation between loses lines",
    )
    LOG_REFUSED = "log-refused", "loss", "log streams the API server refused, and is asked for again"

    SHORT_MESSAGE = "short-message", "reject", "message shorter than a DNS header"
    UNSOLICITED = (
        "unsolicited",
        "reject",
        "response without a query of the same client, port, id and question before it",
    )
    QUERY = "query", "skip", "message from port 53 that is a query (QR=0)"
    OPCODE = "opcode", "skip", "response to something else than QUERY: NOTIFY, UPDATE, …"
    QUESTION_COUNT = "question-count", "reject", "response without exactly one question"
    QUESTION_CLASS = "question-class", "skip", "question of another class than IN"
    BAD_QUESTION = "bad-question", "reject", "question that cannot be decoded"
    TRUNCATED_RESPONSE = (
        "truncated-response",
        "skip",
        "response with TC set and no answer: the client asks again over TCP",
    )
    BAD_RECORD = "bad-record", "partial", "answer records that cannot be decoded; the others of the message are used"
    CUT_ANSWERS = (
        "cut-answers",
        "partial",
        "messages with more records, labels or answers than the caps; used up to them",
    )

    FOLD_EARLY = "fold-early", "loss", "responses reported before their time for the cap on held ones; may count twice"
    WINDOW_FULL = "window-full", "loss", "responses not reported: the window already held its cap of distinct ones"
    CONNECTIONS_FULL = (
        "connections-full",
        "loss",
        "connections not reported: the window, or what one client may have in it, was full",
    )
    QUERIES_EVICTED = (
        "queries-evicted",
        "loss",
        "unanswered queries forgotten early for the cap; a response that still comes is unsolicited",
    )
    NAME_FLOOD = (
        "name-flood",
        "partial",
        "responses to a client over its cap of distinct observations; reported as `*.` and what their names are below",
    )
    REPEATS_EVICTED = (
        "repeats-evicted",
        "flow",
        "known responses forgotten early for the cap; decoded again when they come",
    )
    KERNEL_DROPS = "kernel-drops", "loss", "packets the kernel dropped because capture did not read fast enough"

    SPOOL_OVERFLOW = "spool-overflow", "loss", "batches dropped, oldest first, for the cap on what waits to be durable"
    BATCH_REFUSED = "batch-refused", "loss", "batches the operator refused for good (400, 413)"
    OPERATOR_BUSY = "operator-busy", "flow", "requests the operator asked to repeat later (429)"
    NO_LEADER = (
        "no-leader",
        "flow",
        "requests no replica took: none led, or the one that did could not be reached (421)",
    )
    SEND_FAILED = (
        "send-failed",
        "flow",
        "requests that failed and are repeated: no connection, no answer, another status",
    )
    RESENT = "resent", "flow", "batches sent again because the operator was restarted"


class Counters:
    """Numbers by reason, cumulative. One thread adds; any thread may take a snapshot, for the keys never change."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: dict[Reason, int] = dict.fromkeys(Reason, 0)

    def add(self, reason: Reason, number: int = 1) -> None:
        """Count `number` more of `reason`."""
        self._numbers[reason] += number

    def __getitem__(self, reason: Reason) -> int:
        return self._numbers[reason]

    def snapshot(self) -> dict[str, int]:
        """Return the reasons that occurred, in the order of `Reason`."""
        return {reason.value: number for reason, number in self._numbers.items() if number}
