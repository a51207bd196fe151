/** What things are called, and how long names are cut. */

import { visible } from "./element.js";

export const LINES = { solid: "connection seen", dashed: "looked up only" };
export const STATES = { active: "active", idle: "idle", stale: "stale" };
/** Kinds that are no kind of Kubernetes. */
export const KINDS = { Domain: "name outside", workload: "named by an annotation" };
const FACE = "'DejaVu Sans', Verdana, 'Segoe UI', Helvetica, Arial, sans-serif";
const MAX_CUT = 8192;

/** Return the parts of a node's id. */
export function refOf(id) {
  const first = id.indexOf("/");
  const second = id.indexOf("/", first + 1);
  return { id, namespace: id.slice(0, first), kind: id.slice(first + 1, second), name: id.slice(second + 1) };
}

/** Return what a person calls a node. */
export function words(ref) {
  return ref.namespace && ref.kind !== "Namespace" ? `${ref.namespace}/${ref.name}` : ref.name || "(no name)";
}

/** Return the second line of a node. */
export function subtitle(node) {
  if (node.kind === "Namespace") return number(node.stands_for, "member");
  if (node.kind === "Outside") return "outside the cluster";
  return node.kind || "workload";
}

/** Return what a link says, and why it is believed, in one line. */
export function linkWords(link) {
  const ends = `${words(refOf(link.client))} → ${words(refOf(link.target))}`;
  if (link.relation === "behind") {
    return `${ends}: one of the workloads behind the Service${link.share === null ? "" : `, ${link.share} % of its use`}`;
  }
  const joined = link.stands_for > 1 ? `, ${link.stands_for} calls` : "";
  return `${ends}: ${link.evidence.join(" and ") || "declared, not seen"}, ${link.confidence} % sure, ${link.state}${joined}`;
}

/** Return a number with its noun. */
export function number(count, one, more = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
}

/** Return a time in UTC, to the second; a dash where nothing was seen. */
export function time(ms) {
  return ms ? new Date(ms).toISOString().slice(0, 19).replace("T", " ") : "–";
}

/** Return how much there is, in words. */
export function counts(graph) {
  const inside = graph.nodes.filter((node) => node.namespace);
  const services = inside.filter((node) => node.kind === "Service").length;
  const members = inside.reduce((sum, node) => sum + (node.kind === "Service" ? 0 : node.stands_for), 0);
  const outside = graph.nodes.reduce((sum, node) => sum + (node.namespace ? 0 : node.stands_for), 0);
  const dead = graph.nodes.reduce((sum, node) => sum + node.dead, 0);
  const parts = [
    members && number(members, "workload"),
    services && number(services, "Service"),
    outside && number(outside, "name outside", "names outside"),
    graph.calls && number(graph.calls, "call"),
    dead && number(dead, "name that never resolved", "names that never resolved"),
    graph.last_ms && `seen ${time(graph.first_ms)} – ${time(graph.last_ms)} UTC`,
  ];
  return [...parts.filter(Boolean), ...graph.notes].join(" · ");
}

const pens = new Map();
const known = new Map();

/** Return text cut in its middle where it is wider than `width` pixels: what tells names apart is at their ends. */
export function fitted(text, size, width, weight = 400) {
  const key = `${size} ${weight} ${Math.round(width)} ${text}`;
  if (!known.has(key)) {
    if (known.size >= MAX_CUT) known.clear();
    known.set(key, cut([...visible(text)], `${weight} ${size}px ${FACE}`, width));
  }
  return known.get(key);
}

/** Return what measures text in a font; one for each, as names and kinds take turns. */
function penOf(font) {
  if (!pens.has(font)) pens.set(font, Object.assign(document.createElement("canvas").getContext("2d"), { font }));
  return pens.get(font);
}

function cut(letters, font, width) {
  const pen = penOf(font);
  const short = (kept) => {
    const front = Math.ceil(kept / 2);
    return `${letters.slice(0, front).join("")}…${letters.slice(letters.length - (kept - front)).join("")}`;
  };
  const whole = letters.join("");
  if (pen.measureText(whole).width <= width) return whole;
  let [low, high] = [1, letters.length - 1];
  while (low < high) {
    const kept = (low + high + 1) >> 1;
    if (pen.measureText(short(kept)).width <= width) low = kept;
    else high = kept - 1;
  }
  return low < 2 ? `${letters[0]}…` : short(low);
}
