"""Maps for tests: nodes and links by short names, and names nobody should trust."""

from collections.abc import Iterable

from grapevine.view.servicemap import DOMAIN, SERVICE, Link, Node, NodeRef, Relation, ServiceMap, service_map

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]><!--",
    "&lt;b&gt;",
    "a\"b'c`d\\e",
    "line\nbreak\r\n-->|x|",
    "\x1b[31mred\x1b]0;title\x07",
    "\u202etxt.exe\u2066",
    "\ud800half",
    "nul\x00\ufffe\uffff",
    "{{7*7}}${x}%s#quot;",
    "=HYPERLINK(1)",
    "end]; x --> y",
    "xn--bcher-kva.example",
    "مثال.إختبار",
    ".".join(["a" * 63] * 4)[:253],
    "x" * 63,
    "",
)
"""Markup, quoting, controls, escape sequences, what turns letters, halves of pairs, formulas, long names, none."""


def ref(text: str) -> NodeRef:
    """Return the node of `namespace/name`, `namespace/Kind/name`, or of a name outside the cluster."""
    parts = text.split("/")
    if len(parts) == 1:
        return NodeRef("", DOMAIN, text)
    return NodeRef(parts[0], parts[1] if len(parts) == 3 else "Deployment", parts[-1])


def call(client: str, target: str, *evidence: str, confidence: int = 75, state: str = "active") -> Link:
    """Return a link, looked up only where nothing else is said."""
    return Link(ref(client), ref(target), evidence or ("dns",), confidence, state, 1_000, 2_000, 3)


def behind(service: str, workload: str, share: int | None = None) -> Link:
    """Return that a workload is behind a Service of `namespace/name`."""
    namespace, name = service.split("/")
    return Link(NodeRef(namespace, SERVICE, name), ref(workload), relation=Relation.BEHIND, share=share)


def a_map(*links: Link, nodes: Iterable[Node] = ()) -> ServiceMap:
    """Return the map of these."""
    return service_map(nodes, links)


def calls(found: ServiceMap) -> set[str]:
    """Return the calls as `client → target`, without kinds."""
    return {f"{link.client.words} → {link.target.words}" for link in found.links if link.relation is Relation.CALLS}
