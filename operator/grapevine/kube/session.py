"""One connection pool to the API server: authentication, TLS, timeouts, errors. Bytes in, bytes out.

`kubernetes.aio` is the transport only. Its typed APIs are never imported: they cost 22 MiB and five times the CPU.
Tokens are read anew once a minute, as service account tokens rotate.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
import yaml
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import OpenApiException
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from grapevine import __version__
from grapevine.kube import errors
from grapevine.model.errors import GrapevineError, PermanentInputError, RetryableError

REQUEST_TIMEOUT_S = 30.0
"""For one request with its whole answer; a list page of 500 pods takes well under a second."""
CONNECT_TIMEOUT_S = 10.0
INTENTS_GROUP = "/apis/k8s.otterize.com"
INTENTS_API = f"{INTENTS_GROUP}/v2beta1"

_REFRESH_S = 60.0
_DEFAULT_KUBECONFIG = "~/.kube/config"
_TRANSPORT_ERRORS = (aiohttp.ClientError, OpenApiException, ConfigException, OSError, TimeoutError, ValueError)
"""ValueError: an URL that is none, or a line over 4 MiB (the client reads with 2); etcd holds objects of 1.5."""


MaySend = Callable[[], bool]
"""Asked in the very moment before a request's body goes out."""
_MAY_SEND: ContextVar[MaySend | None] = ContextVar("may send", default=None)


class _Version(msgspec.Struct, rename="camel"):
    git_version: str = ""


class _Resource(msgspec.Struct):
    name: str


class _Resources(msgspec.Struct):
    resources: list[_Resource]


class _GroupVersion(msgspec.Struct):
    version: str


class _Group(msgspec.Struct):
    versions: list[_GroupVersion]


class Session:
    """Requests to one API server as one user. Close it, or use it as an async context manager."""

    def __init__(self, configuration: Configuration, origin: str) -> None:
        """Take a loaded configuration; `origin` says where it came from, for messages. Needs a running loop."""
        configuration.disable_strict_ssl_verification = True  # clusters' own CAs lack RFC 5280 extensions; so client-go
        configuration.trace_configs = [_last_look()]
        self.server: str = configuration.host
        self.origin = origin
        """`kubeconfig PATH` or `the pod's service account`."""
        self._client = ApiClient(configuration)
        self._client.user_agent = f"grapevine/{__version__}"

    @classmethod
    async def open(cls, kubeconfig: str | None = None, context: str | None = None) -> Self:
        """Load credentials and return a session; nothing is sent yet. `context` is one of the kubeconfig's.

        Tried in order: `kubeconfig`, the files in `KUBECONFIG`, the pod's service account, `~/.kube/config`.

        Raises:
            PermanentInputError: the first of these that is there cannot be used, or none is.
        """
        path = kubeconfig or os.environ.get("KUBECONFIG") or None
        in_pod = path is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ
        path = os.path.expanduser(path or _DEFAULT_KUBECONFIG)  # noqa: PTH111, ASYNC240 - may be a list of paths
        origin = "the pod's service account" if in_pod else f"kubeconfig {path}"
        remedy = "name a kubeconfig with --kubeconfig or KUBECONFIG"
        if not in_pod and not any(os.path.exists(each) for each in path.split(os.pathsep)):  # noqa: PTH110, ASYNC240
            raise PermanentInputError(f"{origin} cannot be used: there is no such file; {remedy}")
        configuration = Configuration()
        try:
            if in_pod:
                load_incluster_config(configuration)  # type: ignore[no-untyped-call]
            else:
                loader = await load_kube_config(  # type: ignore[no-untyped-call]
                    path, context=context, client_configuration=configuration, persist_config=False
                )
                configuration.refresh_api_key_hook = _once_a_minute(loader.load_and_set)  # type: ignore[assignment]
            return cls(configuration, origin)
        except (ConfigException, OSError, yaml.YAMLError, UnicodeError, TypeError, AttributeError, KeyError) as error:
            reason = str(error) or type(error).__name__
            raise PermanentInputError(f"{origin} cannot be used: {reason}; {remedy}") from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def credentials(self) -> dict[str, Any]:
        """Return server and credentials for another client of this process, in the fields of `kopf.ConnectionInfo`."""
        configuration = self._client.configuration
        with self._converted("GET", "credentials"):
            key = await configuration.get_api_key_with_prefix("BearerToken") or ""
        return {
            "server": self.server,
            "ca_path": configuration.ssl_ca_cert,
            "insecure": not configuration.verify_ssl,
            "certificate_path": configuration.cert_file,
            "private_key_path": configuration.key_file,
            "scheme": "Bearer" if key else None,
            "token": key.partition(" ")[2].strip() or None,
            "proxy_url": configuration.proxy,
            "trust_env": True,
        }

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout_s: float = REQUEST_TIMEOUT_S,
        may_send: MaySend | None = None,
    ) -> bytes:
        """Send one request and return the answer's body, whichever 2xx it came with.

        One with a body is not sent where `may_send` says no, once there is a connection.

        Raises:
            ConflictError: 409.
            ExpiredError: 410.
            NotFoundError: 404.
            PermanentInputError: any other 4xx; for 403 the text names the RBAC rule that is missing.
            RetryableError: 401, 429, 5xx, no connection, or no answer in time.
        """
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        headers = {"Accept": accept, "Content-Type": content_type}
        _MAY_SEND.set(may_send)
        async with await self._send(method, path, query or {}, headers, body, timeout) as response:
            with self._converted(method, path):
                return await response.read()

    @contextlib.asynccontextmanager
    async def watch(
        self, path: str, query: Mapping[str, str], *, accept: str, inactivity_s: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch and yield its events, one line of JSON each, until the server ends it.

        Raises:
            SilentError: nothing, not even a bookmark, came for `inactivity_s`.
            (and all that `request` raises)
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=inactivity_s)
        watching = {**query, "watch": "true", "allowWatchBookmarks": "true"}
        async with await self._send("GET", path, watching, {"Accept": accept}, None, timeout) as response:
            yield self._lines(path, response)

    @contextlib.asynccontextmanager
    async def websocket(
        self, path: str, query: Mapping[str, str], *, protocol: str, timeout_s: float
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a web socket and yield it; `timeout_s` is for the handshake, and for the reading of each message.

        Raises:
            (all that `request` raises, for the handshake)
        """
        with self._converted("GET", path):
            _, url, headers, *_ = await self._client.param_serialize(
                "GET", path, query_params=list(query.items()), auth_settings=["BearerToken"]
            )
            async with asyncio.timeout(timeout_s):
                try:
                    socket = await self._pool().ws_connect(
                        url,
                        headers=headers,
                        protocols=(protocol,),
                        timeout=aiohttp.ClientWSTimeout(ws_receive=timeout_s, ws_close=timeout_s),
                        proxy=self._client.configuration.proxy,
                    )
                except aiohttp.WSServerHandshakeError as error:
                    raise errors.refusal("GET", path, query, error.status, b"", "") from error
        try:
            yield socket
        finally:
            with self._converted("GET", path):
                await socket.close()

    def _pool(self) -> aiohttp.ClientSession:
        """Return the client's connections; the library makes them with its first request."""
        rest = self._client.rest_client
        if rest.pool_manager is None:
            rest.pool_manager = rest._create_pool_manager()
        pool: aiohttp.ClientSession = rest.pool_manager
        return pool

    async def _lines(self, path: str, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        while True:
            with self._converted("GET", path):
                try:
                    line = await response.content.readline()
                except TimeoutError as error:
                    raise errors.SilentError(f"GET {path}: the watch fell silent") from error
            if not line:
                return
            yield line

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: dict[str, str],
        body: Mapping[str, Any] | None,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the library's own, which knows connect from read
    ) -> aiohttp.ClientResponse:
        """Return an open answer below 400, for the caller to read and close."""
        with self._converted(method, path):
            request = await self._client.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            response: aiohttp.ClientResponse = (
                await self._client.call_api(*request, _request_timeout=timeout)
            ).response
            if response.status < 400:
                return response
            async with response:
                retry_after = response.headers.get("Retry-After", "")
                raise errors.refusal(method, path, query, response.status, await response.read(), retry_after)

    @contextlib.contextmanager
    def _converted(self, method: str, path: str) -> Iterator[None]:
        """Turn what the transport raises into our error; nothing of the caller's runs inside."""
        try:
            yield
        except _TRANSPORT_ERRORS as error:
            raise errors.unreachable(method, path, self.server, error) from error


async def preflight(session: Session) -> str:
    """Return the API server's version once it is known to answer and to serve ClientIntents.

    Raises:
        PermanentInputError: it does not; one line that names the server and what to do.
    """
    try:
        version = msgspec.json.decode(
            await session.request("GET", "/version", timeout_s=CONNECT_TIMEOUT_S), type=_Version
        )
        served = msgspec.json.decode(await session.request("GET", INTENTS_API), type=_Resources)
    except errors.NotFoundError:
        served = _Resources([])
        version = _Version()
    except RetryableError as error:
        raise PermanentInputError(
            f"{error} (from {session.origin}); is the server up, and is it the right one?"
        ) from error
    except msgspec.MsgspecError as error:
        raise PermanentInputError(
            f"{session.server} ({session.origin}) is no Kubernetes API server: {error}"
        ) from error
    if not any(resource.name == "clientintents" for resource in served.resources):
        raise PermanentInputError(await _what_is_missing(session))
    return version.git_version


async def _what_is_missing(session: Session) -> str:
    """Return what to do about a server without v2beta1: other versions of the group are an older CRD's."""
    where = f"{session.server} ({session.origin})"
    try:
        group = msgspec.json.decode(await session.request("GET", INTENTS_GROUP), type=_Group)
    except (GrapevineError, msgspec.MsgspecError):
        group = _Group([])
    versions = ", ".join(each.version for each in group.versions)
    if not versions or INTENTS_API in (f"{INTENTS_GROUP}/{each.version}" for each in group.versions):
        return f"ClientIntents is not installed on {where}: kubectl apply -f crds/clientintents.yaml"
    return (
        f"ClientIntents v2beta1 is not served on {where}, but {versions} is, of an older CRD: `grapevine doctor "
        "--preflight` says what is in the way of replacing it, `grapevine migrate --from-otterize` takes it over"
    )


def _once_a_minute(load: Callable[[Configuration], Awaitable[None]]) -> Callable[[Configuration], Awaitable[None]]:
    """Return a hook, called before every request, that loads credentials anew: exec plugins and OIDC expire."""
    next_s = time.monotonic() + _REFRESH_S

    async def hook(configuration: Configuration) -> None:
        nonlocal next_s
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + _REFRESH_S
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await load(configuration)

    return hook


def _last_look() -> aiohttp.TraceConfig:
    """Return the hook that asks `may_send` within the call that writes the body, with no turn of the loop in between.

    A process that stood still goes on with whatever it was about to do, before any timer of its own goes off.
    """

    async def look(*_: object) -> None:
        may_send = _MAY_SEND.get()
        if may_send is not None and not may_send():
            raise RetryableError("not sent: it may not be any more")

    trace = aiohttp.TraceConfig()
    trace.on_request_chunk_sent.append(look)
    return trace
