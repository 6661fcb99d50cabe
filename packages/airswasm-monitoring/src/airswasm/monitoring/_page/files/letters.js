// Dead letters: messages that were not handled, with the evidence, to replay or drop.

import { h, put } from "./dom.js";
import { clock, size } from "./format.js";
import { ask, askLines, session } from "./host.js";
import { List } from "./list.js";
import { askFirst, badge, facts, failure, filterBox, heading, nameOf } from "./parts.js";

const LETTERS = "/v1/dead-letters";
const NEWEST = 500;

/** @param {{state: import("./state.js").State}} page */
export function letters({ state }) {
  const detail = h("div", { class: "detail", hidden: true });
  const problem = h("div");
  let known = "";
  const list = new List({
    label: "Dead letters",
    sort: "time",
    columns: [
      { key: "time", title: "died", kind: "time", cell: (row) => clock(row.time), order: (row) => -row.time },
      { key: "reason", title: "reason", cell: (row) => badge(row.reason), order: (row) => row.reason },
      { key: "target", title: "receiver", cell: (row) => row.target, order: (row) => row.target },
      { key: "sender", title: "sender", wide: true, cell: (row) => row.sender, order: (row) => row.sender },
      { key: "size", title: "size", kind: "number", wide: true, cell: (row) => size(row.payload_bytes), order: (row) => -(row.payload_bytes ?? 0) },
      { key: "cause", title: "cause", wide: true, cell: (row) => row.cause?.text ?? row.cause?.message ?? "" },
    ],
    keyOf: (row) => row.id,
    textOf: (row) => `${row.reason} ${row.target} ${row.sender} ${JSON.stringify(row.cause ?? "")}`,
    open: (row) => show(row),
    empty: "No dead letter: each message was handled.",
  });
  const load = async () => {
    try {
      list.show(await askLines(`${LETTERS}?recent=${NEWEST}`));
      put(problem);
    } catch (error) {
      put(problem, failure(error));
    }
  };
  const show = (/** @type {any} */ row) => {
    detail.hidden = false;
    const cause = row.cause ? Object.entries(row.cause).filter(([, value]) => value !== null && value !== "").map(([key, value]) => `${key}: ${typeof value === "object" ? JSON.stringify(value) : value}`).join("\n") : "";
    put(
      detail,
      h("div", { class: "title" }, h("h2", {}, `Letter ${row.id}`), h("div", { class: "beside" }, acts(row))),
      facts([
        ["receiver", nameOf(row.target)],
        ["sender", nameOf(row.sender)],
        ["reason", badge(row.reason)],
        ["topic", row.topic ?? "–"],
        ["sent, died", `${clock(row.sent_at)}, ${clock(row.time)}`],
        ["version, incarnation", `${row.version || "–"}, ${row.incarnation}`],
        ["payload", row.unkept ? `not kept: ${row.unkept}` : size(row.payload_bytes)],
      ]),
      cause ? h("pre", {}, ...cause.split("\n").flatMap((line, at) => (at ? [h("br"), line] : [line]))) : null,
    );
    detail.scrollIntoView({ block: "nearest" });
  };
  const acts = (/** @type {any} */ row) => [
    session.may("replay_letter")
      ? h("button", {
          class: "main", "data-act": "replay",
          click: () => void askFirst(`Send the message of letter ${row.id} to ${row.target} again?`, "Replay", async () => {
            const done = await ask("POST", `${LETTERS}/${encodeURIComponent(row.id)}/replays`);
            detail.hidden = true;
            await load();
            return `${done.outcome}${done.error ? `: ${done.error}` : ""}`;
          }),
        }, "Replay")
      : null,
    session.may("drop_letters")
      ? h("button", {
          class: "quiet", "data-act": "drop",
          click: () => void askFirst(`Remove letter ${row.id} for good?`, "Remove", async () => {
            await ask("DELETE", `${LETTERS}?letters=${encodeURIComponent(row.id)}`);
            detail.hidden = true;
            await load();
            return "removed";
          }),
        }, "Remove")
      : null,
  ];
  const draw = () => {
    const now = JSON.stringify(state.host.dead_letters ?? {});
    if (now === known) return;
    known = now;
    void load();
  };
  return {
    element: h("div", { class: "view fill" }, heading("Dead letters", filterBox("filter", (words) => list.filter(words))), problem, list.element, detail),
    draw,
    list,
  };
}
