"""`grapevine map`: the map's page in a browser, through the API server to the operator's pod.

Whoever can open a port of this machine's loopback sees the page while it runs, as with `kubectl port-forward`.
"""

import argparse
import asyncio
import contextlib
import webbrowser
from typing import TYPE_CHECKING

from grapevine.cli.operator_api import add_operator_arguments, ask
from grapevine.cli.operator_url import API_PORT
from grapevine.cli.source import warn
from grapevine.model.errors import GrapevineError, PermanentInputError
from grapevine.model.identity import ObjectName

if TYPE_CHECKING:
    from grapevine.kube.session import Session

MAX_CONNECTIONS = 64
"""At the same time; a browser opens six. One more is closed at once."""
_HOST = "127.0.0.1"
_CLOSE_S = 5.0

_DESCRIPTION = """\
Open the map in a browser: find the operator, forward a port of this machine to it,
and open its page. Ends when it is interrupted.
"""
_EPILOG = """\
exit codes: 0 done (--operator), 2 the operator could not be asked, 130 interrupted

examples:
  grapevine map
  grapevine map --context staging --port 0

  # On a machine without a browser: print the address alone
  grapevine map --no-browser
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "map",
        help="open the map in a browser",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--port",
        type=int,
        default=API_PORT,
        metavar="NUMBER",
        help="of this machine; 0 is any that is free (%(default)s)",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address alone")
    add_operator_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Forward until interrupted; with `--operator`, which is forwarded already, open its page and return 0.

    Raises:
        PermanentInputError: the port is taken or none, no operator runs, or it may not be reached.
        RetryableError: nothing answers.
    """
    if not 0 <= args.port < 1 << 16:
        raise PermanentInputError(f"--port: {args.port} is no port: give 0 to 65535")
    if args.operator and args.operator.startswith("https:"):
        raise PermanentInputError(
            "--operator: a browser sends no token, so https://… shows it nothing: leave it out, and the page comes "
            "through the API server"
        )
    # Of several replicas it is the one that leads whose answer this is.
    source = ask(args, "/api/v1/doctor", {}).source
    if args.operator:
        _show(f"{args.operator.rstrip('/')}/", source, args)
    else:
        asyncio.run(_forward(args, source))
    return 0


def _show(url: str, source: str, args: argparse.Namespace) -> None:
    print(f"{url} is the map of {source}", flush=True)
    if not args.no_browser and not webbrowser.open(url):
        warn("no browser could be opened here")


async def _forward(args: argparse.Namespace, source: str) -> None:
    from grapevine.kube.session import Session  # the help needs none of it

    namespace, _, name = source.partition("/")
    async with await Session.open(args.kubeconfig, args.context) as session:
        forwarder = _Forwarder(session, ObjectName(namespace, name))
        try:
            server = await asyncio.start_server(forwarder.accept, _HOST, args.port)
        except OSError as error:
            raise PermanentInputError(
                f"--port: cannot listen on {_HOST}:{args.port}: {error}; 0 is any other"
            ) from error
        try:
            port = server.sockets[0].getsockname()[1]
            await asyncio.to_thread(_show, f"http://{_HOST}:{port}/", source, args)
            await asyncio.get_running_loop().create_future()  # until it is interrupted
        finally:
            server.close()
            await forwarder.close()


class _Forwarder:
    """Joins connections of this machine with a pod's port."""

    def __init__(self, session: "Session", pod: ObjectName) -> None:
        self._session = session
        self._pod = pod
        self._said = ""
        self._connections: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection to its end; what is wrong is said once."""
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def close(self) -> None:
        """End all connections."""
        ending = list(self._connections)
        for each in ending:
            each.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from grapevine.kube.portforward import forward

        try:
            await forward(self._session, self._pod, API_PORT, reader, writer)
        except GrapevineError as error:
            if str(error) != self._said:
                warn(f"{error}; where another pod leads now, start again")
            self._said = str(error)
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await writer.wait_closed()
