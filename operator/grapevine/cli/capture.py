"""`grapevine capture`: hear DNS responses and send them to the operator."""

import argparse
import os
import sys

_EPILOG = """\
exit codes: 0 done, 1 not everything in the file became durable, 2 wrong input or missing capability

examples:
  # What a node hears, to an operator on the same machine
  sudo grapevine capture --operator http://127.0.0.1:8080

  # A file
  grapevine capture --source pcap --file dns.pcap --operator http://127.0.0.1:8080
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command and its flags; loads nothing of capture."""
    parser = subparsers.add_parser(
        "capture",
        help="hear DNS responses and send them to the operator",
        description="Hear DNS responses on this node's interfaces, in a capture file, from DNS servers\n"
        "with dnstap or in their logs, and send them to the operator.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--source", choices=("packet", "pcap", "dnstap", "log"), default="packet", help="where from (%(default)s)"
    )
    parser.add_argument(
        "--file", metavar="PATH", help="capture file for --source pcap, pcap or pcapng, or log of CoreDNS; - for stdin"
    )
    parser.add_argument(
        "--listen",
        metavar="URL",
        help="tcp://ADDRESS:PORT or unix:///PATH for --source dnstap; env GRAPEVINE_DNSTAP_LISTEN (tcp://127.0.0.1:6000)",
    )
    _add_log_flags(parser)
    parser.add_argument(
        "--operator",
        metavar="URL",
        help="https, or http on loopback; env GRAPEVINE_OPERATOR_URL (http://127.0.0.1:8080)",
    )
    parser.add_argument(
        "--allow-plain-http",
        action="store_true",
        help="let --operator be http to any host: look-ups travel in clear; env GRAPEVINE_ALLOW_PLAIN_HTTP=1",
    )
    parser.add_argument(
        "--ca-file", metavar="PATH", help="authority of the operator's certificate, read anew; env GRAPEVINE_CA_FILE"
    )
    parser.add_argument(
        "--token-file", metavar="PATH", help="service account token for it, read anew; env GRAPEVINE_TOKEN_FILE"
    )
    parser.add_argument(
        "--server-name",
        metavar="NAME",
        help="what that certificate must be for, by default the URL's host; env GRAPEVINE_SERVER_NAME",
    )
    parser.add_argument("--node", metavar="NAME", help="this node's name in the cluster; env GRAPEVINE_NODE_NAME")
    parser.add_argument(
        "--window-ms", type=int, default=1_000, metavar="MS", help="what repeats within it is sent once (%(default)s)"
    )
    parser.add_argument(
        "--drain-timeout",
        type=float,
        metavar="S",
        help="how long to wait at the end until the operator has written everything (live 5, file 120)",
    )
    parser.add_argument(
        "--spool-bytes",
        type=int,
        default=8 << 20,
        metavar="N",
        help="bound on what is kept until the operator has written it (%(default)s)",
    )
    parser.add_argument(
        "--match", choices=("on", "off"), default="on", help="believe only responses to queries heard (%(default)s)"
    )
    parser.add_argument(
        "--connections", choices=("on", "off"), default="on", help="report TCP connections opened too (%(default)s)"
    )
    parser.add_argument(
        "--user",
        type=int,
        default=65_532,
        metavar="UID",
        help="what root becomes once --source packet has its socket, 0 to stay root (%(default)s)",
    )
    parser.add_argument(
        "--watchdog",
        type=float,
        default=60.0,
        metavar="S",
        help="a live capture that stands still for so long ends itself with code 1; 0 for never (%(default)g)",
    )
    parser.add_argument("--deflate", action="store_true", help="compress requests")
    parser.set_defaults(func=run)


def _add_log_flags(parser: argparse.ArgumentParser) -> None:
    log = parser.add_argument_group(
        "log", "With --source log: look-ups without their answers, of the pods the operator names, or of --file."
    )
    log.add_argument(
        "--line-format",
        metavar="FORMAT",
        help="what stands behind `log .` in the Corefile, where that is neither common, combined nor "
        "`{remote} {name} {type} {rcode}`; env GRAPEVINE_LINE_FORMAT",
    )
    log.add_argument("--pods", metavar="NS/NAME,...", help="pods to follow instead; env GRAPEVINE_DNS_PODS")
    log.add_argument(
        "--container", metavar="NAME", help="the one with CoreDNS in a pod of several; env GRAPEVINE_DNS_CONTAINER"
    )
    log.add_argument("--api-server", metavar="URL", help="the API server; env KUBERNETES_SERVICE_HOST and _PORT")
    log.add_argument(
        "--api-credentials",
        metavar="DIR",
        default="/var/run/secrets/kubernetes.io/serviceaccount",
        help="where token and ca.crt are (%(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Capture as the flags say; return 1 where a file did not become durable as a whole.

    Raises:
        PermanentInputError: a flag, the file or the environment is wrong.
    """
    from grapevine.capture.loop import run as capture  # the other commands need none of it
    from grapevine.capture.settings import load_settings

    settings = load_settings(args, os.environ)
    outcome = capture(settings, _warn)
    if outcome.is_complete and not (outcome.not_durable or outcome.lost):
        return 0
    if not outcome.is_complete:
        _warn(f"{settings.file}: stopped before its end")
    _warn(
        f"{outcome.not_durable} batches are not known to be written by the operator at "
        f"{settings.operator}, {outcome.lost} were dropped or refused; the log says why"
        + (", and sending the same file again is harmless" if settings.source == "pcap" else "")
        if settings.file
        else f"{outcome.not_durable} batches were not yet written by the operator when capture ended"
    )
    return 1 if settings.file else 0


def _warn(line: str) -> None:
    print(f"grapevine: {line}", file=sys.stderr)
