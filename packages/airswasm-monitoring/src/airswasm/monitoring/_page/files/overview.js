// The host at a glance: is it well, what does it do, and what happened.

import { h, put } from "./dom.js";
import { sparkline } from "./drawing.js";
import { clock, count, percent, rate, size } from "./format.js";
import { badge, heading, nameOf } from "./parts.js";

/** @typedef {import("./state.js").State} State */

const SHOWN = 6;

/** @param {{state: State}} page */
export function overview({ state }) {
  const tiles = h("section", { class: "tiles", "aria-label": "Figures" });
  const findings = h("section", { class: "panel" });
  const busiest = h("section", { class: "panel" });
  const events = h("section", { class: "panel" });
  let drawnEvents = -1;
  const draw = () => {
    const components = state.components();
    const running = components.filter((each) => each.state === "running").length;
    const letters = Object.values(state.host.dead_letters ?? {}).reduce((sum, each) => sum + Number(each), 0);
    const unhandled = components.reduce((sum, each) => sum + each.rates.unhandled, 0);
    const cpu = components.reduce((sum, each) => sum + each.rates.cpu, 0);
    const ill = components.length - running;
    put(
      tiles,
      tile("Components", `${running} / ${components.length}`, ill ? `${ill} not running` : "all running", ill ? "warn" : ""),
      tile("Messages / s", rate(state.messages), sparkline(state.points, { width: 120, height: 26, label: "messages a second" })),
      tile("Unhandled / s", rate(unhandled), "refused or failed", unhandled >= 0.05 ? "warn" : ""),
      tile("Processor", percent(cpu), "of one core"),
      tile("Memory", size(state.host.memory_bytes), state.host.memory_most_bytes ? `of ${size(state.host.memory_most_bytes)}` : ""),
      tile("Dead letters", count(letters), "since the start", letters ? "warn" : "", "#/letters"),
    );
    drawFindings(findings, state);
    const busy = [...components].sort((a, b) => b.rates.messages - a.rates.messages).slice(0, SHOWN).filter((each) => each.rates.messages > 0);
    put(
      busiest,
      h("h2", {}, "Busiest"),
      busy.length
        ? h("ul", { class: "plain" }, busy.map((each) => h("li", {}, h("span", { class: "grow" }, nameOf(each.name)), sparkline(each.points), h("span", { class: "figure" }, `${rate(each.rates.messages)}/s`))))
        : h("p", { class: "empty" }, "No component handles messages now."),
    );
    if (drawnEvents === (state.events[0]?.time ?? 0)) return;
    drawnEvents = state.events[0]?.time ?? 0;
    put(
      events,
      h("h2", {}, "What happened"),
      state.events.length
        ? h("ul", { class: "plain" }, state.events.slice(0, 12).map(event))
        : h("p", { class: "empty" }, "Nothing has started, stopped or failed since you opened the page."),
    );
  };
  return {
    element: h("div", { class: "view" }, heading("Overview"), tiles, h("div", { class: "two" }, findings, busiest), events),
    draw,
  };
}

/** @param {any} each */
function event(each) {
  return h(
    "li",
    {},
    h("time", {}, clock(each.time)),
    badge(each.kind),
    h("span", { class: "grow" }, nameOf(each.name), each.cause ? h("span", { class: "cause" }, ` ${each.cause}`) : null),
  );
}

/**
 * @param {HTMLElement} panel
 * @param {State} state
 */
function drawFindings(panel, state) {
  const { health, findings = [], total_findings: total = 0 } = state.host;
  put(
    panel,
    h("h2", {}, "Health ", health ? badge(health) : null),
    findings.length
      ? h("ul", { class: "plain findings" }, findings.map((/** @type {any} */ each) => h("li", {}, badge(each.health), h("span", { class: "grow" }, h("strong", {}, nameOf(each.subject)), " ", each.text, each.hint ? h("span", { class: "hint" }, each.hint) : null))))
      : h("p", { class: "empty" }, total ? `${total} findings; a token of the scope read shows them.` : "Nothing to do."),
    total > findings.length && findings.length ? h("p", { class: "hint" }, `and ${total - findings.length} more`) : null,
  );
}

/**
 * @param {string} label
 * @param {string} value
 * @param {import("./dom.js").Child} [below]
 * @param {string} [kind]
 * @param {string} [link]
 */
function tile(label, value, below = "", kind = "", link = "") {
  const content = [h("span", { class: "label" }, label), h("span", { class: "value" }, value), h("span", { class: "below" }, below)];
  return link ? h("a", { class: `tile ${kind}`, href: link }, content) : h("div", { class: `tile ${kind}` }, content);
}

