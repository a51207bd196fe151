/** What `api.js` is in a page that is a file (`grapevine visualize -o map.html`): answers from the file's own data.

Places are those the file was made with: a part is what is left of a drawing, or the drawing of a namespace. */

import { blast } from "./reach.js";
import { refOf, words } from "./words.js";

const data = JSON.parse(document.getElementById("map-data").textContent);
const STATES = ["active", "idle", "stale", "declared"];
const ORDER = {
  client: (link) => words(refOf(link.client)),
  target: (link) => words(refOf(link.target)),
  line: (link) => link.line,
  sure: (link) => -link.confidence,
  state: (link) => STATES.indexOf(link.state),
  count: (link) => -link.count,
  ports: (link) => link.ports[0] ?? 0,
  last: (link) => -link.last_ms,
};
const ANSWERS = {
  graph,
  edges,
  search,
  blast: (query) => blast(data.links, query.get("workload"), query.get("cause")),
  explain: () => ({ edges: [] }),
  doctor: () => ({ findings: [] }),
};

export class Problem extends Error {}

/** The page's address is behind `#`: a file has no queries that a person could keep. */
export const address = { read: () => location.hash.slice(1), of: (query) => `#${query}` };

/** What the page says of itself in place of whether an operator is heard. */
export const written = `a file, written ${data.written} UTC`;

export async function ask(path, query) {
  if (ANSWERS[path]) return ANSWERS[path](new URLSearchParams(query));
  throw new Problem("Not in a file: grapevine map asks the operator.");
}

export async function askText(path, query) {
  return ask(path, query);
}

export function listen(_onHeard, onChange) {
  onChange();
}

function graph(query) {
  const [namespace, ...others] = (query.get("namespace") ?? "").split(",").filter(Boolean);
  const alone = others.length ? undefined : data.drawings[`namespace=${namespace}`];
  const drawing = alone ?? (query.get("expand") && data.drawings.expand) ?? data.drawings.all;
  const known = new Set(drawing.nodes.map((node) => node.id));
  const outside = drawing.nodes.find((node) => node.kind === "Outside")?.id;
  const home = (id) => {
    const ref = refOf(id);
    return known.has(id) ? id : ref.namespace ? `${ref.namespace}/Namespace/${ref.namespace}` : outside;
  };
  const links = partOf(query);
  const groups = new Map();
  for (const link of links) {
    const key = JSON.stringify([home(link.client), home(link.target)]);
    groups.set(key, [...(groups.get(key) ?? []), link]);
  }
  const isAll = links === data.links;
  const kept = new Set(links.flatMap((link) => [home(link.client), home(link.target)]));
  const nodes = drawing.nodes.filter((node) => isAll || kept.has(node.id));
  const spaces = new Set(nodes.map((node) => node.namespace));
  const drawn = drawing.links.map((link) => [link, groups.get(JSON.stringify([link.client, link.target]))]);
  const seen = links.filter((link) => link.last_ms);
  return {
    ...drawing,
    nodes,
    islands: drawing.islands.filter((island) => spaces.has(island.namespace)),
    links: drawn.filter(([, group]) => group).map(([link, group]) => ({ ...joined(group), ...link })),
    calls: links.filter((link) => link.relation === "calls").length,
    first_ms: Math.min(...seen.map((link) => link.first_ms)),
    last_ms: Math.max(0, ...seen.map((link) => link.last_ms)),
    choices: data.choices,
  };
}

function edges(query) {
  const found = partOf(query).filter((link) => !query.get("calls") || link.relation === "calls");
  const sort = query.get("sort") ?? "";
  const by = ORDER[sort.replace("-", "")];
  const turn = sort.startsWith("-") ? -1 : 1;
  if (by) found.sort((one, other) => turn * compare(by(one), by(other)));
  return { total: found.length, links: found.slice(0, Number(query.get("limit") ?? found.length)) };
}

function search(query) {
  const text = query.get("q").toLowerCase();
  const nodes = data.nodes.map(refOf).filter((ref) => words(ref).toLowerCase().includes(text));
  const begins = (ref) => !ref.name.toLowerCase().startsWith(text);
  return { total: nodes.length, nodes: nodes.sort((one, other) => begins(one) - begins(other)) };
}

/** Return the links of a part, as `view/selection.py` chooses them. */
function partOf(query) {
  const list = (key) => (query.get(key) ?? "").split(",").filter(Boolean);
  const [namespaces, kinds, states, lines] = ["namespace", "kind", "state", "line"].map(list);
  const least = (key) => Number(query.get(key) ?? 0);
  const text = (query.get("search") ?? "").toLowerCase();
  const asked = [...query.keys()].filter((key) => !["expand", "calls", "limit", "sort", "depth"].includes(key));
  if (!asked.length) return data.links;
  const isIn = (link) => {
    const ends = [refOf(link.client), refOf(link.target)];
    return (
      (!namespaces.length || ends.some((ref) => namespaces.includes(ref.namespace))) &&
      (!kinds.length || ends.some((ref) => kinds.includes(ref.kind || "workload"))) &&
      (!states.length || states.includes(link.state)) &&
      (!lines.length || lines.includes(link.line)) &&
      link.last_ms >= least("since_ms") &&
      link.first_ms >= least("new_since_ms") &&
      link.confidence >= least("confidence") &&
      (!query.get("outside") || !ends[1].namespace) &&
      (!text || [...ends.map(words), ...link.names].some((each) => each.toLowerCase().includes(text)))
    );
  };
  const behind = data.links.filter((link) => link.relation === "behind");
  let calls = data.links.filter((link) => link.relation === "calls" && isIn(link));
  const focus = query.get("focus");
  if (focus) calls = around(calls, behind, focus, least("depth") || 1);
  const services = new Set(calls.map((link) => link.target));
  return [...calls, ...behind.filter((link) => services.has(link.client))];
}

/** Return the calls on ways of at most `depth` calls from and to a node; a Service is on the way. */
function around(calls, behind, focus, depth) {
  const kept = new Set();
  for (const [from, to] of [["client", "target"], ["target", "client"]]) {
    const reached = new Set([focus]);
    for (let turn = 0; turn < depth; turn++) {
      for (const link of behind) if (reached.has(link[from])) reached.add(link[to]);
      const found = calls.filter((link) => reached.has(link[from]));
      for (const link of found) {
        kept.add(link);
        reached.add(link[to]);
      }
    }
  }
  return calls.filter((link) => kept.has(link));
}

/** Return what several links say together, as `view/servicemap.py` joins them. */
function joined(links) {
  const best = links.reduce((one, other) => (STATES.indexOf(other.state) < STATES.indexOf(one.state) ? other : one));
  const evidence = [...new Set(links.flatMap((link) => link.evidence))].sort();
  const seen = evidence.includes("connection") ? "solid" : evidence.length ? "dashed" : "dotted";
  return {
    ...best,
    evidence,
    line: best.relation === "behind" ? "thin" : seen,
    confidence: Math.max(...links.map((link) => link.confidence)),
    stands_for: links.reduce((sum, link) => sum + link.stands_for, 0),
  };
}

function compare(one, other) {
  return typeof one === "number" ? one - other : one.localeCompare(other, "en");
}
