/** All calls, one by one, in the order a person wants: the map for who does not see it, and for who counts. */

import { button, html, name } from "./element.js";
import { LINES, number, refOf, time, words } from "./words.js";

const FIRST = 200;
const text = (value) => document.createTextNode(value);
/** key, heading, what it is ordered by, what is shown; numbers begin with the highest. */
const COLUMNS = [
  ["client", "Client", (link) => words(refOf(link.client)), (link) => name(words(refOf(link.client)))],
  ["target", "Target", (link) => words(refOf(link.target)), (link) => name(words(refOf(link.target)))],
  ["line", "Seen by", (link) => seenBy(link), (link) => text(seenBy(link))],
  ["sure", "Sure", (link) => -link.confidence, (link) => text(link.confidence ? `${link.confidence} %` : "–")],
  ["state", "State", (link) => link.state, (link) => text(link.state)],
  ["count", "Times", (link) => -link.count, (link) => text(link.count.toLocaleString("en"))],
  ["ports", "Ports", (link) => link.ports[0] ?? 0, (link) => text(link.ports.join(", "))],
  ["last", "Last seen, UTC", (link) => -link.last_ms, (link) => text(time(link.last_ms))],
];

export class Table {
  /** `onSort` hears of another order, `onChoose` of a link. */
  constructor(table, said, onSort, onChoose) {
    this.table = table;
    this.said = said;
    this.onSort = onSort;
    this.onChoose = onChoose;
    this.most = FIRST;
    this.given = { total: 0, links: [], sort: "", node: "", to: "" };
  }

  /** Show links, of which there are `total`, in an order: a column's key, with `-` in front the other way around. */
  show(given) {
    if (given.part !== this.given.part) this.most = FIRST;
    this.given = given;
    const { total, links, sort } = given;
    const [key, reverse] = sort.startsWith("-") ? [sort.slice(1), -1] : [sort, 1];
    const by = (COLUMNS.find(([each]) => each === key) ?? COLUMNS[0])[2];
    const calls = links.filter((link) => link.relation === "calls");
    const sorted = calls.sort((one, other) => reverse * compare(by(one), by(other)));
    const isCut = total > links.length;
    this.said.textContent = isCut ? `the first ${number(links.length, "line")} of ${total}: choose less, or CSV` : String(calls.length);
    this.table.replaceChildren(
      html("thead", {}, html("tr", {}, ...COLUMNS.map((column) => this.#heading(column, key || "client", reverse, sort)))),
      html("tbody", {}, ...sorted.slice(0, this.most).map((link) => this.#row(link))),
      sorted.length > this.most ? this.#more(sorted.length) : "",
    );
  }

  #heading([key, title], sorted, reverse, sort) {
    const order = key === sorted ? (reverse > 0 ? "ascending" : "descending") : null;
    const next = key === sorted && !sort.startsWith("-") ? `-${key}` : key;
    return html("th", { scope: "col", "aria-sort": order }, button(title, () => this.onSort(next)));
  }

  #row(link) {
    const isChosen = link.client === this.given.node && (!this.given.to || link.target === this.given.to);
    const [client, ...others] = COLUMNS.map(([, , , shown]) => shown(link));
    const choose = html("button", { type: "button", class: "quiet", title: "Evidence" }, client);
    return html(
      "tr",
      { onclick: () => this.onChoose(link), class: isChosen ? "chosen" : null },
      html("td", {}, choose),
      ...others.map((shown) => html("td", {}, shown)),
    );
  }

  #more(length) {
    const all = button(`Show all ${length}`, () => {
      this.most = Infinity;
      this.show(this.given);
    });
    return html("tfoot", {}, html("tr", {}, html("td", { colspan: COLUMNS.length }, all)));
  }
}

function seenBy(link) {
  return LINES[link.line] ?? "declared";
}

function compare(one, other) {
  return typeof one === "number" ? one - other : one.localeCompare(other, "en");
}
