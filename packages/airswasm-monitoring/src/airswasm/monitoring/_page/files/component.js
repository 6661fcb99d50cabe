// One component: its figures, its receipts, its log, and what it may do.

import { h, put, say } from "./dom.js";
import { sparkline } from "./drawing.js";
import { clock, count, lasted, percent, rate, seconds, size } from "./format.js";
import { Stream, ask, session } from "./host.js";
import { List } from "./list.js";
import { askFirst, badge, componentPath, facts, failure, heading, nameOf } from "./parts.js";
import { logLines } from "./logs.js";
import { asRow } from "./state.js";

/** @typedef {import("./state.js").State} State */

const KEPT = 500;
const ACTS = /** @type {[string, string, string][]} */ ([
  ["start", "Start", "is started"],
  ["restart", "Restart", "is restarted"],
  ["stop", "Stop", "is stopped"],
]);

/**
 * @param {{state: State, refresh: () => void}} page
 * @param {string} name
 */
export function component({ state, refresh }, name) {
  const status = h("div", { class: "status" });
  const figures = h("section", { class: "tiles small", "aria-label": "Figures" });
  const panel = h("div", { class: "tabpanel", role: "tabpanel" });
  /** @type {{close: () => void} | null} */
  let open = null;
  const tabs = h("div", { class: "tabs", role: "tablist" });
  const kinds = /** @type {[string, string, () => {element: Node, close: () => void}][]} */ ([
    ["receipts", "watch", () => receipts(name)],
    ["log", "logs", () => log(name)],
    ["details", "info", () => details(name)],
  ]);
  const choose = (/** @type {string} */ key) => {
    open?.close();
    const [, , make] = kinds.find((each) => each[0] === key) ?? kinds[0] ?? [];
    const made = make?.();
    open = made ?? null;
    if (made) put(panel, made.element);
    for (const tab of tabs.children) tab.setAttribute("aria-selected", String(tab.getAttribute("data-key") === key));
  };
  const allowed = kinds.filter(([, operation]) => session.may(operation));
  put(tabs, allowed.map(([key]) => h("button", { role: "tab", "data-key": key, click: () => choose(key) }, key)));
  const buttons = ACTS.filter(([verb]) => session.may(verb)).map(([verb, word, done]) =>
    h("button", {
      "data-act": verb,
      click: () =>
        void askFirst(`${word} ${name}?`, word, async () => {
          await ask("POST", `${componentPath(name)}/${verb}`);
          refresh();
          return `${name} ${done}`;
        }),
    }, word),
  );
  const draw = () => {
    const found = state.component(name);
    if (!found) {
      put(status, h("p", { class: "empty" }, "There is no component of this name here."));
      put(figures);
      return;
    }
    for (const button of buttons) {
      const isStart = button.getAttribute("data-act") === "start";
      button.hidden = isStart === (found.state === "running");
    }
    put(
      status,
      badge(found.state),
      found.since && found.state === "running" ? h("span", { class: "hint" }, `for ${lasted(Date.now() / 1000 - found.since)}, incarnation ${found.incarnation}`) : null,
      found.version ? h("span", { class: "hint" }, `version ${found.version}`) : null,
      found.last_error ? h("p", { class: "cause" }, `last failure: ${found.last_error}`) : null,
    );
    put(
      figures,
      figure("messages / s", rate(found.rates.messages), sparkline(found.points, { width: 110, height: 24 })),
      figure("handling p50, p99", `${seconds(found.p50)}, ${seconds(found.p99)}`, `waiting p99 ${seconds(found.queue99)}`),
      figure("unhandled", count(found.unhandled), found.handled ? `of ${count(found.handled)} messages` : "no message yet"),
      figure("processor", percent(found.rates.cpu), `${seconds(found.cpu)} in all`),
      figure("memory", size(found.memory_bytes + found.host_memory_bytes), found.host_memory_bytes ? `${size(found.host_memory_bytes)} kept by the host` : ""),
      figure("mailbox", `${found.waiting} / ${found.capacity}`, found.waiting ? `oldest ${seconds(found.oldest)}` : "nothing waits"),
      figure("restarts", count(found.restarts), `${found.failures} failures, ${found.updates} updates`),
    );
  };
  if (allowed[0]) choose(allowed[0][0]);
  return {
    element: h("div", { class: "view fill" }, heading(name, buttons), status, figures, tabs, panel),
    draw,
    close: () => open?.close(),
    tabs: allowed.map(([key]) => key),
    choose,
  };
}

/**
 * @param {string} label
 * @param {string} value
 * @param {import("./dom.js").Child} below
 */
function figure(label, value, below) {
  return h("div", { class: "tile small" }, h("span", { class: "label" }, label), h("span", { class: "value" }, value), h("span", { class: "below" }, below));
}

/** @param {string} name */
function log(name) {
  const made = logLines(`${componentPath(name)}/logs`, name);
  return { element: h("div", { class: "fill" }, h("div", { class: "bar" }, made.tools), made.lines), close: made.close };
}

/** @param {string} name */
function receipts(name) {
  /** @type {any[]} */
  let kept = [];
  /** @type {string[]} */
  let columns = [];
  let serial = 0;
  const more = h("div", { class: "detail", hidden: true });
  const list = new List({
    label: "Receipts, the newest first",
    isFlat: true,
    columns: [
      { key: "time", title: "time", kind: "time", cell: (row) => clock(row.time) },
      { key: "outcome", title: "outcome", cell: (row) => badge(row.outcome) },
      { key: "sender", title: "sender", cell: (row) => row.sender },
      { key: "topic", title: "topic", wide: true, cell: (row) => row.topic ?? "" },
      { key: "waited", title: "waited", kind: "number", wide: true, cell: (row) => seconds(row.queue_seconds) },
      { key: "ran", title: "ran", kind: "number", cell: (row) => seconds(row.run_seconds) },
      { key: "fuel", title: "fuel", kind: "number", wide: true, cell: (row) => count(row.fuel) },
      { key: "bytes", title: "bytes", kind: "number", wide: true, cell: (row) => `${row.bytes_in} → ${row.bytes_out}` },
      { key: "error", title: "error", wide: true, cell: (row) => row.error },
    ],
    keyOf: (row) => String(row.serial),
    empty: "No message has come since you opened this page.",
    open: (row) => {
      more.hidden = false;
      put(more, facts([
        ["from", nameOf(row.sender)],
        ["outcome", h("span", {}, badge(row.outcome), row.error ? ` ${row.error}` : "")],
        ["version, incarnation", `${row.version || "–"}, ${row.incarnation}`],
        ["waited, ran, at work", `${seconds(row.queue_seconds)}, ${seconds(row.run_seconds)}, ${seconds(row.busy_seconds)}`],
        ["fuel", count(row.fuel)],
        ["memory", size(row.memory_bytes)],
        ["host calls", row.host_calls.length ? h("ul", { class: "plain" }, row.host_calls.map((/** @type {any[]} */ call) => h("li", {}, `${call[0]} × ${call[1]}, ${seconds(call[2])}`))) : "none"],
      ]));
    },
  });
  const lost = h("p", { class: "hint" });
  const stream = new Stream(`/v1/watch?parts=receipts&interval=1&name=${encodeURIComponent(name)}`, (frame) => {
    if (frame.part !== "receipts") return;
    if (frame.columns.length) columns = frame.columns;
    const found = frame.lines.map((/** @type {unknown[]} */ line) => ({ ...asRow(columns, line), serial: (serial += 1) }));
    kept = [...found.reverse(), ...kept].slice(0, KEPT);
    if (frame.lost) say(lost, `${frame.lost} more in this second are not shown`);
    else say(lost, "");
    list.show(kept);
  });
  return { element: h("div", { class: "fill" }, lost, list.element, more), close: () => stream.close() };
}

/** @param {string} name */
function details(name) {
  const panel = h("div", { class: "panel" }, h("p", { class: "empty" }, "…"));
  ask("GET", componentPath(name)).then((info) => put(panel, tree(info)), (error) => put(panel, failure(error)));
  return { element: panel, close: () => {} };
}

/**
 * A document as it is: names with values, and what is inside of them.
 * @param {any} value
 * @returns {import("./dom.js").Child}
 */
function tree(value) {
  if (value === null || value === "") return "–";
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) {
    if (!value.length) return "–";
    if (value.every((each) => typeof each !== "object")) return value.join(", ");
    return h("ul", { class: "plain" }, value.map((each) => h("li", {}, tree(each))));
  }
  return facts(Object.entries(value).filter(([key]) => key !== "schema").map(([key, each]) => [key.replaceAll("_", " "), tree(each)]));
}
