// Pieces that several views have: states, questions, messages, and lines that go on.

import { h, plain, put, svg } from "./dom.js";
import { Refusal } from "./host.js";

const KINDS = /** @type {Record<string, string>} */ ({
  running: "good", healthy: "good", handled: "good", replied: "good", allow: "good", done: "good", ready: "good",
  starting: "busy", restarting: "warn", updating: "busy", stopping: "warn", degraded: "warn", waiting: "warn",
  unknown: "warn", late: "warn", refused: "warn", warn: "warn", pending: "warn", restarted: "warn",
  failed: "bad", given_up: "bad", "given up": "bad", quarantined: "bad", unhealthy: "bad", trapped: "bad", limited: "bad",
  timeout: "bad", killed: "bad", error: "bad", deny: "bad", crashed: "bad", firing: "bad", critical: "bad",
});

/** @param {unknown} state */
export function kindOf(state) {
  return KINDS[String(state)] ?? "plain";
}

/**
 * A state as a word with a dot: the colour says nothing that the word does not.
 * @param {unknown} state
 */
export function badge(state) {
  return h("span", { class: `badge ${kindOf(state)}` }, String(state).replaceAll("_", " "));
}

const ICONS = {
  pause: ["M8 5v14", "M16 5v14"],
  theme: ["M12 4a8 8 0 1 0 0 16z", "M12 4a8 8 0 0 1 0 16"],
  help: ["M9 9a3 3 0 1 1 4.2 2.8c-.9.4-1.2 1-1.2 2.2", "M12 17.5v.1"],
  leave: ["M14 5H6v14h8", "M11 12h9", "M17 8.500l3.500 3.500-3.500 3.500"],
};

/** @param {keyof typeof ICONS} name */
export function icon(name) {
  return svg("svg", { class: `icon-${name}`, width: 18, height: 18, viewBox: "0 0 24 24", "aria-hidden": "true" }, ICONS[name].map((d) => svg("path", { d })));
}

/** @param {string} name */
export function componentLink(name) {
  return `#/components/${name.split("/").map(encodeURIComponent).join("/")}`;
}

/** @param {string} name */
export function componentPath(name) {
  return `/v1/components/${name.split("/").map(encodeURIComponent).join("/")}`;
}

/** @param {string} name */
export function isComponent(name) {
  return /^[a-z][a-z0-9-]*\/[a-z][a-z0-9-]*$/.test(name);
}

/**
 * @param {string} name
 */
export function nameOf(name) {
  return isComponent(name) ? h("a", { href: componentLink(name) }, name) : h("span", {}, name);
}

/** @param {string} text */
export function tell(text, kind = "plain") {
  const line = h("div", { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "status" }, text);
  document.querySelector("#toasts")?.append(line);
  setTimeout(() => line.remove(), kind === "bad" ? 12_000 : 5_000);
}

/** @param {unknown} error */
export function textOf(error) {
  if (!(error instanceof Error)) return String(error);
  const code = error instanceof Refusal && error.code ? ` (${error.code})` : "";
  const hint = error instanceof Refusal && error.hint ? ` — ${error.hint}` : "";
  return `${error.message}${code}${hint}`;
}

/**
 * Ask before an act, carry it out, and say how it ended.
 * @param {string} question
 * @param {string} verb the word of the button
 * @param {() => Promise<string>} act returns what to say
 */
export async function askFirst(question, verb, act) {
  const dialog = /** @type {HTMLDialogElement} */ (
    h(
      "dialog",
      { class: "question", "aria-label": "Question" },
      h("p", {}, question),
      h(
        "form",
        { method: "dialog", class: "buttons" },
        h("button", { value: "no", class: "quiet" }, "Cancel"),
        h("button", { value: "yes", class: "main" }, verb),
      ),
    )
  );
  document.body.append(dialog);
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  dialog.remove();
  if (dialog.returnValue !== "yes") return false;
  try {
    tell(await act(), "good");
    return true;
  } catch (error) {
    tell(textOf(error), "bad");
    return false;
  }
}

/**
 * An input that narrows what is shown; `/` leads to it.
 * @param {string} label
 * @param {(words: string) => void} change
 */
export function filterBox(label, change) {
  return h("input", {
    type: "search", class: "filter", placeholder: label, "aria-label": label, spellcheck: "false", autocomplete: "off",
    input: (/** @type {Event} */ event) => change(/** @type {HTMLInputElement} */ (event.target).value),
  });
}

/**
 * A heading with what belongs beside it.
 * @param {string} title
 * @param {...(import("./dom.js").Child | import("./dom.js").Child[])} beside
 */
export function heading(title, ...beside) {
  return h("div", { class: "title" }, h("h1", { tabindex: "-1" }, title), h("div", { class: "beside" }, ...beside));
}

/**
 * Terms with what they are.
 * @param {[string, import("./dom.js").Child][]} pairs
 */
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
}

/** @param {unknown} error */
export function failure(error) {
  return h("p", { class: "failure", role: "alert" }, textOf(error));
}

const LINES = 2000;

/** Lines that go on: the newest below, kept in sight unless the reader has scrolled up. */
export class Lines {
  /**
   * @param {string} label
   * @param {string} empty
   * @param {(line: any) => {text: string, element: () => HTMLElement}} draw
   */
  constructor(label, empty, draw) {
    this.draw = draw;
    /** @type {{text: string, element: () => HTMLElement}[]} */
    this.lines = [];
    this.words = "";
    this.level = (/** @type {any} */ _line) => true;
    /** @type {any[]} */
    this.given = [];
    this.isPlanned = false;
    this.note = h("p", { class: "empty" }, empty);
    this.body = h("div", { class: "lines", role: "log", "aria-label": label, "aria-live": "off", tabindex: "0" });
    this.element = h("div", { class: "log" }, this.note, this.body);
  }

  /** @param {any} line */
  add(line) {
    this.given.push(line);
    if (this.given.length > LINES) this.given.splice(0, this.given.length - LINES);
    this.plan();
  }

  clear() {
    this.given = [];
    this.plan();
  }

  plan() {
    if (this.isPlanned) return;
    this.isPlanned = true;
    setTimeout(() => this.render(), 100); // many lines, one layout
  }

  render() {
    this.isPlanned = false;
    const isBelow = this.body.scrollHeight - this.body.scrollTop - this.body.clientHeight < 40;
    const words = this.words.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = [];
    for (const line of this.given) {
      if (!this.level(line)) continue;
      const drawn = this.draw(line);
      const text = drawn.text.toLowerCase();
      if (words.every((word) => text.includes(word))) shown.push(drawn);
    }
    const last = shown.slice(-500);
    put(this.body, last.map((each) => each.element()));
    this.note.hidden = last.length > 0;
    if (isBelow) this.body.scrollTop = this.body.scrollHeight;
  }
}

/**
 * A text that is long, behind a button.
 * @param {string} text
 * @param {number} [most]
 */
export function folded(text, most = 400) {
  if (text.length <= most) return h("span", { class: "text" }, text);
  const span = h("span", { class: "text" }, plain(text, most));
  const button = h("button", { class: "more" }, `all ${text.length} characters`);
  button.addEventListener("click", () => {
    span.textContent = plain(text, 50_000);
    button.remove();
  });
  return h("span", {}, span, " ", button);
}
