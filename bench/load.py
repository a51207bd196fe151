"""The load: names as pods ask for them, a DNS server in a pod, and dnsperf in another that asks."""

import os
import random
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.coredns import find_coredns
from tests.support.eventually import eventually
from tests.support.node import SERVICE, Node, Pod, Stream

DOMAIN: Final = "cluster.local"
SEARCH: Final = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")
SERVICES: Final = 40
EXTERNAL: Final = 10
"""Names of the Internet, found at the end of the search list."""
CLIENTS: Final = 20
"""Sockets of dnsperf, each a client port."""
COREFILE: Final = """
.:53 {{
    {more}
    errors
    cache 30
    template IN A {zone} {{
        match "^(service|new)-[0-9a-f-]+[.]{zone}[.]$"
        answer "{{{{ .Name }}}} 30 IN A 10.96.1.1"
        fallthrough
    }}
    template IN A example.com {{
        match "^api-[0-9]+[.]example[.]com[.]$"
        answer "{{{{ .Name }}}} 30 IN CNAME edge.example.com."
        answer "edge.example.com. 30 IN A 192.0.2.1"
        answer "edge.example.com. 30 IN A 192.0.2.2"
        fallthrough
    }}
    template IN AAAA {{
        match "^((service|new)-[0-9a-f-]+[.]{zone}|api-[0-9]+[.]example[.]com)[.]$"
        rcode NOERROR
        authority "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 30"
        fallthrough
    }}
    template ANY ANY {{
        rcode NXDOMAIN
        authority "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 30"
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What dnsperf reports."""

    sent: int
    completed: int
    """Queries that were answered in time."""


def start_coredns(
    node: Node, pod: Pod, directory: Path, *plugins: str, stdout: Stream = subprocess.DEVNULL
) -> "subprocess.Popen[str]":
    """Start CoreDNS in the pod and put it behind the Service; `plugins` are further lines of its server block.

    Raises:
        CoreDnsError: It was not built yet.
    """
    corefile = directory / "Corefile"
    corefile.write_text(COREFILE.format(more="\n    ".join(plugins), zone=SEARCH[0]))
    process = node.start(find_coredns(), "-conf", corefile, pod=pod, stdout=stdout, stderr=subprocess.STDOUT)
    eventually(lambda: ":53 " in node.run("ss -Hltn", pod))
    node.serve_dns(pod)
    return process


def write_names(path: Path, count: int, *, new_share: float) -> None:
    """Write `count` questions for dnsperf, `new_share` of them for names nobody asked for before."""
    repeats = list(_repeats())
    choice, run = random.Random(53), os.urandom(4).hex()
    with path.open("w") as out:
        for number in range(count):
            if choice.random() < new_share:
                out.write(f"new-{run}-{number}.{SEARCH[0]} A\n")
            else:
                out.write(choice.choice(repeats))


def write_flood(path: Path, count: int) -> None:
    """Write `count` questions, each for another name."""
    with path.open("w") as out:
        out.writelines(f"new-{number:07x}.{SEARCH[0]} A\n" for number in range(count))


def _repeats() -> Iterator[str]:
    """Give what pods ask for all day: each name through the search list until it is found, A and AAAA (ndots:5)."""
    for kind in ("A", "AAAA"):
        for number in range(SERVICES):
            yield f"service-{number}.shop.{SEARCH[0]} {kind}\n"
            yield f"service-{number}.{SEARCH[0]} {kind}\n"
        for number in range(EXTERNAL):
            for suffix in (*SEARCH, ""):
                yield f"api-{number}.example.com{'.' if suffix else ''}{suffix} {kind}\n"


def ask(node: Node, pod: Pod, names: Path, *, per_s: int) -> Asked:
    """Ask the Service once for each of the names, from the pod."""
    command = ("dnsperf", "-s", SERVICE, "-d", names, "-n", "1", "-Q", str(per_s), "-c", str(CLIENTS), "-q", "2000")
    process = node.start(*command, "-t", "2", pod=pod, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out, _ = process.communicate()
    numbers = {name: int(number) for name, number in re.findall(r"Queries (\w+): +(\d+)", out)}
    if "completed" not in numbers:
        raise RuntimeError(f"dnsperf ended with code {process.returncode}: {out[-2000:]}")
    return Asked(numbers["sent"], numbers["completed"])
