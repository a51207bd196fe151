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

/** Put a graph into an element in place of what was there. */
export function draw(into, graph) {
  // What a link says is made when somebody points to it: thousands of texts would take as long as the drawing.
  const said = new Map(graph.links.map((link) => [keyOf(link), link]));
  into.onpointerover = (event) => {
    const element = event.target.closest(".link:not([data-said])");
    if (!element) return;
    element.dataset.said = "";
    element.prepend(svg("title", {}, visible(linkWords(said.get(keyOf(element.dataset))))));
  };
  const hues = new Map(graph.nodes.map((node) => [node.id, hue(node)]));
  const spaces = new Map(graph.nodes.map((node) => [node.namespace, hue(node)]));
  // Solid lines last: what was seen is not covered by what is likely.
  const links = [...graph.links].sort((one, other) => (one.line === "solid") - (other.line === "solid"));
  into.classList.toggle("many", links.length > MANY);
  into.replaceChildren(
    ...graph.islands.map((island) => ground(island)),
    svg("g", { class: "links" }, ...links.map((link) => line(link, hues.get(link.client)))),
    ...graph.islands.map((island) => title(island, spaces.get(island.namespace))),
    ...graph.nodes.map((node) => box(node)),
  );
}

/** Mark what is chosen, and what is linked to it; all else steps back. */
export function mark(into, node, target) {
  const chosen = new Set([node, target].filter(Boolean));
  const near = new Set(chosen);
  for (const each of into.querySelectorAll(".link")) {
    const { client, target: end } = each.dataset;
    const isNear = target ? client === node && end === target : client === node || end === node;
    each.classList.toggle("near", isNear);
    if (isNear) [client, end].forEach((id) => near.add(id));
  }
  let isThere = false;
  for (const each of into.querySelectorAll(".node")) {
    each.classList.toggle("chosen", chosen.has(each.dataset.id));
    each.classList.toggle("near", near.has(each.dataset.id));
    isThere ||= chosen.has(each.dataset.id);
  }
  into.classList.toggle("marked", isThere);
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

function line(link, colour) {
  const [x, y, ...curves] = link.path;
  const path = `M${x} ${y}C${curves.join(" ")}`;
  const width = link.relation === "behind" ? 1.1 : Math.min(1.5 + 0.25 * Math.sqrt(link.stands_for - 1), 4);
  const faded = link.state === "stale" ? " faded" : "";
  return svg(
    "g",
    { class: `link ${colour}${faded}`, "data-client": link.client, "data-target": link.target },
    svg("path", { class: "grip", d: path }),
    svg("path", { class: `line-${link.line}`, d: path, "stroke-width": width.toFixed(2) }),
    link.relation === "behind" ? null : head(link),
  );
}

function head({ tip: [x, y], path }) {
  const [endX, endY] = path.slice(-2);
  const [backX, backY] = [endX + (endX - x) * 0.2, endY + (endY - y) * 0.2];
  const [sideX, sideY] = backX === x ? [3.6, 0] : [0, 3.6];
  const corners = `L${backX - sideX} ${backY - sideY}L${backX + sideX} ${backY + sideY}z`;
  return svg("path", { class: "head", d: `M${x} ${y}${corners}` });
}

function box(node) {
  const { x, y, width, height } = node;
  const isPill = node.kind === "Service" || !node.namespace;
  const isName = !node.namespace && node.kind !== "Outside";
  const room = width - LEFT - RIGHT + 2;
  const called = node.name || "?";
  const middle = y + height / 2;
  const more = node.namespace ? [subtitle(node)] : [];
  if (node.dead) more.push(`${node.dead} names never resolved`);
  const said = `${visible(words(node))}${more.length ? ` (${more.join(", ")})` : ""}`;
  return svg(
    "g",
    { class: `node ${hue(node)}${isPill ? " pill" : ""}`, "data-id": node.id, role: "button", tabindex: -1, "aria-label": said },
    svg("title", {}, said),
    svg("rect", { x, y, width, height, rx: isPill ? height / 2 : 8 }),
    isPill ? null : svg("rect", { class: "stripe", x: x + 5, y: y + 9, width: 3.5, height: height - 18, rx: 1.75 }),
    isName ? globe(x + 17, middle) : null,
    isName
      ? svg("text", { x: x + LEFT + 14, y: middle + 4.4, class: "name light" }, fitted(called, NAME_SIZE, room - 14, 500))
      : svg("text", { x: x + LEFT, y: y + 18.5, class: "name" }, fitted(called, NAME_SIZE, room, 600)),
    isName ? null : svg("text", { x: x + LEFT, y: y + 32.5, class: "kind" }, fitted(subtitle(node), KIND_SIZE, room)),
    node.dead && node.kind !== "Namespace" ? svg("circle", { class: "dead", cx: x + width - 9, cy: y + 9, r: 3 }) : null,
  );
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
