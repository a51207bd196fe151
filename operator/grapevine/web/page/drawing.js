/** The picture, from nodes and links that have their places already. */

import { svg, visible } from "./element.js";
import { fitted, linkWords, refOf, subtitle, words } from "./words.js";

const NAME_SIZE = 12.5;
const KIND_SIZE = 10;
const TITLE_SIZE = 12;
const LEFT = 16;
const RIGHT = 14;
/** Links up to which a browser keeps up with a person who zooms, dashes and all. */
const MANY = 500;
/** Lines of one path; with more a person who begins to drag a large map waits (docs/decisions/026-page.md). */
const MOST_IN_ONE = 4;

/** Put a graph into an element in place of what was there: all that is seen, from afar no names, which are too small to
 * be read there. `grasp` adds those, and what can be pointed to. */
export function draw(into, graph) {
  const isFar = into.classList.contains("far");
  const hues = huesOf(graph);
  const spaces = new Map(graph.nodes.map((node) => [node.namespace, hue(node)]));
  into.classList.toggle("many", graph.links.length > MANY);
  into.replaceChildren(
    ...graph.islands.map((island) => ground(island)),
    svg("g", { class: "lines" }, ...lines(graph.links, hues)),
    svg("g", { class: "changes" }),
    svg("g", { class: "marks" }),
    svg("g", { class: "links" }),
    ...graph.islands.map((island) => title(island, spaces.get(island.namespace))),
    ...graph.nodes.map((node) => box(node, isFar ? [] : names(node))),
  );
}

/** Add what `draw` left out: each link as something to point to, wide and unseen, and names. What is pointed to says
 * what it is. For when the graph has been seen: it takes as long again. */
export function grasp(into, graph) {
  const boxes = into.querySelectorAll(".node");
  if (!boxes[0]?.querySelector("text")) boxes.forEach((each, at) => each.append(...names(graph.nodes[at])));
  const layer = into.querySelector(".links");
  if (layer.hasChildNodes()) return;
  const hues = huesOf(graph);
  const said = new Map(graph.links.map((link) => [keyOf(link), link]));
  layer.append(...graph.links.map((link) => grip(link, hues.get(link.client))));
  into.onpointerover = (event) => {
    const element = event.target.closest(":is(.link, .node):not([data-said])");
    if (!element) return;
    element.dataset.said = "";
    element.prepend(svg("title", {}, element.getAttribute("aria-label") ?? visible(linkWords(said.get(keyOf(element.dataset))))));
  };
}

/** Mark what is chosen, and what is linked to it; all else steps back. */
export function mark(into, graph, node, target) {
  if (!node && !into.classList.contains("marked")) return;
  const chosen = new Set([node, target].filter(Boolean));
  const isNear = target ? (link) => link.client === node && link.target === target : (link) => link.client === node || link.target === node;
  const links = graph.links.filter(isNear);
  const near = new Set([...chosen, ...links.flatMap((link) => [link.client, link.target])]);
  const hues = huesOf(graph);
  into.querySelector(".marks").replaceChildren(...links.flatMap((link) => overlay(link, hues.get(link.client))));
  let isThere = false;
  for (const each of into.querySelectorAll(".node")) {
    each.classList.toggle("chosen", chosen.has(each.dataset.id));
    each.classList.toggle("near", near.has(each.dataset.id));
    isThere ||= chosen.has(each.dataset.id);
  }
  into.classList.toggle("marked", isThere);
}

/** Return a link's line and head as elements of their own, to be seen above the others. */
export function overlay(link, colour, more = "") {
  const said = { "data-client": link.client, "data-target": link.target };
  const line = svg("path", { class: `line-${link.line} ${colour} ${more}`, d: curve(link), ...said });
  return link.relation === "behind" ? [line] : [line, svg("path", { class: `head ${colour} ${more}`, d: head(link) })];
}

/** Return the node nearest to a box in the direction of an arrow key; null where there is none. */
export function nearest(nodes, from, key) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  const middle = (box) => [box.x + box.width / 2, box.y + box.height / 2];
  const [x, y] = middle(from);
  let best = null;
  let least = Infinity;
  for (const node of nodes) {
    const [toX, toY] = middle(node);
    const along = (toX - x) * dx + (toY - y) * dy;
    const aside = Math.abs((toX - x) * dy) + Math.abs((toY - y) * dx);
    const far = along + 2.5 * aside;
    if (along > 1 && far < least) [best, least] = [node, far];
  }
  return best;
}

/** Return the classes that give nodes' links their colours, by the nodes' ids. */
export function huesOf(graph) {
  return new Map(graph.nodes.map((node) => [node.id, hue(node)]));
}

function keyOf({ client, target }) {
  return JSON.stringify([client, target]);
}

function hue(node) {
  return node.hue === null ? "hue-outside" : `hue-${node.hue}`;
}

function ground({ x, y, width, height, namespace }) {
  return svg("rect", { x, y, width, height, rx: 14, class: namespace ? "island" : "island outside" });
}

function title(island, colour) {
  const { namespace } = island;
  const text = fitted(namespace || "outside the cluster", TITLE_SIZE, island.width - 30, 600);
  const said = { x: island.x + 18, y: island.y + 23, class: `title ${colour ?? "hue-outside"}` };
  if (!namespace) return svg("text", said, text);
  const label = `Show namespace ${visible(namespace)} alone`;
  return svg("text", { ...said, "data-namespace": namespace, role: "button", "aria-label": label }, text);
}

/** Return all lines and heads, a few of a client's that look alike as one path: fewer elements are seen sooner. */
function lines(links, hues) {
  const paths = new Map();
  const add = (link, kind, d, width) => {
    const look = `${kind} ${hues.get(link.client)}${link.state === "stale" ? " faded" : ""}`;
    const key = `${look} ${width} ${link.client}`;
    if (!paths.has(key)) paths.set(key, { class: look, "stroke-width": width, d: [] });
    paths.get(key).d.push(d);
  };
  // Solid lines last: what was seen is not covered by what is likely.
  for (const isSeen of [false, true]) {
    for (const link of links) {
      if ((link.line === "solid") !== isSeen) continue;
      add(link, `line-${link.line}`, curve(link), widthOf(link));
      if (link.relation !== "behind") add(link, "head", head(link), null);
    }
  }
  return [...paths.values()].flatMap(({ d, ...look }) => inParts(d).map((part) => svg("path", { ...look, d: part.join("") })));
}

function inParts(all) {
  return Array.from({ length: Math.ceil(all.length / MOST_IN_ONE) }, (_, at) => all.slice(at * MOST_IN_ONE, (at + 1) * MOST_IN_ONE));
}

/** In halves of a pixel: the more widths there are, the fewer lines look alike. */
function widthOf(link) {
  return link.relation === "behind" ? 1 : Math.min(1.5 + Math.round(Math.sqrt(link.stands_for - 1) / 2) / 2, 4);
}

function grip(link, colour) {
  return svg("path", { class: `link ${colour}`, "data-client": link.client, "data-target": link.target, d: curve(link) });
}

function curve({ path: [x, y, ...curves] }) {
  return `M${x} ${y}C${curves.join(" ")}`;
}

function head({ tip: [x, y], path }) {
  const [endX, endY] = path.slice(-2);
  const [backX, backY] = [endX + (endX - x) * 0.2, endY + (endY - y) * 0.2];
  const [sideX, sideY] = backX === x ? [3.6, 0] : [0, 3.6];
  return `M${x} ${y}L${backX - sideX} ${backY - sideY}L${backX + sideX} ${backY + sideY}z`;
}

function box(node, inside) {
  const { x, y, width, height } = node;
  const isPill = node.kind === "Service" || !node.namespace;
  const more = node.namespace ? [subtitle(node)] : [];
  if (node.dead) more.push(`${node.dead} names never resolved`);
  const said = `${visible(words(node))}${more.length ? ` (${more.join(", ")})` : ""}`;
  return svg(
    "g",
    { class: `node ${hue(node)}${isPill ? " pill" : ""}`, "data-id": node.id, role: "button", tabindex: -1, "aria-label": said },
    svg("rect", { class: "box", x, y, width, height, rx: isPill ? height / 2 : 8 }),
    isPill ? null : svg("rect", { class: "stripe", x: x + 5, y: y + 9, width: 3.5, height: height - 18, rx: 1.75 }),
    node.dead && node.kind !== "Namespace" ? svg("circle", { class: "dead", cx: x + width - 9, cy: y + 9, r: 3 }) : null,
    ...inside,
  );
}

function names({ x, y, width, height, ...node }) {
  const called = node.name || "?";
  const room = width - LEFT - RIGHT + 2;
  if (node.namespace || node.kind === "Outside") {
    return [
      svg("text", { x: x + LEFT, y: y + 18.5, class: "name" }, fitted(called, NAME_SIZE, room, 600)),
      svg("text", { x: x + LEFT, y: y + 32.5, class: "kind" }, fitted(subtitle(node), KIND_SIZE, room)),
    ];
  }
  const middle = y + height / 2;
  const text = { x: x + LEFT + 14, y: middle + 4.4, class: "name light" };
  return [globe(x + 17, middle), svg("text", text, fitted(called, NAME_SIZE, room - 14, 500))];
}

function globe(x, y) {
  return svg(
    "g",
    { class: "globe" },
    svg("circle", { cx: x, cy: y, r: 5.5 }),
    svg("ellipse", { cx: x, cy: y, rx: 2.4, ry: 5.5 }),
    svg("path", { d: `M${x - 5.5} ${y}h11` }),
  );
}

/** Return the client and target of the link that an event is of; null where it is of none. */
export function linkOf(event) {
  const link = event.target.closest(".link");
  return link && { client: link.dataset.client, target: link.dataset.target };
}

/** Return the node, as far as its id tells, that an event is of; null where it is of none. */
export function nodeOf(event) {
  const node = event.target.closest(".node");
  return node && refOf(node.dataset.id);
}
