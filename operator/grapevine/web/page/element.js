/** Elements from names and text. The one place that makes any: text is set as text, so no name is ever markup. */

const SVG = "http://www.w3.org/2000/svg";

/** Return an HTML element; `on…` properties are listeners, other ones attributes, left out where null or false. */
export function html(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Return an SVG element, likewise. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Return a name from outside as an element that does not turn the text around it. */
export function name(text) {
  return html("bdi", {}, visible(text));
}

const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Return text in which everything can be seen: controls, and what turns letters, are `\u202e`. */
export function visible(text) {
  return text.replace(UNSEEN, (found) => {
    const units = Array.from({ length: found.length }, (_, at) => found.charCodeAt(at));
    return units.map((unit) => "\\u" + unit.toString(16).padStart(4, "0")).join("");
  });
}

/** Return a button with a listener. */
export function button(text, onclick, attributes = {}) {
  return html("button", { type: "button", onclick, ...attributes }, text);
}

/** A map has thousands of elements: nothing is made here that is not kept. */
function filled(made, attributes, children) {
  for (const key in attributes) {
    const value = attributes[key];
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children) if (child !== null) made.append(child);
  return made;
}
