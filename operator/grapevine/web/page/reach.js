/** Blast radius in a page that is a file: follows calls as `view/reach.py` does, and tells the same. */

import { refOf } from "./words.js";

const MAX_DEPTH = 100;

/** Return what a node reaches over its map's links: whom it calls if it is `compromised`, who calls it if it is `down`. */
export function blast(links, root, cause) {
  const isDown = cause === "down";
  const [from, to] = isDown ? ["target", "client"] : ["client", "target"];
  const steps = by(links, from);
  const best = new Map([[root, { sure: 100, calls: 0, link: null, before: null }]]);
  let edge = [root];
  for (let turn = 0; turn < MAX_DEPTH && edge.length; turn++) edge = step(edge, steps, to, best);
  const reached = [...best].filter(([id, state]) => id !== root && state.calls).map(([id, state]) => said(id, state, isDown));
  reached.sort((one, other) => other.sure - one.sure || one.calls - other.calls || one.partial - other.partial || compare(one, other));
  return { reached, circle: circle(links, root), total: reached.length };
}

/** Go one call on, and from Services to who is behind them; return what is reached more surely now. */
function step(edge, steps, to, best) {
  const news = new Set();
  for (const [id, state] of beside(edge, steps, to, best).map((each) => [each, best.get(each)])) {
    for (const link of steps.get(id) ?? []) {
      if (link.relation !== "calls") continue;
      const sure = (state.sure * link.confidence) / 100;
      if (sure <= (best.get(link[to])?.sure ?? -1)) continue;
      best.set(link[to], { sure, calls: state.calls + 1, link, before: state });
      news.add(link[to]);
    }
  }
  return beside(news, steps, to, best);
}

/** Return these, with what is the same call away: who is behind a Service, or the Service one is behind. */
function beside(ids, steps, to, best) {
  const found = new Set(ids);
  for (const id of ids) {
    const state = best.get(id);
    for (const link of steps.get(id) ?? []) {
      if (link.relation !== "behind" || state.sure <= (best.get(link[to])?.sure ?? -1)) continue;
      best.set(link[to], { ...state, link, before: state });
      found.add(link[to]);
    }
  }
  return [...found];
}

function said(id, state, isDown) {
  const chain = [];
  for (let at = state; at.link; at = at.before) chain.push(at.link);
  if (!isDown) chain.reverse();
  const partial = chain.some((link) => link.relation === "behind");
  return { ...refOf(id), sure: rounded(state.sure), calls: state.calls, partial, chain };
}

/** Return a percentage to one place; what is half way goes to the even digit, as in Python. */
function rounded(sure) {
  return Number((sure % 1 === 0.25 ? sure - 0.01 : sure).toFixed(1));
}

/** Return what is called by a node, and calls it, over whatever others. */
function circle(links, root) {
  const [called, callers] = [["client", "target"], ["target", "client"]].map(([from, to]) => closure(by(links, from), to, root));
  return [...called].filter((id) => id !== root && callers.has(id)).map(refOf).sort(compare);
}

function closure(steps, to, root) {
  const reached = new Set([root]);
  for (const id of reached) for (const link of steps.get(id) ?? []) reached.add(link[to]);
  return reached;
}

function by(links, end) {
  const found = new Map();
  for (const link of links) {
    if (!found.has(link[end])) found.set(link[end], []);
    found.get(link[end]).push(link);
  }
  return found;
}

function compare(one, other) {
  for (const key of ["namespace", "kind", "name"]) if (one[key] !== other[key]) return one[key] < other[key] ? -1 : 1;
  return 0;
}
