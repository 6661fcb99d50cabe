// Supervisors with their children, as deep as they go.

import { h } from "./dom.js";
import { count } from "./format.js";
import { Stream } from "./host.js";
import { List } from "./list.js";
import { badge, componentLink, filterBox, heading, isComponent } from "./parts.js";
import { Table } from "./state.js";

/** @param {{state: import("./state.js").State, go: (to: string) => void}} page */
export function tree({ go }) {
  const table = new Table();
  const list = new List({
    label: "Supervision tree",
    isFlat: true,
    columns: [
      { key: "name", title: "supervisor or component", kind: "name", cell: (row) => branch(row) },
      { key: "state", title: "state", cell: (row) => badge(row.state) },
      { key: "rule", title: "rule", wide: true, cell: (row) => row.strategy ? `${row.strategy.replaceAll("_", " ")}, ${row.intensity} in ${row.period} s` : row.restart },
      { key: "incarnation", title: "incarnation", kind: "number", wide: true, cell: (row) => count(row.incarnation) },
      { key: "failures", title: "failures in a row", kind: "number", wide: true, cell: (row) => count(row.failures) },
      { key: "restarts", title: "restarts", kind: "number", cell: (row) => count(row.restarts) },
    ],
    keyOf: (row) => row.key,
    textOf: (row) => `${row.name} ${row.state} ${row.strategy} ${row.restart}`,
    open: (row) => isComponent(row.name) && go(componentLink(row.name)),
    empty: "Nothing is supervised: no component runs.",
  });
  const stream = new Stream("/v1/watch?parts=supervisors", (frame) => {
    if (frame.part !== "supervisors") return;
    table.take(frame);
    list.show(inOrder(table.rows));
  });
  return {
    element: h("div", { class: "view fill" }, heading("Supervision", filterBox("filter by name or state", (words) => list.filter(words))), list.element),
    draw: () => {},
    close: () => stream.close(),
    list,
  };
}

/** @param {any} row */
function branch(row) {
  const mark = row.kind === "supervisor" ? "▾" : "•";
  const line = h("span", { class: "name branch" }, h("span", { class: "mark", "aria-hidden": "true" }, mark), row.name);
  line.style.paddingLeft = `${Math.min(row.depth, 12) * 18}px`;
  return line;
}

/**
 * Parents before their children. A supervisor of one component that has its name is one line with it.
 * @param {Map<string, any>} rows
 */
export function inOrder(rows) {
  /** @type {Map<string, [string, any][]>} */
  const below = new Map();
  for (const [key, row] of rows) {
    const known = below.get(row.parent);
    if (known) known.push([key, row]);
    else below.set(row.parent, [[key, row]]);
  }
  /** @type {any[]} */
  const found = [];
  const visit = (/** @type {string} */ parent, /** @type {number} */ depth) => {
    const children = below.get(parent) ?? [];
    if (!parent) children.sort((a, b) => (a[1].name < b[1].name ? -1 : 1));
    for (const [key, row] of children) {
      const own = below.get(key) ?? [];
      const only = own.length === 1 ? own[0]?.[1] : null;
      if (only && only.kind === "worker" && only.name === row.name) {
        found.push({ ...only, strategy: row.strategy, intensity: row.intensity, period: row.period, restarts: row.restarts, key, depth });
        continue;
      }
      found.push({ ...row, key, depth });
      visit(key, depth + 1);
    }
  };
  visit("", 0);
  return found;
}
