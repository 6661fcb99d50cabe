// The page: a session, one stream of what changes, the views, and the keys.

import { h, put, say } from "./dom.js";
import { Refusal, Stream, ask, open, session, signIn, signOut } from "./host.js";
import { State } from "./state.js";
import { badge, icon, tell, textOf } from "./parts.js";
import { alerts } from "./alerts.js";
import { component } from "./component.js";
import { components } from "./components.js";
import { letters } from "./letters.js";
import { audit, logs } from "./logs.js";
import { overview } from "./overview.js";
import { topology } from "./topology.js";
import { traces } from "./traces.js";
import { tree } from "./tree.js";

/**
 * @typedef {{element: HTMLElement, draw: () => void, close?: () => void, list?: import("./list.js").List,
 *   tabs?: string[], choose?: (tab: string) => void}} View
 * @typedef {{state: State, go: (to: string) => void, refresh: () => void}} Page
 */

/** @type {[string, string, string, (page: Page) => View][]} path, name, the operation that it needs */
const VIEWS = [
  ["overview", "Overview", "watch_figures", overview],
  ["components", "Components", "watch_figures", components],
  ["tree", "Supervision", "watch", tree],
  ["topology", "Topology", "watch", topology],
  ["logs", "Logs", "all_logs", logs],
  ["audit", "Audit", "audit_lines", audit],
  ["letters", "Dead letters", "dead_letters", letters],
  ["alerts", "Alerts", "alerts", alerts],
  ["traces", "Traces", "traces", traces],
];
const THEMES = ["auto", "light", "dark"];
const LIST_MS = 5000;

const state = new State();
/** @type {View | null} */
let view = null;
/** @type {Stream | null} */
let stream = null;
let isPaused = false;
let listedAt = 0;
/** @type {number | undefined} */
let listing;

const main = h("main", { id: "main", tabindex: "-1" });
const connection = h("span", { class: "connection", role: "status" });
const health = h("a", { class: "health", href: "#/overview", "aria-label": "health" });
const nav = h("nav", { "aria-label": "Views" });

const page = { state, go: (/** @type {string} */ to) => { location.hash = to; }, refresh: () => list(true) };

const views = () => VIEWS.filter(([, , operation]) => session.may(operation));

/** @type {[string, string, () => void][]} */
const KEYS = [
  ["1 – 9", "go to a view", () => {}],
  ["/", "filter or search", () => /** @type {HTMLElement | null} */ (document.querySelector("input.filter"))?.focus()],
  ["↑ ↓ j k", "move in a table", () => {}],
  ["Enter", "open the chosen row", () => {}],
  ["s", "sort by the next column", () => view?.list?.sortNext()],
  ["r", "reverse the order", () => view?.list?.sortBy(view.list.sort)],
  ["[ ]", "the tab before, the tab after", () => {}],
  ["Esc", "leave a field, or go back", () => leave()],
  ["p", "pause, go on", () => pause()],
  ["t", "switch the theme", () => switchTheme()],
  ["?", "show the keys", () => help()],
];

function frame() {
  const leaveButton = session.name === "socket" ? null : tool("leave", "sign out", () => void end());
  put(
    document.body,
    h("a", { class: "skip", href: "#main", click: (/** @type {Event} */ event) => { event.preventDefault(); main.focus(); } }, "Skip to the content"),
    h(
      "header",
      {},
      h("a", { class: "brand", href: "#/overview" }, "airswasm"),
      health,
      connection,
      h("span", { class: "grow" }),
      h("span", { class: "scope", title: "what this session may do" }, session.scope),
      tool("pause", "pause (p)", pause),
      tool("theme", "theme (t)", switchTheme),
      tool("help", "keys (?)", help),
      leaveButton,
    ),
    nav,
    main,
    h("div", { id: "toasts", "aria-live": "polite" }),
  );
  put(nav, views().map(([path, name], at) => h("a", { href: `#/${path}`, "data-view": path }, name, h("kbd", { "aria-hidden": "true" }, String(at + 1)))));
}

/**
 * @param {"pause" | "theme" | "help" | "leave"} name
 * @param {string} label
 * @param {() => void} act
 */
function tool(name, label, act) {
  return h("button", { class: "icon", "data-do": name, "aria-label": label, title: label, click: act }, icon(name));
}

function show() {
  if (location.hash.startsWith("#link=")) return location.reload(); // another session, in this tab
  const [path = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  view?.close?.();
  const known = views();
  const found = known.find((each) => each[0] === path) ?? known[0];
  if (!found) {
    put(main, h("p", { class: "empty" }, "This session may look at nothing."));
    return;
  }
  view = path === "components" && rest.length === 2 ? component(page, rest.join("/")) : found[3](page);
  put(main, view.element);
  for (const link of nav.children) {
    const isIt = link.getAttribute("data-view") === found[0];
    if (isIt) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (isIt) link.scrollIntoView({ block: "nearest", inline: "center" });
  }
  document.title = `${rest.length ? rest.join("/") : found[1]} · airswasm`;
  draw();
  view.list?.draw();
  const focus = view.list?.element ?? view.element.querySelector("h1");
  if (focus instanceof HTMLElement) focus.focus({ preventScroll: true });
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function draw() {
  const status = state.host.health;
  if (status && health.textContent !== status) put(health, badge(status));
  view?.draw();
}

function begin() {
  const path = session.may("watch") ? "/v1/watch?parts=components,events" : "/v1/watch/figures";
  stream = new Stream(path, (document) => {
    if (isPaused) return;
    state.take(document);
    if (document.part === "events" && document.lines.length) list(false);
    if (document.part === "components" || document.part === "host") soon();
  }, (found, error) => {
    if (found === "ended") return void ended();
    if (found === "refused") tell(textOf(error), "bad");
    connection.className = `connection ${found}`;
    say(connection, found === "live" ? "live" : found === "waiting" ? `no answer: ${error?.message ?? "the stream ended"}; trying again` : "refused");
  });
  list(true);
  window.addEventListener("hashchange", show);
  show();
}

let isDue = false;
/** Draw once for the frames of one look. */
function soon() {
  if (isDue) return;
  isDue = true;
  setTimeout(() => {
    isDue = false;
    draw();
  }, 30);
}

/** @param {boolean} isNow */
function list(isNow) {
  if (!session.may("list") || listing !== undefined) return;
  const wait = isNow ? 0 : Math.max(0, listedAt + LIST_MS - Date.now());
  listing = setTimeout(async () => {
    listing = undefined;
    listedAt = Date.now();
    try {
      state.takeInstalled((await ask("GET", "/v1/components")).components);
      draw();
    } catch (error) {
      if (!(error instanceof TypeError)) tell(textOf(error), "bad");
    }
  }, wait);
}

function pause() {
  isPaused = !isPaused;
  document.body.classList.toggle("paused", isPaused);
  tell(isPaused ? "paused: p goes on" : "live again");
  document.querySelector("[data-do=pause]")?.setAttribute("aria-pressed", String(isPaused));
}

function theme() {
  const known = localStorage.getItem("airswasm.theme") ?? "auto";
  return THEMES.includes(known) ? known : "auto";
}

function applyTheme() {
  document.documentElement.setAttribute("data-theme", theme());
}

function switchTheme() {
  localStorage.setItem("airswasm.theme", THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length] ?? "auto");
  applyTheme();
  tell(`theme: ${theme()}`);
}

function help() {
  if (document.querySelector("dialog")) return;
  const dialog = /** @type {HTMLDialogElement} */ (
    h(
      "dialog",
      { "aria-label": "Keys" },
      h("h2", {}, "Keys"),
      h("dl", { class: "keys" }, KEYS.map(([key, meaning]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, meaning)))),
      h("form", { method: "dialog", class: "buttons" }, h("button", { class: "main" }, "Close")),
    )
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function leave() {
  const active = document.activeElement;
  if (active instanceof HTMLInputElement || active instanceof HTMLSelectElement) {
    active.blur();
    view?.list?.element.focus();
  } else if (location.hash.split("/").length > 2) page.go("#/components");
}

/** @param {number} step */
function turnTab(step) {
  const tabs = view?.tabs ?? [];
  const now = tabs.findIndex((each) => document.querySelector(`[role=tab][data-key=${each}]`)?.getAttribute("aria-selected") === "true");
  const next = tabs[(now + step + tabs.length) % tabs.length];
  if (next) view?.choose?.(next);
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog")) return;
  const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
  if (event.key === "Escape") return leave();
  if (isTyping) return;
  const [path] = /^[1-9]$/.test(event.key) ? (views()[Number(event.key) - 1] ?? []) : [];
  if (path) page.go(`#/${path}`);
  else if (event.key === "[" || event.key === "]") turnTab(event.key === "]" ? 1 : -1);
  else if ((event.key === "j" || event.key === "k") && view?.list && document.activeElement !== view.list.element) view.list.element.focus();
  else {
    const known = KEYS.find(([key]) => key === event.key);
    if (!known) return;
    known[2]();
  }
  event.preventDefault();
}

async function end() {
  await signOut();
  location.hash = "";
  location.reload();
}

async function ended() {
  stream?.close();
  view?.close?.();
  entrance("The session has ended.");
}

/** @param {string} reason */
function entrance(reason) {
  const token = h("input", { type: "password", name: "token", autocomplete: "off", "aria-label": "token", required: true, placeholder: "token" });
  const problem = h("p", { class: "failure", role: "alert" });
  put(
    document.body,
    h(
      "main",
      { class: "entrance" },
      h("h1", {}, "airswasm"),
      reason ? h("p", {}, reason) : null,
      h("p", {}, "Open the link that ", h("code", {}, "airswasm page"), " prints, or sign in with a token: that of this run is in the file ", h("code", {}, "control.token"), " of the home."),
      h(
        "form",
        {
          submit: async (/** @type {Event} */ event) => {
            event.preventDefault();
            try {
              await signIn({ token: /** @type {HTMLInputElement} */ (token).value });
              location.reload();
            } catch (error) {
              say(problem, textOf(error));
            }
          },
        },
        token,
        h("button", { class: "main" }, "Sign in"),
      ),
      problem,
    ),
  );
  token.focus();
}

async function start() {
  applyTheme();
  try {
    if (!(await open())) return entrance("");
  } catch (error) {
    const isRefusal = error instanceof Refusal;
    return entrance(isRefusal ? textOf(error) : "The host does not answer.");
  }
  document.addEventListener("keydown", onKey);
  frame();
  begin();
}

void start();
