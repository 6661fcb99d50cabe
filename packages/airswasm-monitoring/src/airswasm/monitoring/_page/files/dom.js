// Build elements. A text becomes a text node and nothing else, so no text can become HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Controls, marks of direction, and characters without a shape: a text that has them could look
 * like another one, or turn what stands beside it.
 */
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|[\ud800-\udfff]/gu;
const MOST = 2000;

/**
 * Return a text with its unseen characters as escapes, and cut.
 * @param {unknown} value
 * @param {number} [most]
 * @returns {string}
 */
export function plain(value, most = MOST) {
  const given = value === null || value === undefined ? "" : String(value);
  const cut = given.length > most ? `${given.slice(0, most)}… [${given.length - most} more]` : given;
  return cut.replace(UNSEEN, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`);
}

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, unknown>} Attributes
 */

/**
 * @param {Element} element
 * @param {Attributes} attributes
 * @param {(Child | Child[])[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") {
      element.addEventListener(name, /** @type {EventListener} */ (value));
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : plain(child));
  }
}

/**
 * Make an HTML element. A function among the attributes listens to the event of that name.
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  fill(element, attributes, children);
  return element;
}

/**
 * Make an SVG element.
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  fill(element, attributes, children);
  return element;
}

/**
 * Set an element's text, if it differs: the browser then has nothing to lay out.
 * @param {Element} element
 * @param {unknown} value
 */
export function say(element, value) {
  const text = plain(value);
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Put an element's children in the place of those it has.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function put(element, ...children) {
  element.replaceChildren();
  fill(element, {}, children);
}
