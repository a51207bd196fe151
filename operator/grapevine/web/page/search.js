/** Search: `/` goes there, arrows choose of what is found, Enter goes to it; Enter without a choice keeps what has the text. */

import { html, name } from "./element.js";
import { ask } from "./api.js";
import { words } from "./words.js";

const WAIT_MS = 150;
const SHOWN = 12;

export class Search {
  /** `onFound` is called with a node, `onText` with text that is to be anywhere in a link. */
  constructor(onFound, onText) {
    this.onFound = onFound;
    this.onText = onText;
    this.input = document.getElementById("search-text");
    this.list = document.getElementById("search-found");
    this.nodes = [];
    this.at = -1;
    this.input.addEventListener("input", () => this.#later());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.input.addEventListener("blur", () => this.#close());
    // `mousedown`, for the input loses the focus, and so the list, before a click is one.
    this.list.addEventListener("mousedown", (event) => this.#pick(event));
    this.input.form.addEventListener("submit", (event) => this.#submit(event));
    document.addEventListener("keydown", (event) => {
      const isTyping = event.target.closest("input, select, textarea");
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.input.focus();
      this.input.select();
    });
  }

  /** Show the text that is searched for. */
  show(text) {
    if (document.activeElement !== this.input) this.input.value = text;
  }

  #later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#look(), WAIT_MS);
  }

  async #look() {
    const q = this.input.value.trim();
    if (!q) return this.#close();
    try {
      const found = await ask("search", { q });
      if (this.input.value.trim() === q && document.activeElement === this.input) this.#open(found.nodes.slice(0, SHOWN));
    } catch {
      this.#close(); // the map's own questions say what is wrong
    }
  }

  #open(nodes) {
    this.nodes = nodes;
    this.at = -1;
    const items = nodes.map((node, at) =>
      html("li", { role: "option", id: `found-${at}`, "data-at": at, "aria-selected": "false" }, name(words(node)), html("small", {}, ` ${node.kind}`)),
    );
    this.list.replaceChildren(...(items.length ? items : [html("li", { class: "none" }, "nothing is called so")]));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.input.removeAttribute("aria-activedescendant");
  }

  #close() {
    clearTimeout(this.timer);
    this.nodes = [];
    this.at = -1;
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  #key(event) {
    if (event.key === "Escape") return this.#close();
    if (!["ArrowDown", "ArrowUp"].includes(event.key) || !this.nodes.length) return;
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    this.at = this.at < 0 && step < 0 ? this.nodes.length - 1 : (this.at + step + this.nodes.length) % this.nodes.length;
    for (const item of this.list.children) item.setAttribute("aria-selected", String(Number(item.dataset.at) === this.at));
    this.input.setAttribute("aria-activedescendant", `found-${this.at}`);
  }

  #pick(event) {
    const item = event.target.closest("[data-at]");
    if (item) this.#go(this.nodes[Number(item.dataset.at)]);
  }

  #submit(event) {
    event.preventDefault();
    const chosen = this.nodes[this.at];
    if (chosen) return this.#go(chosen);
    const text = this.input.value.trim();
    this.#close();
    this.onText(text);
  }

  #go(node) {
    this.#close();
    this.input.value = "";
    this.input.blur();
    this.onFound(node);
  }
}
