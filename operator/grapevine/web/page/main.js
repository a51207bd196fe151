/** Joins the parts: state ↔ address, state → questions → what is shown. Nothing else changes what is shown. */

import { Problem, address, ask, listen, written } from "./api.js";
import { draw, grasp, linkOf, mark, nearest, nodeOf } from "./drawing.js";
import { listDifference, markDifference } from "./difference.js";
import { explainEmpty } from "./empty.js";
import { Menus } from "./menus.js";
import { Panel } from "./panel.js";
import { Search } from "./search.js";
import { everything, momentOf, partQuery, read, write } from "./state.js";
import { Table } from "./table.js";
import { Viewport } from "./viewport.js";
import { counts, refOf, words } from "./words.js";

const AGAIN_MS = 5_000;
/** How long the stream of changes is waited for: what is between may hold it back. */
const STREAM_MS = 300;
/** How long a frame is waited for: a page in the background has none. */
const UNSEEN_MS = 100;
const byId = (id) => document.getElementById(id);
const picture = byId("picture");
const drawn = byId("drawn");

let state = read(address.read());
let graph = { nodes: [], links: [], islands: [], notes: [] };
let choices = { namespaces: [], kinds: [] };
let turn = 0;
let again = 0;

const viewport = new Viewport(picture, drawn, () => later(keepPlace));
const menus = new Menus((choice) => go({ ...choice, view: "" }));
const panel = new Panel(byId("panel"), { choose, focus, open, close: () => choose("", "") });
const table = new Table(byId("table"), byId("calls-said"), (sort) => go({ sort }), (link) => choose(link.client, link.target), () => show(false));
const search = new Search((node) => go({ ...everything(state), focus: node.id, node: node.id, to: "", view: "" }), (text) => go({ search: text, view: "" }));

/** Go to another state, which Back leads away from again. */
function go(change) {
  state = { ...state, ...change };
  history.pushState(null, "", address.of(write(state)));
  return show(true);
}

async function choose(node, to) {
  await go({ node, to });
  // On a small screen the details are below the map.
  if (node && matchMedia("(max-width: 800px)").matches) byId("panel").scrollIntoView({ block: "nearest" });
}

function focus(id) {
  go({ focus: id, node: id, to: "", depth: 1, view: "" });
}

function open(ref) {
  go(ref.kind === "Outside" ? { expand: true, node: "", to: "", view: "" } : { namespace: [ref.name], node: "", to: "", view: "" });
}

/** Ask for what the state shows, and show it; an answer that another question has overtaken is not shown. */
async function show(isOther) {
  const mine = ++turn;
  clearTimeout(again);
  const query = partQuery(state, Date.now());
  const part = String(query);
  byId("csv").href = `api/v1/edges.csv?${part}`;
  search.show(state.search);
  document.body.setAttribute("aria-busy", "true");
  try {
    const drawing = new URLSearchParams(query);
    if (state.expand) drawing.set("expand", "1");
    const lines = { ...Object.fromEntries(query), ...table.query(state.sort, part) };
    const compared = new URLSearchParams(query);
    if (state.compare) compared.set("since", momentOf(state.compare, Date.now()));
    const found = await ask("graph", drawing);
    if (mine !== turn) return;
    // The rest is asked for after the map, and answered while the map is drawn.
    const rest = Promise.all([ask("edges", lines), state.compare && !written ? ask("diff", compared) : null]);
    rest.catch(() => {}); // it is heard of below, after the map
    choices = found.choices;
    showGraph(found, isOther);
    await painted();
    if (graph === found) grasp(drawn, found); // also where another answer is waited for, which may not come
    if (mine !== turn) return;
    menus.show(state, choices, state.focus && words(refOf(state.focus)));
    const [edges, difference] = await rest;
    if (mine !== turn) return;
    markDifference(drawn, found, difference);
    listDifference(byId("difference"), difference, choose);
    table.show({ ...edges, ...pick("sort", "node", "to") });
    say("");
    if (!found.nodes.length) await explainEmpty(byId("empty"), Boolean(part), () => go({ ...everything(state), view: "" }));
    else byId("empty").hidden = true;
    await panel.show(state.node, state.to, found.last_ms);
  } catch (error) {
    if (mine !== turn) return;
    menus.show(state, choices, state.focus && words(refOf(state.focus)));
    say(error.message);
    if (!(error instanceof Problem)) throw error;
    if (error.status !== 400 && error.status !== 404) again = setTimeout(() => show(false), AGAIN_MS);
  } finally {
    if (mine === turn) document.body.removeAttribute("aria-busy");
  }
}

function showGraph(found, isOther) {
  const isDrawn = drawn.hasChildNodes() && isAlike(graph, found);
  const focused = drawn.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  graph = found;
  byId("counts").textContent = counts(found);
  if (isOther) viewport.text = state.view;
  viewport.show(found);
  if (!isDrawn) {
    draw(drawn, found);
    if (focused) elementOf(focused)?.focus({ preventScroll: true });
  }
  mark(drawn, found, state.node, state.to);
  document.title = state.node ? `${words(refOf(state.node))} – Grapevine` : "Grapevine";
}

function isAlike(one, other) {
  // Numbers first: most of what differs need not be written out.
  return one.nodes.length === other.nodes.length && one.links.length === other.links.length && JSON.stringify([one.nodes, one.links]) === JSON.stringify([other.nodes, other.links]);
}

/** Let what was drawn be seen before more is done. */
function painted() {
  return new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve));
    setTimeout(resolve, UNSEEN_MS);
  });
}

function pick(...keys) {
  return Object.fromEntries(keys.map((key) => [key, state[key]]));
}

function say(text) {
  byId("problem").hidden = !text;
  byId("problem").textContent = text;
}

function elementOf(id) {
  return [...drawn.querySelectorAll(".node")].find((node) => node.dataset.id === id);
}

let placeTimer = 0;

function later(act) {
  clearTimeout(placeTimer);
  placeTimer = setTimeout(act, 300);
}

function keepPlace() {
  state = { ...state, view: viewport.text };
  history.replaceState(null, "", address.of(write(state)));
}

function onClick(event) {
  if (viewport.dragged) return;
  const node = nodeOf(event);
  const link = linkOf(event);
  const { namespace } = event.target.dataset;
  if (node) choose(node.id, "");
  else if (link) choose(link.client, link.target);
  else if (namespace) go({ namespace: [namespace], view: "" });
  else if (state.node) choose("", "");
}

function onDoubleClick(event) {
  const node = nodeOf(event);
  if (node) enter(node);
}

function enter(ref) {
  if (["Namespace", "Outside"].includes(ref.kind)) open(ref);
  else focus(ref.id);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const node = nodeOf(event);
  const keys = { "+": () => viewport.zoomIn(), "=": () => viewport.zoomIn(), "-": () => viewport.zoomOut(), 0: () => showAll() };
  if (event.key.startsWith("Arrow")) keys[event.key] = () => (event.shiftKey ? shift(event.key) : walk(node, event.key));
  if (node) {
    keys.Enter = keys[" "] = () => choose(node.id, "");
    keys.f = () => enter(node);
  }
  if (state.node) keys.Escape = () => choose("", "");
  if (!Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
}

function showAll() {
  viewport.all();
  later(keepPlace);
}

function shift(key) {
  const step = 80;
  viewport.pan({ ArrowLeft: step, ArrowRight: -step }[key] ?? 0, { ArrowUp: step, ArrowDown: -step }[key] ?? 0);
}

/** Go from node to node: from the map itself to the one that is chosen, or to the first. */
function walk(ref, key) {
  const from = ref && graph.nodes.find((node) => node.id === ref.id);
  const to = from ? nearest(graph.nodes, from, key) : (graph.nodes.find((node) => node.id === state.node) ?? graph.nodes[0]);
  if (!to) return;
  elementOf(to.id)?.focus({ preventScroll: true });
  viewport.reveal(to);
}

picture.addEventListener("click", onClick);
picture.addEventListener("dblclick", onDoubleClick);
picture.addEventListener("keydown", onKey);
byId("zoom-in").addEventListener("click", () => viewport.zoomIn());
byId("zoom-out").addEventListener("click", () => viewport.zoomOut());
byId("zoom-all").addEventListener("click", showAll);
byId("clear").addEventListener("click", () => go({ ...everything(state), view: "" }));
window.addEventListener("popstate", () => {
  state = read(address.read());
  show(true);
});
/** The stream's first word comes at once, and all that changes after the first answer is a word of its own. */
const begin = () => turn || show(true);
listen(
  (isHeard) => {
    byId("live").textContent = isHeard ? "live" : "not connected";
    byId("live").className = isHeard ? "heard" : "";
    if (!isHeard) begin();
  },
  () => (turn ? show(false) : begin()),
);
setTimeout(begin, STREAM_MS);
if (written) {
  byId("live").textContent = written;
  byId("csv").hidden = true;
  byId("compare").parentElement.hidden = true;
  document.querySelector("h1 a").setAttribute("href", "#");
}
