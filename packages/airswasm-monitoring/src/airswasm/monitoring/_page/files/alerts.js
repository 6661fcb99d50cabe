// The alert rules of the host: what fires, since when, and who is not told.

import { h, put } from "./dom.js";
import { clock, count, lasted } from "./format.js";
import { ask, session } from "./host.js";
import { List } from "./list.js";
import { askFirst, badge, facts, failure, filterBox, heading, nameOf } from "./parts.js";

const EVERY_MS = 5000;
const HOUR = 3600;
const RANK = /** @type {Record<string, number>} */ ({ firing: 0, pending: 1, inactive: 2 });

export function alerts() {
  const problem = h("div");
  const detail = h("div", { class: "detail", hidden: true });
  let chosen = "";
  const list = new List({
    label: "Alert rules",
    sort: "state",
    columns: [
      { key: "rule", title: "rule", kind: "name", cell: (row) => row.name, order: (row) => row.name },
      { key: "state", title: "state", cell: (row) => badge(row.is_on ? row.state : "off"), order: (row) => `${RANK[row.state] ?? 3}${row.is_on ? 0 : 1}` },
      { key: "severity", title: "severity", wide: true, cell: (row) => row.severity, order: (row) => row.severity },
      { key: "since", title: "since", kind: "number", cell: (row) => (row.since ? lasted(Date.now() / 1000 - row.since) : "–"), order: (row) => -(row.since ?? 0) },
      { key: "alerts", title: "alerts", kind: "number", wide: true, cell: (row) => count(row.alerts.length), order: (row) => -row.alerts.length },
      { key: "when", title: "condition", wide: true, cell: (row) => row.when },
    ],
    keyOf: (row) => row.name,
    textOf: (row) => `${row.name} ${row.state} ${row.severity} ${row.when}`,
    empty: "The host has no alert rule.",
    open: (row) => {
      chosen = row.name;
      show(row);
    },
  });
  const load = async (/** @type {boolean} */ isAct) => {
    try {
      const found = await ask("GET", "/v1/alerts");
      list.show(found.rules);
      put(problem, found.is_on ? null : h("p", { class: "hint" }, "This host evaluates no rules."));
      const row = found.rules.find((/** @type {any} */ each) => each.name === chosen);
      if (row && (isAct || !detail.contains(document.activeElement))) show(row); // a reader keeps the focus
    } catch (error) {
      put(problem, failure(error));
    }
  };
  const show = (/** @type {any} */ row) => {
    detail.hidden = false;
    put(
      detail,
      h("div", { class: "title" }, h("h2", {}, row.name, badge(row.is_on ? row.state : "off")), h("div", { class: "beside" }, acts(row))),
      facts([
        ["condition", row.when],
        ["for", row.for_seconds ? lasted(row.for_seconds) : "at once"],
        ["severity", row.severity],
        ["in Prometheus", h("code", {}, row.promql)],
        ["silent", row.silences.length ? h("ul", { class: "plain" }, row.silences.map((/** @type {any} */ each) => h("li", {}, `${each.component || "all"} until ${clock(each.until)}${each.reason ? `: ${each.reason}` : ""}`))) : "no"],
      ]),
      row.alerts.length ? h("ul", { class: "plain" }, row.alerts.map(alert)) : h("p", { class: "empty" }, "No alert of this rule."),
    );
  };
  const path = (/** @type {any} */ row) => `/v1/alerts/${encodeURIComponent(row.name)}/silence`;
  const acts = (/** @type {any} */ row) => [
    session.may("silence_alert")
      ? h("button", {
          "data-act": "silence",
          click: () => void askFirst(`Tell no receiver of ${row.name} for an hour?`, "Silence", async () => {
            await ask("POST", `${path(row)}?seconds=${HOUR}&reason=${encodeURIComponent("from the page")}`);
            return `${row.name} is silent for an hour`;
          }).then(() => load(true)),
        }, "Silence for an hour")
      : null,
    session.may("lift_silence") && row.silences.length
      ? h("button", {
          "data-act": "lift",
          click: () => void askFirst(`Tell receivers of ${row.name} again?`, "Lift", async () => {
            for (const each of row.silences) await ask("DELETE", `${path(row)}?component=${encodeURIComponent(each.component)}`);
            return `receivers are told of ${row.name} again`;
          }).then(() => load(true)),
        }, "Lift the silence")
      : null,
  ];
  const timer = setInterval(() => document.hidden || void load(false), EVERY_MS);
  void load(false);
  return {
    element: h("div", { class: "view fill" }, heading("Alerts", filterBox("filter", (words) => list.filter(words))), problem, list.element, detail),
    draw: () => {},
    close: () => clearInterval(timer),
    list,
  };
}

/** @param {any} each */
function alert(each) {
  const component = each.labels.component ?? "";
  return h(
    "li",
    {},
    badge(each.state),
    h("time", {}, clock(each.fired_at ?? each.since)),
    h("span", { class: "grow" }, component ? h("strong", {}, nameOf(component), " ") : null, each.summary, each.value === null ? null : h("span", { class: "hint" }, ` value ${each.value}`)),
    each.is_silenced ? h("span", { class: "hint" }, "silent") : null,
  );
}
