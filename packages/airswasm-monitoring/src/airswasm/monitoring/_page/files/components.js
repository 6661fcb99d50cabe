// All components: what each does now, sorted by any figure.

import { h, say } from "./dom.js";
import { sparkline } from "./drawing.js";
import { count, percent, rate, seconds, size } from "./format.js";
import { List } from "./list.js";
import { badge, componentLink, filterBox, heading, isComponent } from "./parts.js";

/** @typedef {import("./state.js").Component} Component */

/** @type {import("./list.js").Column[]} */
const COLUMNS = [
  { key: "name", title: "component", kind: "name", cell: (row) => h("span", { class: "name" }, row.name), order: (row) => row.name },
  { key: "state", title: "state", cell: (row) => badge(row.state), order: (row) => `${row.state === "running" ? 1 : 0}${row.state}` },
  { key: "spark", title: "", wide: true, cell: (row) => (row.points.length ? sparkline(row.points) : "") },
  { key: "messages", title: "msg/s", kind: "number", hint: "messages handled in a second", cell: (row) => rate(row.rates.messages), order: (row) => -row.rates.messages },
  { key: "unhandled", title: "fail/s", kind: "number", wide: true, hint: "messages with another outcome than handled or replied", cell: (row) => rate(row.rates.unhandled), order: (row) => -row.rates.unhandled },
  { key: "p50", title: "p50", kind: "number", wide: true, hint: "half of the latest messages were handled within this time", cell: (row) => seconds(row.p50), order: (row) => -row.p50 },
  { key: "p99", title: "p99", kind: "number", hint: "99 % of the latest messages were handled within this time", cell: (row) => seconds(row.p99), order: (row) => -row.p99 },
  { key: "cpu", title: "cpu", kind: "number", wide: true, hint: "share of one core", cell: (row) => percent(row.rates.cpu), order: (row) => -row.rates.cpu },
  { key: "waiting", title: "waiting", kind: "number", wide: true, hint: "messages in the mailbox", cell: (row) => count(row.waiting), order: (row) => -row.waiting },
  { key: "memory", title: "memory", kind: "number", wide: true, cell: (row) => size(row.memory_bytes + row.host_memory_bytes), order: (row) => -(row.memory_bytes + row.host_memory_bytes) },
  { key: "restarts", title: "restarts", kind: "number", wide: true, cell: (row) => count(row.restarts), order: (row) => -row.restarts },
];

/** @param {{state: import("./state.js").State, go: (to: string) => void}} page */
export function components({ state, go }) {
  const list = new List({
    label: "Components",
    columns: COLUMNS,
    sort: "messages",
    keyOf: (row) => row.name,
    textOf: (row) => `${row.name} ${row.state} ${row.last_error}`,
    open: (row) => isComponent(row.name) && go(componentLink(row.name)),
    empty: "No component is installed. In a terminal: airswasm install FOLDER",
  });
  const total = h("span", { class: "hint" });
  const draw = () => {
    list.show(state.components());
    say(total, `${list.shown.length} of ${list.rows.length}`);
  };
  const filter = filterBox("filter by name or state", (words) => {
    list.filter(words);
    say(total, `${list.shown.length} of ${list.rows.length}`);
  });
  return { element: h("div", { class: "view fill" }, heading("Components", filter, total), list.element), draw, list };
}
