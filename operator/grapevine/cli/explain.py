"""`grapevine explain`: why a workload reaches a target, or what is known where it does not. Asks the operator."""

import argparse
import json

from grapevine.cli.explanation import explanation_lines, parse_client
from grapevine.cli.operator_api import add_operator_arguments, ask

EXIT_NO_EDGE = 1

_DESCRIPTION = """\
Say why there is an edge from a client workload to a target: the names it asked for,
who answered what, which pods asked, how often and when, and how sure that makes it.
Where there is no edge: whether the name never resolved, is counted as noise, or was
never seen.

CLIENT is NAME, NAMESPACE/NAME or NAMESPACE/KIND/NAME. TARGET is a workload or Service
in the same form, a DNS name, or an address.
"""
_EPILOG = """\
exit codes: 0 there is such an edge, 1 there is none, 2 the operator could not be asked

examples:
  grapevine explain -n shop web cart
  grapevine explain shop/Deployment/web api.example.com -o json

  # Without a cluster, from files
  grapevine run --pcap dns.pcap --cluster cluster.json --out intents/ --explain shop/web cart
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "explain",
        help="say why a workload reaches a target, or why not",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("client", metavar="CLIENT", help="the workload that asks")
    parser.add_argument("target", metavar="TARGET", help="what it may reach")
    parser.add_argument("-n", "--namespace", default="default", help="of a CLIENT that names none (%(default)s)")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="form (%(default)s)")
    add_operator_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the explanation; return 0 where there is such an edge, else 1.

    Raises:
        PermanentInputError: the client is none, or the operator refuses the question or answers something else.
        RetryableError: the operator cannot be reached.
    """
    client = parse_client(args.client, args.namespace, "CLIENT")
    query = {"client": f"{client.namespace}/{client.name}", "kind": client.kind, "target": args.target}
    answer = ask(args, "/api/v1/explain", query).fields
    if args.output == "json":
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        print(*explanation_lines(answer, f"{client.namespace}/{client.name}"), sep="\n")
    return 0 if answer["verdict"] == "edge" else EXIT_NO_EDGE
