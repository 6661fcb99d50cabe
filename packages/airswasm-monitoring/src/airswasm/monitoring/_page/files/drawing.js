// Small drawings: a line of the last minutes, and the graph of who talks to whom.

import { h, plain, svg } from "./dom.js";
import { rate } from "./format.js";

/**
 * A line of points, scaled to its largest.
 * @param {number[]} points
 * @param {{width?: number, height?: number, label?: string}} [given]
 */
export function sparkline(points, { width = 72, height = 20, label = "" } = {}) {
  const most = Math.max(...points, 1e-9);
  const step = width / Math.max(1, points.length - 1);
  const path = points
    .map((value, at) => `${at ? "L" : "M"}${(at * step).toFixed(1)} ${(height - 1.5 - (value / most) * (height - 3)).toFixed(1)}`)
    .join("");
  return svg(
    "svg",
    { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }) },
    points.length > 1 ? svg("path", { d: path }) : null,
  );
}

/** @typedef {{sender: string, receiver: string, messages: number, unhandled: number}} Edge */

const BOX = { width: 132, height: 34, gapX: 92, gapY: 26, step: 46 };

/**
 * Give each name a column: senders before receivers, as far as they are in no circle.
 * @param {Edge[]} edges
 * @returns {Map<string, number>}
 */
export function columnsOf(edges) {
  const names = [...new Set(edges.flatMap((each) => [each.sender, each.receiver]))].sort();
  const out = new Map(names.map((name) => [name, /** @type {string[]} */ ([])]));
  for (const each of edges) if (each.sender !== each.receiver) out.get(each.sender)?.push(each.receiver);
  /** @type {Set<string>} */
  const back = new Set();
  /** @type {Map<string, number>} */
  const seen = new Map(); // 1: on the way, 2: done
  const visit = (/** @type {string} */ root) => {
    /** @type {[string, number][]} */
    const stack = [[root, 0]];
    seen.set(root, 1);
    while (stack.length) {
      const top = /** @type {[string, number]} */ (stack[stack.length - 1]);
      const next = out.get(top[0])?.[top[1]];
      top[1] += 1;
      if (next === undefined) {
        seen.set(top[0], 2);
        stack.pop();
      } else if (seen.get(next) === 1) back.add(`${top[0]}\n${next}`);
      else if (!seen.has(next)) {
        seen.set(next, 1);
        stack.push([next, 0]);
      }
    }
  };
  const targets = new Set(edges.map((each) => each.receiver));
  for (const name of [...names.filter((each) => !targets.has(each)), ...names]) if (!seen.has(name)) visit(name);
  const column = new Map(names.map((name) => [name, 0]));
  for (let round = 0; round < names.length; round += 1) {
    let moved = false;
    for (const name of names) {
      for (const next of out.get(name) ?? []) {
        const wanted = (column.get(name) ?? 0) + 1;
        if (!back.has(`${name}\n${next}`) && (column.get(next) ?? 0) < wanted) {
          column.set(next, wanted);
          moved = true;
        }
      }
    }
    if (!moved) break;
  }
  return column;
}

/**
 * Draw who talks to whom. The places depend on the names alone, so a graph that goes on stays still.
 * @param {Edge[]} edges with rates
 * @param {(name: string) => string | null} link the address behind a name
 */
export function graph(edges, link) {
  const column = columnsOf(edges);
  /** @type {string[][]} */
  const columns = [];
  for (const [name, at] of column) (columns[at] ??= []).push(name);
  const most = Math.max(...edges.map((each) => each.messages), 1e-9);
  const tallest = Math.max(1, ...columns.map((each) => each?.length ?? 0));
  const width = columns.length * (BOX.width + BOX.gapX) - BOX.gapX + 24;
  /** @type {Map<string, {x: number, y: number}>} */
  const place = new Map();
  columns.forEach((names, at) => {
    // Columns in steps, so that a line to a far column does not run behind the names between.
    const offset = ((tallest - names.length) * (BOX.height + BOX.gapY)) / 2 + (at % 2) * BOX.step;
    names.forEach((name, row) => {
      place.set(name, { x: 12 + at * (BOX.width + BOX.gapX), y: 26 + offset + row * (BOX.height + BOX.gapY) });
    });
  });
  const curves = edges.map((each) => curve(each, place, most));
  const height = Math.max(26 + tallest * (BOX.height + BOX.gapY) + BOX.step, ...curves.map((each) => each.lowest + 14));
  return h(
    "div",
    { class: "graph", tabindex: "0", role: "img", "aria-label": "who talks to whom; the table below has the same" },
    svg(
      "svg",
      { width, height, viewBox: `0 0 ${width} ${height}` },
      curves.map((each) => each.drawn),
      [...place].map(([name, at]) => box(name, at, link(name))),
    ),
  );
}

/**
 * A line from one name to another: to the next column straight, to a far one or back below the names.
 * @param {Edge} edge
 * @param {Map<string, {x: number, y: number}>} place
 * @param {number} most
 */
function curve(edge, place, most) {
  const from = place.get(edge.sender) ?? { x: 0, y: 0 };
  const to = place.get(edge.receiver) ?? { x: 0, y: 0 };
  const columns = Math.round((to.x - from.x) / (BOX.width + BOX.gapX));
  const isNear = columns === 1;
  const [x1, y1] = isNear ? [from.x + BOX.width, from.y + BOX.height / 2] : [from.x + BOX.width / 2 + 18, from.y + BOX.height];
  const [x2, y2] = isNear ? [to.x, to.y + BOX.height / 2] : [to.x + BOX.width / 2 - 18, to.y + BOX.height];
  const depth = Math.max(y1, y2) + 26 + 26 * Math.min(6, Math.abs(columns || 1));
  const d = isNear
    ? `M${x1} ${y1}C${x1 + BOX.gapX / 2} ${y1} ${x2 - BOX.gapX / 2} ${y2} ${x2} ${y2}`
    : `M${x1} ${y1}C${x1} ${depth} ${x2} ${depth} ${x2} ${y2}`;
  const lowest = isNear ? Math.max(y1, y2) : 0.25 * Math.min(y1, y2) + 0.75 * depth;
  const [x, y] = isNear ? [x1 * 0.5 + x2 * 0.5, y1 * 0.5 + y2 * 0.5 - 6] : [(x1 + x2) / 2, (y1 + y2) / 8 + depth * 0.75 + 4];
  const kind = edge.unhandled > 0 ? "failing" : edge.messages > 0 ? "busy" : "quiet";
  const drawn = svg(
    "g",
    { class: `edge ${kind}` },
    svg("title", {}, `${edge.sender} → ${edge.receiver}: ${rate(edge.messages)} messages a second`),
    svg("path", { d, "stroke-width": (1 + 3 * Math.sqrt(edge.messages / most)).toFixed(1) }),
    svg("circle", { cx: x2, cy: y2, r: 3.5 }),
    edge.messages > 0 ? svg("text", { x: x.toFixed(0), y: y.toFixed(0) }, `${rate(edge.messages)}/s`) : null,
  );
  return { drawn, lowest };
}

/**
 * @param {string} name
 * @param {{x: number, y: number}} at
 * @param {string | null} link
 */
function box(name, at, link) {
  const shown = plain(name, 200);
  const label = shown.length > 19 ? `${shown.slice(0, 18)}…` : shown;
  const drawn = [
    svg("title", {}, shown),
    svg("rect", { x: at.x, y: at.y, width: BOX.width, height: BOX.height, rx: 6 }),
    svg("text", { x: at.x + BOX.width / 2, y: at.y + BOX.height / 2 + 4, "text-anchor": "middle" }, label),
  ];
  return link ? svg("a", { class: "node", href: link }, drawn) : svg("g", { class: "node" }, drawn);
}
