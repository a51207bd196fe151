"""What capture saw, aggregated over one window, before anybody knows who or what it was about."""

from grapevine.model.value import value


@value
class DnsObservation:
    """One distinct DNS response of one client, with the times and number of its repeats.

    Everything but `first_ms`, `last_ms` and `count` is the aggregation key (DESIGN §4).
    """

    first_ms: int
    """Capture time of the first response in the window, milliseconds since the epoch."""
    last_ms: int
    """Capture time of the last one; equals `first_ms` when `count` is 1."""
    count: int
    """Responses folded into this observation, the copies of one response on the wire counted once; ≥ 1."""
    client_ip: str
    """Address the response went to, in canonical text form (RFC 5952 for IPv6)."""
    resolver_ip: str
    """Address the response came from, as the client saw it (after un-NAT where both copies were seen)."""
    qname: str
    """The question's name in lower case without the trailing dot; the root is the empty string."""
    qtype: str
    """IANA mnemonic (`A`, `AAAA`, `SRV`, …) or `TYPE<n>` (RFC 3597)."""
    rcode: str
    """IANA mnemonic (`NOERROR`, `NXDOMAIN`, `SERVFAIL`, …) or `RCODE<n>`."""
    answers: tuple[str, ...]
    """Sorted data of the answer records of the question's type: addresses, or target names for SRV; may be empty."""
    cnames: tuple[str, ...]
    """Targets of the CNAME records, in chain order as far as the wire kept it; may be empty."""
    transport: str
    """`udp` or `tcp`."""
    source: str
    """What heard it: `packet`, `pcap`, `dnstap` or `log`."""


@value
class ConnObservation:
    """One client opens connections to one address and port: TCP SYNs without ACK, their copies and repeats folded.

    Everything but `first_ms`, `last_ms` and `count` is the aggregation key (DESIGN §4). Only the initiator is told.
    """

    first_ms: int
    """Capture time of the first SYN in the window, milliseconds since the epoch."""
    last_ms: int
    """Capture time of the last one; equals `first_ms` when `count` is 1."""
    count: int
    """Connections begun, the copies of one SYN on the wire counted once; ≥ 1."""
    client_ip: str
    """Address the connection comes from, in canonical text form (RFC 5952 for IPv6)."""
    dst_ip: str
    """Address it goes to, as the client dialled it (a ClusterIP before NAT, where that copy was seen)."""
    dst_port: int
    """Port it goes to, 1 to 65535; a Service's port where `dst_ip` is a ClusterIP."""
    proto: str
    """`tcp`."""
    source: str
    """What heard it: `packet` or `pcap`."""


Observation = DnsObservation | ConnObservation
