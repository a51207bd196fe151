/** Why there is nothing to be seen: what the doctor found, or that nothing is so. */

import { ask } from "./api.js";
import { button, html, visible } from "./element.js";

const FINE = ["ok", "note"];

/** Fill the element with the reason; `isPart` where not all was asked for. */
export async function explainEmpty(element, isPart, onClear) {
  element.hidden = false;
  if (isPart) {
    const all = button("Show everything", onClear);
    return element.replaceChildren(html("h2", {}, "Nothing in the map is so"), html("p", {}, "What is chosen above leaves nothing."), all);
  }
  const findings = await ask("doctor", {}).then((answer) => answer.findings, () => []);
  const bad = findings.filter((finding) => !FINE.includes(finding.level));
  element.replaceChildren(
    html("h2", {}, "Nothing was seen yet"),
    html("p", {}, bad.length ? "The doctor says why that may be:" : "The doctor finds nothing wrong: the first look-ups come within a minute."),
    html("ul", {}, ...bad.map(item)),
  );
}

function item({ check, level, found, means, remedy }) {
  return html(
    "li",
    {},
    html("strong", {}, `${check} (${level}): `),
    visible([found, means].filter(Boolean).join(". ")),
    remedy ? html("p", {}, html("code", {}, visible(remedy))) : "",
  );
}
