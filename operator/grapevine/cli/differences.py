"""What is different, as a person reads it: by workload, a line a target; of ClientIntents, and of maps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grapevine.cli.forms import BOLD, GREEN, RED, YELLOW, Painter
from grapevine.intents.difference import Difference as IntentsDifference
from grapevine.model.timestamp import format_s
from grapevine.model.visible import visible
from grapevine.view.difference import Changed, Difference
from grapevine.view.legend import link_words
from grapevine.view.servicemap import Link, NodeRef

_WORDS = {"+": "added", "-": "gone", "~": "changed"}
COLUMNS = ("CHANGE", "NAMESPACE", "NAME", "KIND", "TARGET", "BECAUSE")
"""Of a table; the last one is of a wide one."""
_COLOURS = {"+": GREEN, "-": RED, "~": YELLOW}


@dataclass(frozen=True, slots=True)
class Line:
    """One target of a workload."""

    sign: str
    """`+`: the second has it alone; `-`: the first; `~`: both, and it is known by something else."""
    target: str
    why: str = ""
    """What is known of it; empty where nothing is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One workload, or a Service, of which something is different."""

    client: NodeRef
    change: str
    """`added`, `removed`, `gone` or `changed`."""
    lines: tuple[Line, ...]


def entries_of_intents(found: Sequence[IntentsDifference]) -> list[Entry]:
    """Return differences of ClientIntents, each target as it would stand in the resource."""
    return [
        Entry(
            NodeRef(each.client.namespace, each.client.kind, each.client.name),
            each.change.value,
            (
                *(Line("-", _flow(target)) for target in each.removed),
                *(Line("+", _flow(target)) for target in each.added),
            ),
        )
        for each in found
    ]


def entries_of_maps(found: Difference) -> list[Entry]:
    """Return differences of maps, by client; a node without calls has an entry where no line names it."""
    lines: dict[NodeRef, list[Line]] = {}
    for sign, links in (("-", found.gone), ("+", found.added)):
        for link in links:
            lines.setdefault(link.client, []).append(Line(sign, _node(link.target), _known(link)))
    for pair in found.changed:
        lines.setdefault(pair.after.client, []).append(Line("~", _node(pair.after.target), _otherwise(pair)))
    named = {link.target for links in (found.gone, found.added) for link in links}
    came, left = set(found.came), set(found.left)
    for ref in (came | left) - named:
        lines.setdefault(ref, [])
    changes = {**dict.fromkeys(came, "added"), **dict.fromkeys(left, "gone")}
    return [Entry(ref, changes.get(ref, "changed"), tuple(lines[ref])) for ref in sorted(lines)]


def as_text(a: str, b: str, found: Sequence[Entry], paint: Painter) -> str:
    """Return what diff(1) would print, by workload; empty where nothing is different."""
    if not found:
        return ""
    return "\n".join((paint(BOLD, visible(f"--- {a}")), paint(BOLD, visible(f"+++ {b}")), *_texts(found, paint))) + "\n"


def rows_of(found: Iterable[Entry]) -> Iterator[tuple[str, ...]]:
    """Yield a row a target, of COLUMNS."""
    for each in found:
        for line in each.lines or (Line("", ""),):
            client = each.client
            yield (
                _WORDS.get(line.sign, each.change),
                client.namespace,
                client.name,
                client.kind,
                line.target,
                line.why,
            )


def _texts(found: Sequence[Entry], paint: Painter) -> Iterator[str]:
    for each in found:
        yield paint(BOLD, visible(f"{_node(each.client)}: {each.change}"))
        for line in each.lines:
            why = f"   {line.why}" if line.why else ""
            yield paint(_COLOURS[line.sign], visible(f"  {line.sign} {line.target}{why}"))


def _node(ref: NodeRef) -> str:
    return f"{ref.words} ({ref.kind})" if ref.kind and not ref.is_outside else ref.words


def _known(link: Link) -> str:
    """Return why a call is believed, and the time that matters of it."""
    if not link.last_ms:
        return link_words(link).partition(": ")[2]
    words = f"{'+'.join(link.evidence)} {link.confidence} %{_ports(link.ports)}"
    if link.silent_ms:
        return f"{words}, last seen {format_s(link.last_ms)}, silent since {format_s(link.silent_ms)}"
    return f"{words}, seen {format_s(link.first_ms)} to {format_s(link.last_ms)}"


def _otherwise(pair: Changed) -> str:
    before, after = pair.before, pair.after
    told = {
        "evidence": ("+".join(before.evidence) or "nothing", "+".join(after.evidence) or "nothing"),
        "ports": (_listed(before.ports) or "none", _listed(after.ports) or "none"),
        "state": tuple("declared alone" if each.state == "declared" else "seen" for each in (before, after)),
    }
    return ", ".join(f"{name} {told[name][0]} → {told[name][1]}" for name in pair.what)


def _ports(ports: Sequence[int]) -> str:
    return f", port {_listed(ports)}" if ports else ""


def _listed(ports: Sequence[int]) -> str:
    return ",".join(map(str, ports))


def _flow(target: Mapping[str, Any]) -> str:
    """Return one target on one line, as it would stand in the resource."""
    import yaml

    flow = yaml.safe_dump(dict(target), default_flow_style=True, sort_keys=False, allow_unicode=True, width=1 << 30)
    return flow.rstrip("\n").removeprefix("{").removesuffix("}")
