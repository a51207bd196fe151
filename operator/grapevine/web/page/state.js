/** What is shown, as the page's address says it: a link, Back and a reload show the same. */

const LISTS = ["namespace", "kind", "line", "state"];
const SPANS = ["since", "new", "compare"];
const TEXTS = [...SPANS, "focus", "search", "node", "to", "sort", "view"];
const FLAGS = ["outside", "expand"];
const SPAN_MS = { "1h": 3_600_000, "24h": 86_400_000, "7d": 604_800_000 };
const MAX_DEPTH = 100;

/** Return what an address says. What is not understood is left out; the server says what it refuses. */
export function read(text) {
  const query = new URLSearchParams(text);
  const state = { depth: whole(query.get("depth"), 1, MAX_DEPTH, 1), confidence: whole(query.get("confidence"), 0, 100, 0) };
  for (const key of LISTS) state[key] = (query.get(key) ?? "").split(",").filter(Boolean);
  for (const key of TEXTS) state[key] = query.get(key) ?? "";
  for (const key of FLAGS) state[key] = query.get(key) === "1";
  for (const key of SPANS) if (!Object.hasOwn(SPAN_MS, state[key])) state[key] = "";
  return state;
}

/** Return a state as an address has it, with what is not as by default alone. */
export function write(state) {
  const query = partQuery(state, null);
  for (const key of [...SPANS, "node", "to", "sort", "view"]) if (state[key]) query.set(key, state[key]);
  if (state.expand) query.set("expand", "1");
  return String(query);
}

/** Return the part of the map that a state shows, as the API is asked for it. Whole minutes, so that answers stay known. */
export function partQuery(state, nowMs) {
  const query = new URLSearchParams();
  for (const key of LISTS) if (state[key].length) query.set(key, state[key].join(","));
  if (state.focus) query.set("focus", state.focus);
  if (state.focus && state.depth > 1) query.set("depth", state.depth);
  if (state.confidence) query.set("confidence", state.confidence);
  if (state.outside) query.set("outside", "1");
  if (state.search) query.set("search", state.search);
  if (nowMs !== null && state.since) query.set("since_ms", momentOf(state.since, nowMs));
  if (nowMs !== null && state.new) query.set("new_since_ms", momentOf(state.new, nowMs));
  return query;
}

/** Return the moment a span of time began, in milliseconds since the epoch and in whole minutes. */
export function momentOf(span, nowMs) {
  return Math.max(0, Math.floor((nowMs - SPAN_MS[span]) / 60_000) * 60_000);
}

/** Return a state without any choice of a part. */
export function everything(state) {
  return { ...read(""), sort: state.sort, compare: state.compare, node: state.node, to: state.to };
}

function whole(text, least, most, otherwise) {
  const value = /^\d{1,3}$/.test(text ?? "") ? Number(text) : otherwise;
  return value >= least && value <= most ? value : otherwise;
}
