// Who talks to whom: a drawing of the busiest pairs, and a table of all.

import { h, put, say } from "./dom.js";
import { graph } from "./drawing.js";
import { count, rate, seconds, size } from "./format.js";
import { Stream } from "./host.js";
import { List } from "./list.js";
import { componentLink, filterBox, heading, isComponent } from "./parts.js";
import { Table } from "./state.js";

const DRAWN = 40;

export function topology() {
  const table = new Table();
  const picture = h("div", { class: "picture" });
  const note = h("p", { class: "hint" });
  let names = "";
  const list = new List({
    label: "Pairs of senders and receivers",
    sort: "messages",
    columns: [
      { key: "sender", title: "sender", kind: "name", cell: (row) => row.sender, order: (row) => row.sender },
      { key: "receiver", title: "receiver", kind: "name", cell: (row) => row.receiver, order: (row) => row.receiver },
      { key: "messages", title: "msg/s", kind: "number", cell: (row) => rate(row.rate), order: (row) => -row.rate },
      { key: "unhandled", title: "fail/s", kind: "number", cell: (row) => rate(row.failing), order: (row) => -row.failing },
      { key: "mean", title: "mean", kind: "number", wide: true, hint: "mean time of handling", cell: (row) => seconds(row.mean), order: (row) => -row.mean },
      { key: "bytes", title: "bytes/s", kind: "number", wide: true, cell: (row) => size(row.flow), order: (row) => -row.flow },
      { key: "total", title: "messages", kind: "number", wide: true, hint: "since this view was opened", cell: (row) => count(row.messages), order: (row) => -row.messages },
    ],
    keyOf: (row) => `${row.sender}\n${row.receiver}`,
    textOf: (row) => `${row.sender} ${row.receiver}`,
    empty: "No message was handled since you opened this view.",
  });
  const stream = new Stream("/v1/watch?parts=traffic", (frame) => {
    if (frame.part === "host") {
      for (const row of table.rows.values()) {
        if (!row.fresh) row.rate = row.failing = row.flow = 0;
        row.fresh = false;
      }
      return;
    }
    if (frame.part !== "traffic") return;
    table.take(frame, (row, before, passed) => {
      const grown = (/** @type {string} */ key) => (before && passed > 0 ? Math.max(0, row[key] - before[key]) / passed : 0);
      Object.assign(row, { rate: grown("messages"), failing: grown("unhandled"), flow: grown("bytes"), mean: row.seconds / Math.max(1, row.messages), fresh: true });
    });
    draw();
  });
  const draw = () => {
    const rows = [...table.rows.values()];
    list.show(rows);
    const drawn = [...rows].sort((a, b) => b.messages - a.messages).slice(0, DRAWN);
    const seen = drawn.map((each) => `${each.sender}\n${each.receiver}`).sort().join("\n\n");
    const place = picture.querySelector(".graph");
    const [left, top] = [place?.scrollLeft ?? 0, place?.scrollTop ?? 0];
    const isFocused = place !== null && place === document.activeElement;
    const made = drawn.length ? graph(drawn.map((each) => ({ ...each, messages: each.rate, unhandled: each.failing })), (name) => (isComponent(name) ? componentLink(name) : null)) : null;
    put(picture, made);
    if (made && seen === names) {
      made.scrollLeft = left;
      made.scrollTop = top;
      if (isFocused) made.focus();
    }
    names = seen;
    const beyond = table.lost ? `; ${table.lost} messages of further pairs are not counted` : "";
    say(note, rows.length > DRAWN ? `the drawing has the ${DRAWN} pairs with most messages of ${rows.length}${beyond}` : beyond.slice(2));
  };
  return {
    element: h("div", { class: "view fill" }, heading("Topology", filterBox("filter the table", (words) => list.filter(words))), picture, note, list.element),
    draw: () => {},
    close: () => stream.close(),
    list,
  };
}
