"""A question to a port of a pod, or a connection with it, through API server and kubelet: as `kubectl port-forward`.

Bytes go over a web socket of kubelet's own: two channels a port, data and error, each message with the channel's number
in front, the first of each channel with the port's. kubectl speaks SPDY inside a web socket instead, which carries
several connections; here each has a web socket of its own.

Source: Kubernetes, kubelet's `portforward/websocket.go`; KEP-4006.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence

import aiohttp
import msgspec

from grapevine.kube.errors import ForbiddenError
from grapevine.kube.session import Session
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.identity import ObjectName

TIMEOUT_S = 10.0
"""For the handshake, and for each message."""
QUIET_S = 40.0
"""A forwarded connection that is silent for so long is closed; the operator's stream says something every 15 s."""
_CHUNK_BYTES = 64 << 10
_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_PORT_BYTES = 2
"""The first message of a channel is its port, little-endian."""
_MAX_ERROR_CHARS = 300


class _Meta(msgspec.Struct, rename="camel"):
    name: str
    deletion_timestamp: str | None = None


class _Condition(msgspec.Struct):
    type: str
    status: str


class _Status(msgspec.Struct):
    conditions: list[_Condition] | None = None


class _Pod(msgspec.Struct):
    metadata: _Meta
    status: _Status = msgspec.field(default_factory=_Status)


class _Pods(msgspec.Struct):
    items: list[_Pod]


async def ready_pods(session: Session, namespace: str, selector: str) -> Sequence[ObjectName]:
    """Return the pods with these labels that are ready, by name.

    Raises:
        PermanentInputError: they may not be listed, or what answers is no API server.
        RetryableError: the API server does not answer.
    """
    body = await session.request(
        "GET", f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": selector}, timeout_s=TIMEOUT_S
    )
    try:
        pods = msgspec.json.decode(body, type=_Pods).items
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise PermanentInputError(f"{session.server}: the answer is no list of pods: {error}") from error
    ready = (p.metadata.name for p in pods if p.metadata.deletion_timestamp is None and _is_ready(p.status))
    return [ObjectName(namespace, name) for name in sorted(ready)]


async def exchange(
    session: Session,
    pod: ObjectName,
    port: int,
    request: bytes,
    *,
    max_bytes: int,
    timeout_s: float = TIMEOUT_S,
) -> bytes:
    """Send a request to the pod's port, and return all that comes back until the pod closes the connection.

    Raises:
        PermanentInputError: it may not be forwarded to, or the answer is over `max_bytes`.
        RetryableError: no connection, nothing listens on the port, or silence for `timeout_s`.
    """
    async with _connected(session, pod, port, timeout_s) as socket:
        await socket.send_bytes(bytes([_DATA]) + request)
        return await _read(socket, f"{pod.namespace}/{pod.name}: port {port}", max_bytes)


async def forward(
    session: Session, pod: ObjectName, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Join a connection with the pod's port, until either side closes it or nothing comes back for QUIET_S.

    Raises:
        PermanentInputError: it may not be forwarded to.
        RetryableError: no connection, or nothing listens on the port.
    """
    what = f"{pod.namespace}/{pod.name}: port {port}"
    async with _connected(session, pod, port, QUIET_S) as socket:
        ways = [
            asyncio.create_task(_send(reader, socket)),
            asyncio.create_task(_receive(socket, writer, what)),
        ]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        with _as_unreachable(what):
            for way in done:
                way.result()


@contextlib.asynccontextmanager
async def _connected(
    session: Session, pod: ObjectName, port: int, timeout_s: float
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/portforward"
    try:
        async with session.websocket(path, {"ports": str(port)}, protocol=_PROTOCOL, timeout_s=timeout_s) as socket:
            yield socket
    except ForbiddenError as error:
        raise PermanentInputError(
            f"{error}; since Kubernetes 1.35 `create` is needed as well: verbs: [get, create]"
        ) from error


async def _send(reader: asyncio.StreamReader, socket: aiohttp.ClientWebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK_BYTES):
            await socket.send_bytes(bytes([_DATA]) + data)


async def _receive(socket: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter, what: str) -> None:
    begun: set[int] = set()
    with contextlib.suppress(ConnectionError, TimeoutError):  # closed by the other side, or silent
        while (message := await socket.receive()).type is aiohttp.WSMsgType.BINARY:
            channel, data = message.data[0], message.data[1:]
            if channel not in begun:
                begun.add(channel)
                data = data[_PORT_BYTES:]
            if channel == _ERROR and data:
                raise _said_by_kubelet(what, data)
            if channel == _DATA:
                writer.write(data)
                async with asyncio.timeout(QUIET_S):
                    await writer.drain()


async def _read(socket: aiohttp.ClientWebSocketResponse, what: str, max_bytes: int) -> bytes:
    channels: dict[int, bytearray] = {_DATA: bytearray(), _ERROR: bytearray()}
    with _as_unreachable(what):
        while True:
            message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                break
            if message.data:
                channels.setdefault(message.data[0], bytearray()).extend(message.data[1:])
            if len(channels[_DATA]) > max_bytes:
                raise PermanentInputError(f"{what}: the answer is over {max_bytes} bytes")
    said = bytes(channels[_ERROR][_PORT_BYTES:])
    if said.strip():
        raise _said_by_kubelet(what, said)
    return bytes(channels[_DATA][_PORT_BYTES:])


def _said_by_kubelet(what: str, said: bytes) -> RetryableError:
    return RetryableError(f"{what}: {said.decode(errors='replace').strip()[:_MAX_ERROR_CHARS]}")


@contextlib.contextmanager
def _as_unreachable(what: str) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise RetryableError(f"{what}: {str(error) or 'no answer in time'}") from error


def _is_ready(status: _Status) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in status.conditions or ())
