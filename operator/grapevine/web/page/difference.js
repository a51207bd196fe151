/** What came and what went silent since a moment: marked in the map by signs, not by colours, and listed above it. */

import { huesOf, overlay } from "./drawing.js";
import { html, name, svg } from "./element.js";
import { linkWords, number, refOf, time, words } from "./words.js";

const MOST = 100;
const SIGNS = { added: "+", gone: "×" };

/** Mark the lines of what came and what went, of an answer of the operator's; none where there is no answer. */
export function markDifference(into, graph, difference) {
  into.classList.toggle("compared", Boolean(difference));
  const layer = into.querySelector(".changes");
  layer.replaceChildren();
  if (!difference) return;
  const home = homes(graph.nodes.map((node) => node.id));
  // What is added last is seen where several are drawn as one.
  const kinds = new Map(["gone", "added"].flatMap((kind) => difference[kind].map((link) => [keyOf(home(link.client), home(link.target)), kind])));
  const hues = huesOf(graph);
  for (const link of graph.links) {
    const kind = kinds.get(keyOf(link.client, link.target));
    if (!kind) continue;
    const shown = overlay(link, hues.get(link.client), kind);
    layer.append(...shown, badge(shown[0], SIGNS[kind]));
  }
}

/** List what came and what went, with a button for each call; `onChoose` hears of a client and a target. */
export function listDifference(element, difference, onChoose) {
  element.hidden = !difference;
  if (!difference) return element.replaceChildren();
  const { total } = difference;
  const said = `Since ${time(difference.since_ms)} UTC: ${number(total.added, "call")} came, ${total.gone} went silent`;
  const items = ["added", "gone"].flatMap((kind) =>
    difference[kind].slice(0, MOST).map((link) =>
      html(
        "li",
        {},
        html("span", { class: "sign", "aria-label": kind }, SIGNS[kind]),
        html("button", { type: "button", class: "quiet", title: linkWords(link), onclick: () => onChoose(link.client, link.target) }, name(words(refOf(link.client))), " → ", name(words(refOf(link.target)))),
      ),
    ),
  );
  const rest = total.added + total.gone - items.length;
  const isOpen = element.querySelector("details")?.open ?? false;
  const details = html(
    "details",
    {},
    html("summary", {}, said),
    html("ul", {}, ...items, rest ? html("li", { class: "muted" }, `and ${rest} more`) : ""),
    ...difference.notes.map((note) => html("p", { class: "muted" }, name(note))),
  );
  details.open = isOpen;
  element.replaceChildren(details);
}

/** Return which of the drawn nodes a node is part of. */
function homes(shown) {
  const known = new Set(shown);
  const outside = shown.find((id) => refOf(id).kind === "Outside");
  return (id) => {
    const { namespace } = refOf(id);
    return known.has(id) ? id : namespace ? `${namespace}/Namespace/${namespace}` : outside;
  };
}

function keyOf(client, target) {
  return JSON.stringify([client, target]);
}

function badge(path, sign) {
  const { x, y } = path.getPointAtLength(path.getTotalLength() / 2);
  return svg("g", { class: "badge" }, svg("circle", { cx: x, cy: y, r: 7 }), svg("text", { x, y: y + 4 }, sign));
}
