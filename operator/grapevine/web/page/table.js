/** All calls, one by one, in the order a person wants: the map for who does not see it, and for who counts. */

import { button, html, name } from "./element.js";
import { LINES, number, refOf, time, words } from "./words.js";

const FIRST = 100;
const MOST = 2000;
/** As many as the operator tells at once. */
const text = (value) => document.createTextNode(value);
/** key, heading, what is shown; the operator puts them in order by the key. */
const COLUMNS = [
  ["client", "Client", (link) => name(words(refOf(link.client)))],
  ["target", "Target", (link) => name(words(refOf(link.target)))],
  ["line", "Seen by", (link) => text(LINES[link.line] ?? "declared")],
  ["sure", "Sure", (link) => text(link.confidence ? `${link.confidence} %` : "–")],
  ["state", "State", (link) => text(link.state)],
  ["count", "Times", (link) => text(link.count.toLocaleString("en"))],
  ["ports", "Ports", (link) => text(link.ports.join(", "))],
  ["last", "Last seen, UTC", (link) => text(time(link.last_ms))],
];

export class Table {
  /** `onSort` hears of another order, `onChoose` of a link, `onMore` that more lines are wanted. */
  constructor(table, said, onSort, onChoose, onMore) {
    this.table = table;
    this.said = said;
    this.onSort = onSort;
    this.onChoose = onChoose;
    this.onMore = onMore;
    this.most = FIRST;
    this.part = "";
    this.given = { node: "", to: "" };
  }

  /** Return what the operator is asked for, besides the part of the map. */
  query(sort, part) {
    if (part !== this.part) this.most = FIRST;
    this.part = part;
    const isColumn = COLUMNS.some(([key]) => key === sort.replace(/^-/, ""));
    return { calls: 1, limit: this.most, sort: isColumn ? sort : COLUMNS[0][0] };
  }

  /** Show links, of which there are `total`, in an order: a column's key, with `-` in front the other way around. */
  show(given) {
    this.given = given;
    const { total, links, sort } = given;
    const key = sort.replace(/^-/, "") || "client";
    this.said.textContent = total > links.length ? `the first ${links.length} of ${number(total, "call")}` : String(total);
    this.table.replaceChildren(
      html("thead", {}, html("tr", {}, ...COLUMNS.map((column) => this.#heading(column, key, sort)))),
      html("tbody", {}, ...links.map((link) => this.#row(link))),
      total > links.length ? this.#more(total) : "",
    );
  }

  #heading([key, title], sorted, sort) {
    const isReverse = sort.startsWith("-");
    const order = key === sorted ? (isReverse ? "descending" : "ascending") : null;
    const next = key === sorted && !isReverse ? `-${key}` : key;
    return html("th", { scope: "col", "aria-sort": order }, button(title, () => this.onSort(next)));
  }

  #row(link) {
    const isChosen = link.client === this.given.node && (!this.given.to || link.target === this.given.to);
    const [client, ...others] = COLUMNS.map(([, , shown]) => shown(link));
    const choose = html("button", { type: "button", class: "quiet", title: "Evidence" }, client);
    return html(
      "tr",
      { onclick: () => this.onChoose(link), class: isChosen ? "chosen" : null },
      html("td", {}, choose),
      ...others.map((shown) => html("td", {}, shown)),
    );
  }

  #more(total) {
    const more = button(total > MOST ? `Show the first ${MOST}` : `Show all ${total}`, () => {
      this.most = MOST;
      this.onMore();
    });
    const said = this.most < MOST ? more : "More than can be shown: choose less, or CSV has all.";
    return html("tfoot", {}, html("tr", {}, html("td", { colspan: COLUMNS.length }, said)));
  }
}
