// The logs, of all components or of one, as they are written.

import { h } from "./dom.js";
import { clock } from "./format.js";
import { Stream } from "./host.js";
import { Lines, badge, filterBox, folded, heading, nameOf, tell, textOf } from "./parts.js";

const LEVELS = ["debug", "info", "warn", "error"];
const SEARCH_MS = 400;

/**
 * @param {string} path
 * @param {string} [only] the component whose log it is
 */
export function logLines(path, only = "") {
  const lines = new Lines("Log", "No line yet.", (line) => ({
    text: `${line.component} ${line.level} ${line.source} ${line.message}`,
    element: () =>
      h(
        "div",
        { class: `line ${line.level}` },
        h("time", {}, clock(line.time)),
        h("span", { class: `level ${line.level}` }, line.level),
        only ? null : h("span", { class: "who" }, nameOf(line.component)),
        folded(line.message),
      ),
  }));
  /** @type {Stream | null} */
  let stream = null;
  const asked = { grep: "", level: "" };
  const follow = () => {
    stream?.close();
    const given = Object.entries(asked).filter(([, value]) => value).map(([key, value]) => `&${key}=${encodeURIComponent(value)}`);
    stream = new Stream(`${path}?follow=1&recent=500${given.join("")}`, (line) => lines.add(line), (state, error) => {
      if (state === "live") lines.clear(); // it begins anew with what was said last
      if (state === "refused" && error) tell(textOf(error), "bad");
    });
  };
  const level = h("select", {
    "aria-label": "least level",
    change: (/** @type {Event} */ event) => {
      asked.level = /** @type {HTMLSelectElement} */ (event.target).value;
      follow();
    },
  }, ["", ...LEVELS].map((each) => h("option", { value: each }, each ? `${each} and above` : "all levels")));
  let typed = 0;
  const search = filterBox("search the log", (words) => {
    clearTimeout(typed);
    asked.grep = words;
    typed = setTimeout(follow, SEARCH_MS); // the host searches its files
  });
  follow();
  return { tools: [search, level], lines: lines.element, close: () => stream?.close() };
}

export function logs() {
  const made = logLines("/v1/logs");
  return { element: h("div", { class: "view fill" }, heading("Logs", ...made.tools), made.lines), draw: () => {}, close: made.close };
}

export function audit() {
  const lines = new Lines("Audit log", "No line yet.", (line) => ({
    text: [line.kind, line.component, line.outcome, line.capability, line.resource, line.reason].join(" "),
    element: () =>
      h(
        "div",
        { class: "line" },
        h("time", {}, clock(line.time)),
        badge(line.outcome || line.kind),
        h("span", { class: "who" }, line.component ? nameOf(line.component) : line.kind),
        folded([line.component ? line.kind : "", line.capability, line.resource, line.reason].filter(Boolean).join("  ·  ")),
        h("span", { class: "number" }, `#${line.n}`),
      ),
  }));
  const outcome = h("select", {
    "aria-label": "outcome",
    change: (/** @type {Event} */ event) => {
      const wanted = /** @type {HTMLSelectElement} */ (event.target).value;
      lines.level = (line) => !wanted || line.outcome === wanted;
      lines.plan();
    },
  }, ["", "allow", "deny", "done", "failed"].map((each) => h("option", { value: each }, each || "all outcomes")));
  const search = filterBox("search these lines", (words) => {
    lines.words = words;
    lines.plan();
  });
  const stream = new Stream("/v1/audit/lines?follow=1&recent=500", (line) => lines.add(line), (state) => {
    if (state === "live") lines.clear();
  });
  return {
    element: h("div", { class: "view fill" }, heading("Audit log", search, outcome), lines.element),
    draw: () => {},
    close: () => stream.close(),
  };
}
