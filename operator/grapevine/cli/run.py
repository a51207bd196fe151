"""`grapevine run`: the operator's own pipeline, from files to files. No cluster, no privilege."""

import argparse
import asyncio
import itertools
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from grapevine.capture.replay import Replay
from grapevine.cli.explanation import explanation_lines, parse_client, to_json
from grapevine.cli.findings import finding_lines
from grapevine.cli.intents_table import intents_table
from grapevine.cli.map_arguments import add_map_arguments, map_flags
from grapevine.cli.report import blind_lines, edge_lines, input_line
from grapevine.cli.snapshot import snapshot_text
from grapevine.export.settings import TelemetrySettings, telemetry_settings
from grapevine.kube.directory import IntentsDirectory
from grapevine.kube.manifests import write_text
from grapevine.kube.snapshot import read_pod_events, read_snapshot
from grapevine.model.errors import GrapevineError, RetryableError
from grapevine.pipeline import Pipeline
from grapevine.pipeline.live_edges import LiveEdges
from grapevine.pipeline.views import PipelineViews
from grapevine.public_suffixes import registrable_domains
from grapevine.resolver.cluster_domain import find_domain
from grapevine.resolver.records import Record, RecordGone
from grapevine.settings import OperatorSettings, ReconcileSettings, ResolverSettings, operator_settings

_FLUSH_S = 600.0
_AT_ONCE = ReconcileSettings(coalesce_ms=0, refresh_ms=1, refresh_share_ms=0, writes_per_s=0)
"""Files bear what an API server is spared."""
_RECORDS_AT_ONCE = 1_000

_EXAMPLES = """\
example:
  kubectl get namespaces,nodes,pods,services,endpointslices,replicasets,deployments,statefulsets,\\
daemonsets,jobs,cronjobs -A -o json > cluster.json
  tcpdump -i any -w dns.pcap 'port 53'
  grapevine run --pcap dns.pcap --cluster cluster.json --out intents/
  kubectl apply -R -f intents/ --dry-run=server
"""


_NEXT = """
Next:
  look at one          cat {out}/*/{example}.yaml
  keep the map in Git  git add {out}; a second run over the same capture changes no byte
  bring it to a cluster, where nothing is enforced from it:
                       kubectl apply -f crds/clientintents.yaml && kubectl apply -R -f {out}
  map your own         grapevine run --help"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "run",
        help="map a cluster from files: a capture and a snapshot of its objects",
        description="Map a cluster from a capture of its DNS and a snapshot of its objects. Writes one ClientIntents\n"
        "file a client workload and prints what `kubectl get clientintents -A` would.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--pcap", required=True, metavar="FILE", help="capture of port 53, pcap or pcapng")
    parser.add_argument(
        "--cluster", required=True, type=Path, metavar="FILE", help="`kubectl get … -A -o json`, or YAML"
    )
    parser.add_argument(
        "--pod-events", type=Path, metavar="FILE", help="the pods' watch events as JSON lines: finished pods get a name"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where the ClientIntents files go")
    parser.add_argument(
        "--snapshot",
        type=Path,
        metavar="FILE",
        help="write the objects with all that was seen, for `grapevine visualize`",
    )
    add_map_arguments(parser)
    parser.add_argument("--doctor", action="store_true", help="say as well what this map does not see")
    parser.add_argument(
        "--otlp",
        metavar="URL",
        help="send every edge to this OTLP collector too, stamped now, like http://127.0.0.1:4318",
    )
    parser.add_argument(
        "--explain",
        nargs=2,
        metavar=("CLIENT", "TARGET"),
        help="say as well why this client, NAMESPACE/NAME, reaches that target, or why not",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command and return the exit code.

    Raises:
        PermanentInputError: a file cannot be used, or `--explain` names no client.
    """
    asked = parse_client(args.explain[0], "", "--explain") if args.explain else None
    telemetry = telemetry_settings(os.environ, endpoint=args.otlp) if args.otlp else None
    settings = operator_settings({}, allow_plain_http=False, resolv_conf="", **map_flags(args))
    if not args.cluster_domain and (domain := _find_domain(args, settings.resolver)):
        settings = replace(settings, resolver=replace(settings.resolver, cluster_domain=domain))
    settings = replace(settings, reconcile=_AT_ONCE)
    now_ms = _now_ms()
    directory = IntentsDirectory(args.out, now_ms)
    before = {(o["metadata"]["namespace"], o["metadata"]["name"]) for o in directory}
    replay = Replay(args.pcap, lambda line: print(f"grapevine: {line}", file=sys.stderr))
    pipeline = asyncio.run(_map(args, settings, directory, replay, telemetry))
    print(input_line(replay.counters.snapshot()), end="\n\n")
    seen = [o for o in directory if o.get("status")]
    print(intents_table(seen, now_ms))
    print("", *edge_lines(pipeline.graph), sep="\n")
    print("", *blind_lines(pipeline.graph, pipeline.intake.unresolved), sep="\n")
    if args.doctor:
        findings = PipelineViews(pipeline, dict, _now_ms).findings()
        print("", "What this map does not see (docs/reference/doctor.md):", *finding_lines(findings), sep="\n")
    if asked:
        explanation = pipeline.explainer.explain(asked.namespace, asked.name, asked.kind, args.explain[1])
        print("", *explanation_lines(to_json(explanation)), sep="\n")
    if telemetry:
        print("", asyncio.run(_send(pipeline, settings, telemetry)), sep="\n")
    if args.snapshot:
        write_text(args.snapshot, snapshot_text(seen))
    left = len(before - {(o["metadata"]["namespace"], o["metadata"]["name"]) for o in seen})
    print(f"\n{len(seen)} ClientIntents in {args.out}/" + (f", {left} more from earlier runs" if left else ""))
    print(_NEXT.format(out=args.out, example=seen[0]["metadata"]["name"] if seen else "NAME"))
    return 0


async def _map(
    args: argparse.Namespace,
    settings: OperatorSettings,
    directory: IntentsDirectory,
    replay: Replay,
    telemetry: TelemetrySettings | None,
) -> Pipeline:
    """Feed the pipeline with the files, let it write, and return it."""
    registrable_of = registrable_domains() if settings.resolver.groups_by_suffix else None
    pipeline = Pipeline(settings, directory, _now_ms, registrable_of)
    labels = telemetry.service_labels if telemetry else ()
    records = _records(args, settings.resolver, labels)
    while chunk := list(itertools.islice(records, _RECORDS_AT_ONCE)):
        pipeline.on_records(chunk)
    for resource in directory:
        pipeline.on_intents(None, resource)
    try:
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(pipeline.run())
            await _feed(pipeline, replay)
            if not await pipeline.flush(_FLUSH_S, has_all=True):
                raise GrapevineError(f"{args.out}: not everything could be written; the warnings above say why")
            working.cancel()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None  # whichever failed first has ended the other
    return pipeline


async def _feed(pipeline: Pipeline, replay: Replay) -> None:
    for batch in replay.batches():
        while True:
            with suppress(RetryableError):
                pipeline.offer(batch)
                break
            await pipeline.drain()


async def _send(pipeline: Pipeline, settings: OperatorSettings, telemetry: TelemetrySettings) -> str:
    """Send the whole map once, as if it were seen now, and return what to say of that.

    Raises:
        GrapevineError: the collector did not take it.
    """
    from grapevine.export.once import send_once

    edges = LiveEdges(pipeline, settings.resolver.cluster_domain, _now_ms)
    return send_once(telemetry, await edges.snapshot())


def _find_domain(args: argparse.Namespace, settings: ResolverSettings) -> str | None:
    """Return the cluster's domain as the capture tells it, and say so where it is not the usual one."""
    records = read_snapshot(args.cluster, settings.override_annotations)
    with closing(Replay(args.pcap, lambda _: None).batches()) as batches:
        domain = find_domain(records, (each for batch in batches for each in batch.observations))
    if domain and domain != settings.cluster_domain:
        print(f"cluster domain {domain}, by what answered for its Services")
    return domain


def _records(
    args: argparse.Namespace, settings: ResolverSettings, service_labels: tuple[str, ...]
) -> Iterator[Record | RecordGone]:
    """Yield what was, then what is: the snapshot is newer than the events."""
    given = (settings.override_annotations, settings.scope, service_labels)
    if args.pod_events:
        yield from read_pod_events(args.pod_events, *given, with_job_images=settings.name_jobs_by_image)
    yield from read_snapshot(args.cluster, *given, with_job_images=settings.name_jobs_by_image)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
