"""The read-only API: what the map knows, for the command line and for a page.

Plain HTTP on loopback alone, reached through `pods/portforward`: who may do that is the cluster's RBAC to say, so
there is no authentication on it. Where it is asked for, TLS on another address as well, for tokens (`web.readers`).
GET only, nothing changes anything. A web page that a person has open can send requests to their loopback too, so
requests under any other host name than loopback's are refused (DNS rebinding), and no origin is allowed to read.
docs/reference/api.md lists the endpoints.
"""

import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import asdict
from typing import Any, Protocol

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from grapevine import __version__
from grapevine.insight.explain import Explanation
from grapevine.model.account import Account
from grapevine.model.errors import PermanentInputError, RetryableError
from grapevine.model.finding import Finding
from grapevine.model.metric import Metric
from grapevine.serving.listener import Listener, http_log
from grapevine.web import changes, news
from grapevine.web.gates import RefusedError, TokenGate, loopback_names_only
from grapevine.web.graph import GraphAnswers
from grapevine.web.pagefiles import page_files, page_routes
from grapevine.web.part import UnknownNodeError
from grapevine.web.query import BadQueryError, text_of
from grapevine.web.readers import Readers

_RUNNING: Mapping[str, Any] = {
    "shutdown_timeout": 2.0,
    "keepalive_timeout": 75.0,
    "handle_signals": False,
    "max_line_size": 4_096,
}
"""How aiohttp serves: times in seconds, the length of a request's line in bytes."""
_SECURITY = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer: nothing of another origin is loaded into what is shown here, and nothing here into another's."""
_HEADERS = {"Cache-Control": "no-store"}

_log = logging.getLogger(__name__)


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Views(Protocol):
    """What the API shows; every method is quick and its answer bounded."""

    def explain(self, namespace: str, name: str, kind: str, asked: str) -> Explanation:
        """Return why a client reaches a target, or why not; an empty `kind` is any."""

    def findings(self) -> Sequence[Finding]:
        """Return what the map does not see, and what to do."""

    def accounts(self) -> Mapping[str, Account]:
        """Return what became of every look-up and connection taken in."""


def version(_views: Views, _query: Mapping[str, str]) -> object:
    """Answer `/api/v1/version`."""
    return {"version": __version__}


def explain(views: Views, query: Mapping[str, str]) -> object:
    """Answer `/api/v1/explain`."""
    namespace, slash, name = text_of(query, "client").partition("/")
    if not slash or not namespace or not name or "/" in name:
        raise BadQueryError("client: give NAMESPACE/NAME")
    return views.explain(namespace, name, text_of(query, "kind", needed=False), text_of(query, "target"))


def doctor(views: Views, _query: Mapping[str, str]) -> object:
    """Answer `/api/v1/doctor`."""
    accounts = {name: {**asdict(each), "missing": each.missing} for name, each in views.accounts().items()}
    return {"version": __version__, "findings": views.findings(), "accounts": accounts}


ROUTES: Mapping[str, Callable[[Views, Mapping[str, str]], object]] = {
    "/api/v1/version": version,
    "/api/v1/explain": explain,
    "/api/v1/doctor": doctor,
}
"""Path → the function from views and query to a value that is sent as JSON."""
OF_ANY_REPLICA = frozenset({"/api/v1/version"})
"""What every replica answers, besides the page; all else is the leader's, who alone has the map."""
WITHOUT_LEADER = frozenset({"/api/v1/doctor"})
"""What every replica answers while none leads: it is the one who says so."""
_STATUS_NOT_LEADER = 421

Elsewhere = Callable[[], str | None]
"""None where questions are for this replica; else the pod of the one they are for, empty where none leads."""


class ApiServer:
    """Serves `ROUTES`, news, the graph, its changes and its page. `start`, `start_tls` and `stop` once each at most."""

    def __init__(
        self,
        views: Views,
        answers: news.NewsAnswers,
        graphs: GraphAnswers,
        streams: changes.ChangeStreams,
        elsewhere: Elsewhere = lambda: None,
    ) -> None:
        self._streams = streams
        self._page = page_routes(page_files())
        self._handlers: Mapping[str, _Handler] = {
            **{path: _handler(answer, views) for path, answer in ROUTES.items()},
            news.PATH: _news_handler(answers),
            **graphs.routes(),
            **self._page,
            changes.PATH: streams.handle,
        }
        self._leader_only = _leader_only(elsewhere, OF_ANY_REPLICA | self._page.keys())
        self._gate = TokenGate()
        self._runner = web.AppRunner(self._application(loopback_names_only), access_log=None, **_RUNNING)
        self._listener: Listener | None = None

    @property
    def port(self) -> int:
        """Port listened on, also where 0 was asked for; 0 while not listening."""
        return int(self._runner.addresses[0][1]) if self._runner.addresses else 0

    @property
    def tls_port(self) -> int:
        """Port of TLS; 0 while not listening."""
        return self._listener.port if self._listener else 0

    def metrics(self) -> list[Metric]:
        """Return what was not answered over TLS."""
        return self._gate.metrics()

    async def start(self, host: str, port: int) -> None:
        """Listen, on loopback: there is no authentication.

        Raises:
            PermanentInputError: the address is taken or not ours.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise PermanentInputError(f"cannot listen on {host}:{port} for the API: {error}; see --api") from error
        _log.info("listening for questions", extra={"host": host, "port": self.port})

    async def start_tls(self, host: str, port: int, context: ssl.SSLContext, readers: Readers) -> None:
        """Listen for TLS, to be asked by whom `readers` lets pass.

        Raises:
            PermanentInputError: the address is taken or not ours.
        """
        application = self._application(self._gate.middleware(readers, lambda: listener))
        runner = web.AppRunner(application, access_log=None, logger=http_log(self._gate.count), **_RUNNING)
        listener = Listener(runner, self._gate.limits, self._gate.count, context=context, admit=self._gate.admit)
        try:
            await listener.start(host, port)
        except OSError as error:
            raise PermanentInputError(
                f"cannot listen on {host}:{port} for the API: {error}; see --api-tls-listen"
            ) from error
        self._listener = listener
        _log.info("listening for questions over TLS", extra={"host": host, "port": self.tls_port})

    async def stop(self) -> None:
        """Close."""
        self._streams.close()
        if self._listener is not None:
            await self._listener.stop()
        await self._runner.cleanup()

    def _application(self, gate: Middleware) -> web.Application:
        app = web.Application(middlewares=[_errors_as_json, gate, self._leader_only])
        app.on_response_prepare.append(_add_security_headers)
        for path, handler in self._handlers.items():
            app.router.add_get(path, handler, allow_head=False)
        return app


def _handler(answer: Callable[[Views, Mapping[str, str]], object], views: Views) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        return _json(answer(views, request.query))

    return handle


def _news_handler(answers: news.NewsAnswers) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        return _json(await answers.answer(request.query))

    return handle


def _json(content: object, status: int = 200, headers: Mapping[str, str] = _HEADERS) -> web.Response:
    body = msgspec.json.encode(content)
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


async def _add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_SECURITY)


@web.middleware
async def _errors_as_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusedError as error:
        return _json({"error": str(error)}, error.status, {**_HEADERS, **error.headers})
    except BadQueryError as error:
        return _json({"error": str(error)}, 400)
    except UnknownNodeError as error:
        return _json({"error": str(error)}, 404)
    except RetryableError as error:
        return _json({"error": str(error)}, 503)
    except web.HTTPException as error:
        return _json({"error": error.reason}, error.status)
    except Exception:
        _log.exception("a question failed", extra={"path": request.path})
        return _json({"error": "a defect: the operator's log says more"}, 500)


def _leader_only(elsewhere: Elsewhere, anywhere: Set[str]) -> Middleware:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        where = elsewhere()
        if where is None or request.path in anywhere or (not where and request.path in WITHOUT_LEADER):
            return await handler(request)
        text = f"this replica follows, {where} leads: ask that pod" if where else "no replica leads now"
        return _json({"error": text}, _STATUS_NOT_LEADER)

    return check
