"""Flags of what is in the map, and under which name: the same for a cluster and for files."""

import argparse

_FLAGS = (
    ("cluster-domain", "DOMAIN", "the cluster's DNS domain; found without being told, else cluster.local"),
    ("dns-servers", "CIDR,…", "DNS servers outside the cluster whose answers for its names are believed"),
    ("include-namespaces", "PATTERN,…", "namespaces the map is about, as clients; * is a wildcard; all by default"),
    ("exclude-namespaces", "PATTERN,…", "namespaces it is not about"),
    ("include-labels", "KEY[=VALUE],…", "pods the map is about carry one of these labels; all pods by default"),
    ("exclude-labels", "KEY[=VALUE],…", "pods that carry one of these are left out"),
    ("domain-rules", "*.DOMAIN,…", "show all names below one of these domains as one target, the most specific first"),
    ("max-domains", "NUMBER", "names outside the cluster kept of one workload, 500; more are counted in its status"),
    ("name-jobs-by-image", "1", "name Jobs that nothing owns by the images of their containers"),
    ("metadata", "NAME|CIDR,…", "what counts as a cloud's metadata service, or none, instead of the usual ones"),
)


def add_map_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags; `map_flags` gives their values."""
    for name, metavar, text in _FLAGS:
        variable = "GRAPEVINE_" + name.upper().replace("-", "_")
        parser.add_argument(f"--{name}", metavar=metavar, help=f"{text} (env {variable})")

    parser.add_argument(
        "--group-by-suffix",
        action="store_const",
        const="1",
        help="show all other names of one registered domain as one target, by the Public Suffix List "
        "(env GRAPEVINE_GROUP_BY_SUFFIX=1)",
    )


def map_flags(args: argparse.Namespace) -> dict[str, str | None]:
    """Return the flags as `operator_settings` takes them."""
    names = [name.replace("-", "_") for name, *_ in _FLAGS]
    return {name: getattr(args, name) for name in (*names, "group_by_suffix")}
