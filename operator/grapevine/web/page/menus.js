/** What can be chosen above the map. Each choice is in the state, and so in the address. */

import { html, name } from "./element.js";
import { partQuery } from "./state.js";
import { KINDS, LINES, STATES } from "./words.js";

const TEXTS = ["since", "new", "compare"];
const byId = (id) => document.getElementById(id);

export class Menus {
  /** `onChoice` is called with what is another in the state. */
  constructor(onChoice) {
    this.onChoice = onChoice;
    this.namespaces = [];
    for (const key of ["confidence", ...TEXTS, "depth"]) {
      byId(key).addEventListener("change", (event) => onChoice({ [key]: TEXTS.includes(key) ? event.target.value : Number(event.target.value) || 1 }));
    }
    byId("outside").addEventListener("change", (event) => onChoice({ outside: event.target.checked }));
    document.addEventListener("click", (event) => close(event.target));
    document.addEventListener("keydown", (event) => event.key === "Escape" && close(document.body));
  }

  /** Show what is chosen, of these namespaces and kinds. */
  show(state, { namespaces, kinds }, focused) {
    for (const [id, key, all] of [["namespaces", "namespace", namespaces], ["kinds", "kind", kinds]]) {
      const each = [...new Set([...all, ...state[key]])].sort();
      this.#choices(id, key, state[key], each.map((value) => [value, KINDS[value] ?? value]));
    }
    this.#choices("lines", "line", state.line, Object.entries(LINES));
    this.#choices("states", "state", state.state, Object.entries(STATES));
    choose(byId("confidence"), String(state.confidence));
    for (const key of TEXTS) byId(key).value = state[key];
    byId("outside").checked = state.outside;
    byId("focus").hidden = !state.focus;
    byId("focus-name").replaceChildren("around ", name(focused));
    byId("depth").value = state.depth;
    byId("clear").hidden = !String(partQuery(state, 0));
  }

  #choices(id, key, chosen, all) {
    const menu = byId(id);
    const title = menu.querySelector("summary");
    title.dataset.title ??= title.textContent;
    const said = chosen.length === 1 ? (all.find(([value]) => value === chosen[0])?.[1] ?? chosen[0]) : chosen.length;
    title.replaceChildren(chosen.length ? `${title.dataset.title}: ` : title.dataset.title, chosen.length ? name(String(said)) : "");
    menu.classList.toggle("active", chosen.length > 0);
    const choices = menu.querySelector(".choices");
    const had = choices.contains(document.activeElement) ? document.activeElement.value : null;
    const boxes = all.map(([value, text]) => {
      const box = html("input", { type: "checkbox", value });
      box.checked = chosen.includes(value);
      box.addEventListener("change", () => {
        const others = chosen.filter((each) => each !== value);
        this.onChoice({ [key]: box.checked ? [...others, value] : others });
      });
      return [box, html("label", {}, box, " ", name(text))];
    });
    choices.replaceChildren(...boxes.map(([, label]) => label));
    boxes.find(([box]) => box.value === had)?.[0].focus();
  }
}

/** Choose a value, which is added where it is not among the options: an address may say any number. */
function choose(select, value) {
  if (![...select.options].some((option) => option.value === value)) select.append(html("option", { value }, `≥ ${value} %`));
  select.value = value;
}

function close(target) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
}
