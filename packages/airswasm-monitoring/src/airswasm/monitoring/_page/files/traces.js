// The traces that the host keeps, each with its spans in time.

import { h, put } from "./dom.js";
import { clock, count, seconds } from "./format.js";
import { ask, session } from "./host.js";
import { List } from "./list.js";
import { badge, facts, failure, filterBox, heading, nameOf } from "./parts.js";

const EVERY_MS = 5000;

export function traces() {
  const problem = h("div");
  const detail = h("div", { class: "detail", hidden: true });
  const list = new List({
    label: "Traces",
    sort: "time",
    columns: [
      { key: "time", title: "began", kind: "time", cell: (row) => clock(row.began_at), order: (row) => -row.began_at },
      { key: "what", title: "first span", kind: "name", cell: (row) => row.name, order: (row) => row.name },
      { key: "seconds", title: "took", kind: "number", cell: (row) => seconds(row.seconds), order: (row) => -row.seconds },
      { key: "spans", title: "spans", kind: "number", wide: true, cell: (row) => count(row.spans), order: (row) => -row.spans },
      { key: "errors", title: "errors", kind: "number", cell: (row) => count(row.errors), order: (row) => -row.errors },
      { key: "components", title: "components", wide: true, cell: (row) => row.components.join(", ") },
    ],
    keyOf: (row) => row.id,
    textOf: (row) => `${row.id} ${row.name} ${row.components.join(" ")}${row.errors ? " error" : ""}`,
    empty: "No trace is kept. [tracing] in config.toml says which messages are traced.",
    open: (row) => void show(row.id),
  });
  const load = async () => {
    try {
      list.show((await ask("GET", "/v1/traces?recent=500")).traces);
      put(problem);
    } catch (error) {
      put(problem, failure(error));
    }
  };
  const show = async (/** @type {string} */ id) => {
    if (!session.may("trace")) return;
    detail.hidden = false;
    try {
      put(detail, ...spans(await ask("GET", `/v1/traces/${encodeURIComponent(id)}`)));
    } catch (error) {
      put(detail, failure(error));
    }
  };
  const timer = setInterval(() => document.hidden || void load(), EVERY_MS);
  void load();
  return {
    element: h("div", { class: "view fill" }, heading("Traces", filterBox("filter", (words) => list.filter(words))), problem, list.element, detail),
    draw: () => {},
    close: () => clearInterval(timer),
    list,
  };
}

/** @param {any} trace */
function spans(trace) {
  const depths = new Map();
  const about = h("div");
  const whole = Math.max(trace.seconds, 1e-9);
  return [
    h("h2", {}, `Trace ${trace.id}`),
    h("p", { class: "hint" }, `${clock(trace.began_at)}, ${seconds(trace.seconds)}${trace.left_out ? `; ${trace.left_out} spans were not kept` : ""}`),
    h("ul", { class: "plain spans" }, trace.spans.map((/** @type {any} */ each) => {
      const depth = (depths.get(each.parent) ?? -1) + 1;
      depths.set(each.id, depth);
      const bar = h("i", { class: each.error ? "bad" : "" });
      bar.style.marginLeft = `${Math.min(99, ((each.began_at - trace.began_at) / whole) * 100)}%`;
      bar.style.width = `${Math.max(0.5, Math.min(100, (each.seconds / whole) * 100))}%`;
      const name = h("button", { class: "more span", click: () => put(about, span(each)) }, each.name);
      name.style.paddingLeft = `${Math.min(depth, 10) * 14}px`;
      return h("li", {}, name, h("span", { class: "grow timeline" }, bar), h("span", { class: "figure" }, seconds(each.seconds)));
    })),
    about,
  ];
}

/** @param {any} each */
function span(each) {
  return facts([
    ["component", nameOf(each.component)],
    ["kind", each.kind],
    ["error", each.error ? h("span", {}, badge("failed"), ` ${each.error}`) : "–"],
    ...Object.entries(each.attributes).map(([key, value]) => /** @type {[string, string]} */ ([key, String(value)])),
    ...each.events.map((/** @type {any} */ event) => [`${clock(event.time)} ${event.name}`, JSON.stringify(event.attributes)]),
  ]);
}
