"""`grapevine operator`: what the Deployment runs."""

import argparse
import os
from pathlib import Path

from grapevine.cli.map_arguments import add_map_arguments, map_flags
from grapevine.export.settings import telemetry_settings
from grapevine.settings import operator_settings

_DESCRIPTION = """\
Take observations from `grapevine capture`, learn which workload talks to which, and
keep one ClientIntents object per client workload true. Needs Kubernetes and the CRD:

  kubectl apply -f crds/clientintents.yaml
"""

_EXAMPLES = """\
examples:
  # In a pod: everything by default, credentials of the service account
  grapevine operator

  # On a desk, against the current kubectl context
  grapevine operator --listen 127.0.0.1:8080 --health 127.0.0.1:8081

A flag wins over its environment variable. SIGTERM ends it in order: no more batches,
last writes, another replica may lead, out.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "operator",
        help="run the operator: observations in, ClientIntents out",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        help="credentials; by default those of the pod, else kubectl's (env GRAPEVINE_KUBECONFIG)",
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="batches over plain HTTP, on loopback: 127.0.0.1:8080 (env GRAPEVINE_LISTEN)",
    )
    parser.add_argument(
        "--allow-plain-http",
        action="store_true",
        help="let --listen be any address: whoever reaches it can write edges into the map "
        "(env GRAPEVINE_ALLOW_PLAIN_HTTP=1)",
    )
    parser.add_argument(
        "--tls-listen",
        metavar="HOST:PORT",
        help="batches over TLS, by token: 0.0.0.0:8443 where GRAPEVINE_TLS_SECRET names a Secret, else off "
        "(env GRAPEVINE_TLS_LISTEN)",
    )
    parser.add_argument(
        "--health",
        metavar="HOST:PORT",
        help="/healthz, /readyz and /metrics, 0.0.0.0:8081 (env GRAPEVINE_HEALTH)",
    )
    parser.add_argument(
        "--api",
        metavar="HOST:PORT",
        help="questions of explain and doctor, on loopback: 127.0.0.1:8082 (env GRAPEVINE_API)",
    )
    parser.add_argument(
        "--api-tls-listen",
        metavar="HOST:PORT",
        help="the same over TLS, for tokens whose user may list ClientIntents in all namespaces; off by default, and "
        "with the key of GRAPEVINE_TLS_SECRET (env GRAPEVINE_API_TLS_LISTEN)",
    )
    parser.add_argument(
        "--leader-elect",
        choices=("on", "off"),
        help="of several replicas one leads, by a Lease; on in a pod of the manifests (env GRAPEVINE_LEADER_ELECT)",
    )
    add_map_arguments(parser)
    parser.add_argument(
        "--owner-kinds",
        metavar="KIND,…",
        help="kinds that own pods, or what owns them, besides Kubernetes' own, as GROUP/VERSION/KIND; needs the right "
        "to list and watch them (env GRAPEVINE_OWNER_KINDS)",
    )
    parser.add_argument(
        "--otlp",
        metavar="URL",
        help="OTLP collector for the edges as spans, like http://collector:4318 (env OTEL_EXPORTER_OTLP_ENDPOINT; "
        "all OTEL_EXPORTER_OTLP_* are heeded)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the operator until it is told to stop; return 0 then, and 1 where a part of it failed."""
    telemetry = telemetry_settings(os.environ, endpoint=args.otlp)
    settings = operator_settings(
        os.environ,
        kubeconfig=args.kubeconfig,
        listen=args.listen,
        allow_plain_http=args.allow_plain_http,
        tls_listen=args.tls_listen,
        health=args.health,
        api=args.api,
        api_tls_listen=args.api_tls_listen,
        leader_elect=args.leader_elect,
        resolv_conf=_own_resolv_conf(),
        owner_kinds=args.owner_kinds,
        **map_flags(args),
    )
    from grapevine.app import run_operator

    return run_operator(settings, telemetry)


def _own_resolv_conf() -> str:
    try:
        return Path("/etc/resolv.conf").read_text(errors="replace")
    except OSError:
        return ""
