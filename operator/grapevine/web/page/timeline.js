/** When a call was seen, as far as its evidence tells: first and last of each kind, and when nothing of it is known. */

import { html, name, svg } from "./element.js";
import { time } from "./words.js";

const MOST = 10;
/** Lines of names; the panel has all in words. */
const LEAST_WIDTH = 1.5;

/** Return the times of a call's evidence as bars, until `untilMs`, when the last of the whole map was seen. */
export function timeline(edge, untilMs) {
  const from = edge.first_ms;
  const until = Math.max(edge.last_ms, untilMs);
  if (until <= from) return "";
  const spans = edge.names.flatMap(({ name: asked, lookups, connections }) => [
    [asked || "the address of a pod", "looked up", lookups],
    [asked || "the address of a pod", "connected", connections],
  ]).filter(([, , times]) => times);
  const known = spans.map(([, , times]) => [times.first_ms, times.last_ms]);
  const bars = spans.slice(0, MOST).map(([asked, how, times]) => bar(asked, how, times, from, until));
  return html(
    "div",
    {},
    html("h3", {}, "When"),
    html("ol", { class: "timeline" }, bar("all of it", "seen", edge, from, until), ...bars),
    html("p", { class: "muted" }, `${time(from)} – ${time(until)} UTC, first and last of each: what was in between is only counted.`),
    ...gaps(known, from, until).map(([start, end]) => html("p", { class: "gap" }, `Nothing is known from ${time(start)} to ${time(end)}.`)),
  );
}

/** Return when none of the spans was, from the first to the last of all; at most the five longest, in order. */
export function gaps(spans, from, until) {
  const found = [];
  let reached = from;
  for (const [start, end] of [...spans, [until, until]].sort(([one], [other]) => one - other)) {
    if (start > reached) found.push([reached, start]);
    reached = Math.max(reached, end);
  }
  const enough = found.filter(([start, end]) => end - start >= 60_000 && end - start > (until - from) / 50);
  return enough.sort((one, other) => other[1] - other[0] - (one[1] - one[0])).slice(0, 5).sort(([one], [other]) => one - other);
}

function bar(asked, how, { first_ms: first, last_ms: last }, from, until) {
  const at = (ms) => (100 * (ms - from)) / (until - from);
  const width = Math.max(at(last) - at(first), LEAST_WIDTH);
  const x = Math.min(at(first), 100 - width);
  return html(
    "li",
    { title: `${how} ${time(first)} – ${time(last)}` },
    html("span", {}, name(asked), html("small", {}, ` ${how}`)),
    svg(
      "svg",
      { viewBox: "0 0 100 8", preserveAspectRatio: "none", role: "img", "aria-label": `from ${time(first)} to ${time(last)}` },
      svg("rect", { class: "whole", x: 0, y: 3, width: 100, height: 2 }),
      svg("rect", { class: how === "looked up" ? "hollow" : "full", x: x.toFixed(2), y: 1, width: width.toFixed(2), height: 6 }),
    ),
  );
}
