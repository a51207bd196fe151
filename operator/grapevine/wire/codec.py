"""Encode and decode batches and replies. Hostile bytes raise `WireError` or become a counted skip, nothing else."""

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from json.encoder import encode_basestring_ascii as _quote
from typing import Any

from grapevine.model.observation import ConnObservation, DnsObservation, Observation
from grapevine.wire import schema
from grapevine.wire.schema import Batch, BatchHeader, DnsPod, Hearing, Reply, WireError

_DECODE = json.JSONDecoder().raw_decode
"""What `json.loads` wraps, which costs half as much again, on every record."""
_BLANKS = " \t\r\n"
_MAX_INT = 2**53
"""Largest integer every JSON reader keeps exactly (RFC 8259 §6); also bounds times and counts."""


def encode_batch(batch: Batch, *, deflate: bool = False) -> bytes:
    """Return the request body: header line, then one line an observation.

    Raises:
        WireError: the batch is over `MAX_RECORDS`; the caller cuts smaller ones.
    """
    if len(batch.observations) > schema.MAX_RECORDS:
        raise WireError(f"batch of {len(batch.observations)} observations exceeds {schema.MAX_RECORDS}: cut it")
    lines = [_dumps(_header_fields(batch.header))]
    lines.extend(_dns_line(o) if isinstance(o, DnsObservation) else _conn_line(o) for o in batch.observations)
    body = ("\n".join(lines) + "\n").encode()
    return zlib.compress(body, 1) if deflate else body


def decode_batch(body: bytes, *, deflate: bool = False) -> Batch:
    """Return the batch in `body`; records that are unknown or malformed are skipped and counted in `Batch.skipped`.

    Raises:
        WireError: too large, not deflate, not UTF-8, no valid header, another version, or too many records.
    """
    if len(body) > schema.MAX_BODY_BYTES:
        raise WireError(f"body of {len(body)} bytes exceeds {schema.MAX_BODY_BYTES}")
    text = _inflate(body) if deflate else body
    head, *lines = text.split(b"\n")
    header = _parse_header(_loads(head, "header"))
    if lines and not lines[-1]:
        lines.pop()
    if len(lines) > schema.MAX_RECORDS:
        raise WireError(f"batch of {len(lines)} records exceeds {schema.MAX_RECORDS}")
    if header.seq == schema.HEARTBEAT_SEQ and lines:
        raise WireError("a heartbeat (seq 0) carries no records")
    observations: list[Observation] = []
    skipped: dict[str, int] = {}
    for line in lines:
        try:
            fields = _loads(line, "record")
            kind = fields.get("t")
            if isinstance(kind, str) and (parse := _PARSERS.get(kind)):
                observations.append(parse(fields))
                continue
            reason = "unknown-type"
        except WireError:
            reason = "bad-record"
        skipped[reason] = skipped.get(reason, 0) + 1
    return Batch(header, tuple(observations), skipped)


def encode_reply(reply: Reply) -> bytes:
    """Return the reply body, one JSON line."""
    fields: dict[str, Any] = {"instance": reply.instance, "durable_through": reply.durable_through}
    if reply.reason:
        fields["reason"] = reply.reason
    if reply.leader:
        fields["leader"] = reply.leader
    if reply.dns_pods is not None:
        fields["dns_pods"] = [{"namespace": p.namespace, "name": p.name, "ip": p.ip} for p in reply.dns_pods]
    return _dumps(fields).encode() + b"\n"


def decode_reply(body: bytes) -> Reply:
    """Return the reply in `body`.

    Raises:
        WireError: it is not one; something else answers at that address.
    """
    fields = _loads(body, "reply")
    return Reply(
        instance=_string(fields, "instance", 128),
        durable_through=_integer(fields, "durable_through"),
        reason=_string(fields, "reason", 1_000) if "reason" in fields else "",
        leader=_string(fields, "leader", schema.MAX_ADDRESS_CHARS) if "leader" in fields else "",
        dns_pods=_parse_dns_pods(fields["dns_pods"]) if "dns_pods" in fields else None,
    )


def _header_fields(h: BatchHeader) -> dict[str, Any]:
    return {
        "v": schema.VERSION,
        "stream": h.stream,
        "seq": h.seq,
        "oldest": h.oldest,
        "node": h.node,
        "clock_ms": h.clock_ms,
        "hearing": {"sources": h.hearing.sources, "since_ms": h.hearing.since_ms},
        "host_ips": h.host_ips,
        "counters": dict(h.counters),
        **({"wants": h.wants} if h.wants else {}),
    }


def _dns_line(o: DnsObservation) -> str:
    """Return the record as JSON, written here: a dict for `json.dumps` costs three times as much, for every record."""
    return (
        f'{{"t":"dns","first_ms":{o.first_ms},"last_ms":{o.last_ms},"count":{o.count},'
        f'"client_ip":{_quote(o.client_ip)},"resolver_ip":{_quote(o.resolver_ip)},'
        f'"qname":{_quote(o.qname)},"qtype":{_quote(o.qtype)},"rcode":{_quote(o.rcode)},'
        f'"answers":[{",".join(map(_quote, o.answers))}],"cnames":[{",".join(map(_quote, o.cnames))}],'
        f'"transport":{_quote(o.transport)},"source":{_quote(o.source)}}}'
    )


def _conn_line(o: ConnObservation) -> str:
    return (
        f'{{"t":"conn","first_ms":{o.first_ms},"last_ms":{o.last_ms},"count":{o.count},'
        f'"client_ip":{_quote(o.client_ip)},"dst_ip":{_quote(o.dst_ip)},"dst_port":{o.dst_port},'
        f'"proto":{_quote(o.proto)},"source":{_quote(o.source)}}}'
    )


def _parse_header(fields: dict[str, Any]) -> BatchHeader:
    version = fields.get("v")
    if version != schema.VERSION:
        raise WireError(f"protocol version {version!r:.20} is not spoken here: this operator speaks {schema.VERSION}")
    hearing = fields.get("hearing")
    counters = fields.get("counters", {})
    if not isinstance(hearing, dict) or not isinstance(counters, dict) or len(counters) > schema.MAX_COUNTERS:
        raise WireError("header: hearing or counters are missing or malformed")
    return BatchHeader(
        stream=_string(fields, "stream", 128, empty=False),
        seq=_integer(fields, "seq"),
        oldest=_integer(fields, "oldest"),
        node=_string(fields, "node", 253),
        clock_ms=_integer(fields, "clock_ms"),
        hearing=Hearing(_strings(hearing, "sources", 16, 32), _integer(hearing, "since_ms")),
        host_ips=_strings(fields, "host_ips", schema.MAX_HOST_IPS, 45),
        counters={str(k)[:64]: _integer(counters, k) for k in counters},
        wants=_strings(fields, "wants", 16, 32),
    )


def _parse_dns(fields: dict[str, Any]) -> DnsObservation:
    first_ms, last_ms, count = _parse_times(fields)
    return DnsObservation(  # by position: 20,000 of these a second
        first_ms,
        last_ms,
        count,
        _string(fields, "client_ip", 45, empty=False),
        _string(fields, "resolver_ip", 45),
        _string(fields, "qname", schema.MAX_NAME_CHARS),
        _string(fields, "qtype", 16, empty=False),
        _string(fields, "rcode", 16, empty=False),
        _strings(fields, "answers", schema.MAX_ANSWERS, schema.MAX_NAME_CHARS),
        _strings(fields, "cnames", schema.MAX_ANSWERS, schema.MAX_NAME_CHARS),
        _string(fields, "transport", 8),
        _string(fields, "source", 16),
    )


def _parse_conn(fields: dict[str, Any]) -> ConnObservation:
    first_ms, last_ms, count = _parse_times(fields)
    dst_port = _integer(fields, "dst_port")
    if not 1 <= dst_port <= 65_535:
        raise WireError("dst_port is no port")
    return ConnObservation(
        first_ms=first_ms,
        last_ms=last_ms,
        count=count,
        client_ip=_string(fields, "client_ip", 45, empty=False),
        dst_ip=_string(fields, "dst_ip", 45, empty=False),
        dst_port=dst_port,
        proto=_string(fields, "proto", 8, empty=False),
        source=_string(fields, "source", 16),
    )


def _parse_times(fields: dict[str, Any]) -> tuple[int, int, int]:
    first_ms, last_ms, count = _integer(fields, "first_ms"), _integer(fields, "last_ms"), _integer(fields, "count")
    if first_ms > last_ms or count < 1:
        raise WireError("record: first_ms is after last_ms, or count is 0")
    return first_ms, last_ms, count


_PARSERS: Mapping[str, Callable[[dict[str, Any]], Observation]] = {"dns": _parse_dns, "conn": _parse_conn}


def _parse_dns_pods(rows: object) -> tuple[DnsPod, ...]:
    if not isinstance(rows, list) or len(rows) > schema.MAX_DNS_PODS or not all(isinstance(r, dict) for r in rows):
        raise WireError(f"dns_pods is no list of at most {schema.MAX_DNS_PODS} pods")
    return tuple(
        DnsPod(
            _string(row, "namespace", schema.MAX_OBJECT_NAME_CHARS, empty=False),
            _string(row, "name", schema.MAX_OBJECT_NAME_CHARS, empty=False),
            _string(row, "ip", 45),
        )
        for row in rows
    )


def _dumps(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _loads(line: bytes, what: str) -> dict[str, Any]:
    try:
        text = line.decode().strip(_BLANKS)
        fields, end = _DECODE(text)
        if end != len(text):
            raise WireError(f"{what} is not JSON: there is more behind it")
    except (ValueError, RecursionError) as e:  # ValueError covers bad JSON and bad UTF-8
        raise WireError(f"{what} is not JSON: {e}"[:200]) from e
    if not isinstance(fields, dict):
        raise WireError(f"{what} is not a JSON object")
    return fields


def _inflate(body: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(body, schema.MAX_DECODED_BYTES)
    except zlib.error as e:
        raise WireError(f"body is not deflate (RFC 1950): {e}") from e
    if inflater.unconsumed_tail:
        raise WireError(f"body inflates to more than {schema.MAX_DECODED_BYTES} bytes")
    if not inflater.eof:
        raise WireError("deflated body is cut short")
    return text


def _string(fields: dict[str, Any], key: str, limit: int, *, empty: bool = True) -> str:
    value = fields.get(key)
    if type(value) is not str or not value.isascii() or len(value) > limit or not (value or empty):
        raise WireError(f"{key} is missing or is no ASCII string of at most {limit} characters")
    return value


def _strings(fields: dict[str, Any], key: str, limit: int, each: int) -> tuple[str, ...]:
    value = fields.get(key, ())
    if not isinstance(value, list | tuple) or len(value) > limit or not _all_strings(value, each):
        raise WireError(f"{key} is no list of at most {limit} ASCII strings of at most {each} characters")
    return tuple(value)


def _all_strings(values: Iterable[object], each: int) -> bool:
    for value in values:  # noqa: SIM110 - a generator would cost twice that
        if not isinstance(value, str) or not value.isascii() or len(value) > each:
            return False
    return True


def _integer(fields: dict[str, Any], key: str) -> int:
    value = fields.get(key)
    if type(value) is not int or not 0 <= value <= _MAX_INT:
        raise WireError(f"{key} is missing or is no integer from 0 to 2^53")
    return value
