/** What is known of the node or the call that is chosen. */

import { ask, askText, written } from "./api.js";
import { button, html, name, visible } from "./element.js";
import { timeline } from "./timeline.js";
import { LINES, linkWords, number, refOf, time, words } from "./words.js";

const MOST = 100;
/** Lines of each list; more are counted. */
const JOINED = ["Namespace", "Outside"];
const CAUSES = [
  ["down", "If it is down", "nothing that was seen depends on it"],
  ["compromised", "If it is taken over", "it was seen to reach nothing"],
];

export class Panel {
  /** `act` has what a person can do from here: `choose(id, to)`, `focus(id)`, `open(ref)`, `close()`. */
  constructor(element, act) {
    this.element = element;
    this.act = act;
    this.shown = "";
    this.turn = 0;
  }

  /** Show a node, the call from it `to` another, or nothing, of a map that was seen until a time. An answer that is late is not shown. */
  async show(id, to, untilMs) {
    this.untilMs = untilMs;
    const turn = ++this.turn;
    const key = id && `${id}\n${to}`;
    const isOther = key !== this.shown;
    this.shown = key;
    this.element.hidden = !id;
    if (!id) return this.element.replaceChildren();
    if (isOther) this.element.replaceChildren(this.#heading(id, to), html("p", { class: "muted" }, "…"));
    const parts = await (to ? this.#call(id, to) : this.#node(id)).catch((error) => [html("p", {}, error.message)]);
    if (turn !== this.turn) return;
    const open = new Set([...this.element.querySelectorAll("details[open]")].map((each) => each.dataset.key));
    const { scrollTop } = this.element;
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.element.replaceChildren(this.#heading(id, to), ...parts);
    for (const each of this.element.querySelectorAll("details")) each.open ||= !isOther && open.has(each.dataset.key);
    if (!isOther) this.element.scrollTop = scrollTop;
    if (focused) [...this.element.querySelectorAll("[data-key]")].find((each) => each.dataset.key === focused)?.focus();
  }

  #heading(id, to) {
    const ref = refOf(id);
    const close = button("✕", this.act.close, { class: "close", "aria-label": "Close details", "data-key": "close" });
    if (to) {
      const title = html("h2", {}, this.#button(id), " → ", this.#button(to));
      return html("div", { class: "heading" }, close, title);
    }
    const where = ref.namespace ? [" in ", name(ref.namespace)] : [" outside the cluster"];
    const what = JOINED.includes(ref.kind)
      ? button(ref.kind === "Outside" ? "Show each name" : "Show its workloads", () => this.act.open(ref))
      : button("Focus", () => this.act.focus(id), { title: "Show what is around it alone (f)", "data-key": "focus" });
    return html(
      "div",
      { class: "heading" },
      close,
      html("h2", {}, name(ref.name || "?")),
      html("p", { class: "muted" }, ref.kind === "Domain" ? "Name" : ref.kind || "workload", ...where),
      what,
    );
  }

  async #node(id) {
    const ref = refOf(id);
    if (JOINED.includes(ref.kind)) return [html("p", {}, "It stands for several: its calls are joined.")];
    const [around, ...blasts] = await Promise.all([
      ask("edges", { focus: id }),
      ...CAUSES.map(([cause]) => ask("blast", { workload: id, cause })),
    ]);
    const calls = around.links.filter((link) => link.relation === "calls");
    const behind = around.links.filter((link) => link.relation === "behind");
    const to = calls.filter((link) => link.client === id);
    const from = calls.filter((link) => link.target === id);
    return [
      this.#list("Calls", to, "target"),
      this.#list("Called by", from, "client"),
      this.#list("Workloads behind it", behind.filter((link) => link.client === id), "target"),
      this.#list("Behind the Services", behind.filter((link) => link.target === id), "client"),
      ...blasts.map((blast, at) => this.#blast(blast, ...CAUSES[at])),
      written ? html("p", { class: "muted" }, "ClientIntents are not in a file: grapevine map and export have them.") : "",
      !written && ref.namespace && ref.kind !== "Service" ? this.#intents(id) : "",
    ];
  }

  #list(title, links, end) {
    if (!links.length && title.includes("ehind")) return "";
    const items = links.slice(0, MOST).map((link) => {
      const { kind } = refOf(link[end]);
      const said = ` ${kind}${link.relation === "calls" ? `${kind && ", "}${LINES[link.line] ?? "declared"}, ${link.confidence} %` : ""}`;
      const to = link.relation === "calls" ? [link.client, link.target] : [link[end], ""];
      return html("li", {}, this.#button(link[end], ...to), html("small", { title: visible(linkWords(link)) }, said));
    });
    return html(
      "section",
      {},
      html("h3", {}, `${title} `, html("span", { class: "number" }, String(links.length))),
      items.length ? html("ul", {}, ...items, rest(links.length)) : html("p", { class: "muted" }, "nothing that was seen"),
    );
  }

  #blast({ reached, circle, total }, cause, title, none) {
    const items = reached.slice(0, MOST).map((each) => {
      const hops = number(each.calls, "call");
      const why = each.chain.map((link) => html("li", {}, name(linkWords(link))));
      return html(
        "li",
        {},
        html(
          "details",
          { "data-key": `${cause} ${each.id}` },
          html("summary", {}, name(words(each)), html("small", {}, ` ${each.kind}${each.kind && ", "}${each.sure} % sure, ${hops} away${each.partial ? ", in part" : ""}`)),
          html("ol", {}, ...why),
          this.#button(each.id),
        ),
      );
    });
    const inCircle = circle.length ? html("p", {}, `In a circle of calls with ${number(circle.length, "other")}.`) : "";
    return html(
      "section",
      {},
      html("h3", {}, `${title} `, html("span", { class: "number" }, String(total))),
      inCircle,
      items.length ? html("ul", {}, ...items, rest(total)) : html("p", { class: "muted" }, none),
    );
  }

  #intents(id) {
    const text = html("pre", { tabindex: 0, "aria-label": "ClientIntents" }, "…");
    const details = html("details", { "data-key": "intents" }, html("summary", {}, html("h3", {}, "ClientIntents")), text);
    details.addEventListener("toggle", async () => {
      if (!details.open) return;
      text.textContent = await askText("intents", { client: id }).catch((error) =>
        error.status === 404 ? "None: it was seen to call nothing." : error.message,
      );
    });
    return html("section", {}, details);
  }

  async #call(id, to) {
    const [client, target] = [refOf(id), refOf(to)];
    if ([client, target].some(({ kind }) => JOINED.includes(kind))) {
      return [html("p", {}, "Several calls, drawn as one. Below is each of them.")];
    }
    const isService = target.kind === "Service";
    const asked = target.namespace && target.kind ? to : words(target);
    const answer = await ask("explain", { client: words(client), kind: client.kind, target: asked });
    const isMeant = ({ target: { type } }) => isService === (type === "service");
    const found = answer.edges.filter(isMeant);
    if (!found.length) return this.#summary(id, to);
    return found.map((edge) => this.#evidence(edge));
  }

  /** What the map alone says of a call whose evidence is in no memory. */
  async #summary(id, to) {
    const around = await ask("edges", { focus: id });
    const said = around.links.filter((link) => link.client === id && link.target === to).map((link) =>
      facts([
        ["Seen by", link.evidence.join(", ") || "nothing: it is declared"],
        ["Sure", `${link.confidence} %`],
        ["State", link.state],
        ["Seen", link.count ? `${number(link.count, "time")} at least` : ""],
        ["First", link.last_ms && `${time(link.first_ms)} UTC`],
        ["Last", link.last_ms && `${time(link.last_ms)} UTC`],
        ["Ports", link.ports.join(", ")],
        ["Names", (link.names ?? []).join(", ")],
        ["Heard by", link.sources.join(", ")],
      ]),
    );
    const why = written ? "More evidence is not in a file: grapevine explain." : "No more is in memory: it is declared, or was seen before the operator started.";
    return [...said, html("p", { class: "muted" }, why)];
  }

  #evidence(edge) {
    const owners = edge.owners.map(({ workload, pods, share }) =>
      html("li", {}, name(`${workload.namespace}/${workload.name}`), html("small", {}, ` ${number(pods, "pod")}${share === null ? "" : `, ${share} %`}`)),
    );
    return html(
      "section",
      {},
      html("p", {}, html("strong", {}, `${edge.confidence} % sure`), `: ${edge.because}`),
      facts([
        ["Seen", `${number(edge.count, "time")} at least`],
        ["First", `${time(edge.first_ms)} UTC`],
        ["Last", `${time(edge.last_ms)} UTC`],
      ]),
      timeline(edge, this.untilMs),
      owners.length > 1 ? html("h3", {}, "Workloads behind it") : "",
      owners.length > 1 ? html("ul", {}, ...owners) : "",
      html("h3", {}, "Names asked for"),
      ...edge.names.map((each) => asked(each)),
      edge.cut ? html("p", { class: "muted" }, `and ${edge.cut} more`) : "",
    );
  }

  #button(id, node = id, to = "") {
    return html("button", { type: "button", class: "quiet", "data-key": `${node} ${to}`, onclick: () => this.act.choose(node, to) }, name(words(refOf(id))));
  }
}

function asked(each) {
  return html(
    "div",
    { class: "asked" },
    html("code", {}, name(each.name || "the address of a pod")),
    facts([
      ["Looked up", seen(each.lookups)],
      ["Connected", seen(each.connections)],
      ["Ports", each.ports.join(", ")],
      ["By pods", each.pods.join(", ")],
      ["Answers", each.answers.join(", ")],
      ["Resolver", each.resolvers.join(", ")],
      ["Heard by", each.sources.join(", ")],
      ["Shares an address with", each.shared_with.join(", ")],
    ]),
  );
}

function seen(times) {
  return times ? `${number(times.count, "time")}, ${time(times.first_ms)} – ${time(times.last_ms)}` : "";
}

function facts(pairs) {
  return html("dl", {}, ...pairs.filter(([, value]) => value).flatMap(([key, value]) => [html("dt", {}, key), html("dd", {}, name(value))]));
}

function rest(total) {
  return total > MOST ? html("li", { class: "muted" }, `and ${total - MOST} more`) : "";
}
