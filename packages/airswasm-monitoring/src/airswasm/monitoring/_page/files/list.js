// A table of any length: only the rows that are in sight are in the document.

import { h, put } from "./dom.js";

/**
 * @typedef {{
 *   key: string, title: string, hint?: string, kind?: "name" | "number" | "text" | "time", wide?: boolean,
 *   cell: (row: any) => import("./dom.js").Child, order?: (row: any) => number | string
 * }} Column
 */

const SPARE = 6;

export class List {
  /**
   * @param {{
   *   label: string, columns: Column[], keyOf: (row: any) => string, empty: string,
   *   sort?: string, open?: (row: any) => void, textOf?: (row: any) => string, isFlat?: boolean
   * }} given
   */
  constructor(given) {
    this.given = given;
    this.sort = given.sort ?? "";
    this.isReversed = false;
    /** @type {any[]} */
    this.rows = [];
    /** @type {any[]} */
    this.shown = [];
    this.words = "";
    this.at = -1;
    this.head = h("div", { class: "row head", role: "row" }, given.columns.map((each) => this.header(each)));
    this.body = h("div", { class: "rows", role: "rowgroup" });
    this.space = h("div", { class: "space" });
    this.note = h("p", { class: "empty" });
    this.scroll = h(
      "div",
      {
        class: "scroll", tabindex: "0", role: "table", "aria-label": given.label,
        scroll: () => this.draw(), keydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
      },
      h("div", { role: "rowgroup", class: "heading" }, this.head),
      h("div", { class: "window" }, this.space, this.body),
      this.note,
    );
    this.element = this.scroll;
  }

  /** @param {Column} column */
  header(column) {
    const cell = h("div", { class: this.classOf(column), role: "columnheader", title: column.hint ?? null });
    const { order } = column;
    if (!order || this.given.isFlat) {
      put(cell, column.title);
      return cell;
    }
    put(cell, h("button", { class: "sort", "data-key": column.key, click: () => this.sortBy(column.key) }, column.title));
    return cell;
  }

  /** @param {Column} column */
  classOf(column) {
    return `cell ${column.kind ?? "text"}${column.wide ? " wide" : ""} of-${column.key}`;
  }

  /** @param {string} key */
  sortBy(key) {
    this.isReversed = this.sort === key && !this.isReversed;
    this.sort = key;
    this.refresh();
  }

  /** Sort by the next column that can be. */
  sortNext() {
    const keys = this.given.columns.filter((each) => each.order).map((each) => each.key);
    this.sortBy(keys[(keys.indexOf(this.sort) + 1) % keys.length] ?? "");
  }

  /** @param {string} words */
  filter(words) {
    this.words = words.toLowerCase();
    this.refresh();
  }

  /** @param {any[]} rows */
  show(rows) {
    this.rows = rows;
    this.refresh();
  }

  refresh() {
    const { textOf, columns, keyOf } = this.given;
    const chosen = this.at >= 0 && this.shown[this.at] ? keyOf(this.shown[this.at]) : null;
    const words = this.words.split(/\s+/).filter(Boolean);
    let found = this.rows;
    if (words.length && textOf) {
      found = found.filter((row) => {
        const text = textOf(row).toLowerCase();
        return words.every((word) => text.includes(word));
      });
    }
    const order = columns.find((each) => each.key === this.sort)?.order;
    if (order) {
      const keyed = found.map((row) => /** @type {[number | string, string, any]} */ ([order(row), keyOf(row), row]));
      const sign = this.isReversed ? -1 : 1;
      keyed.sort((a, b) => sign * compare(a[0], b[0]) || compare(a[1], b[1]));
      found = keyed.map((each) => each[2]);
    }
    this.shown = found;
    this.at = chosen === null ? -1 : found.findIndex((row) => keyOf(row) === chosen);
    for (const button of this.head.querySelectorAll("button.sort")) {
      const isIt = button.getAttribute("data-key") === this.sort;
      button.parentElement?.setAttribute("aria-sort", isIt ? (this.isReversed ? "ascending" : "descending") : "none");
    }
    put(this.note, found.length ? "" : words.length ? "Nothing matches the filter." : this.given.empty);
    this.note.hidden = found.length > 0;
    this.draw();
  }

  draw() {
    const tall = this.rowHeight();
    const first = Math.max(0, Math.floor(this.scroll.scrollTop / tall) - SPARE);
    const last = Math.min(this.shown.length, Math.ceil((this.scroll.scrollTop + this.scroll.clientHeight) / tall) + SPARE);
    this.space.style.height = `${this.shown.length * tall}px`;
    this.body.style.transform = `translateY(${first * tall}px)`;
    this.scroll.setAttribute("aria-rowcount", String(this.shown.length + 1));
    const before = new Map([...this.body.children].map((each) => [each.getAttribute("data-key"), each]));
    const wanted = this.shown.slice(first, last).map((row, at) => this.row(row, first + at, before));
    if (wanted.length !== this.body.children.length || wanted.some((each, at) => each !== this.body.children[at])) {
      this.body.replaceChildren(...wanted);
    }
  }

  /**
   * @param {any} row
   * @param {number} at
   * @param {Map<string | null, Element>} before
   */
  row(row, at, before) {
    const { columns, keyOf, open } = this.given;
    const key = keyOf(row);
    const element = before.get(key) ?? h(
      "div",
      { class: "row", role: "row", "data-key": key, click: () => this.choose(this.shown.findIndex((each) => keyOf(each) === key), true) },
      columns.map((each) => h("div", { class: this.classOf(each), role: "cell" })),
    );
    element.setAttribute("aria-rowindex", String(at + 2));
    element.setAttribute("aria-selected", String(at === this.at));
    element.classList.toggle("opens", Boolean(open));
    columns.forEach((column, place) => {
      const cell = element.children[place];
      const content = column.cell(row);
      if (cell && !(content instanceof Node)) {
        if (cell.textContent !== String(content ?? "")) put(cell, content);
      } else if (cell) put(cell, content);
    });
    return element;
  }

  rowHeight() {
    return parseFloat(getComputedStyle(this.scroll).getPropertyValue("--row")) || 34;
  }

  /**
   * @param {number} at
   * @param {boolean} [opens]
   */
  choose(at, opens = false) {
    this.at = Math.max(-1, Math.min(at, this.shown.length - 1));
    const tall = this.rowHeight();
    const head = this.head.offsetHeight;
    if (this.at >= 0) {
      if (this.at * tall < this.scroll.scrollTop) this.scroll.scrollTop = this.at * tall;
      const below = (this.at + 1) * tall + head - this.scroll.clientHeight;
      if (below > this.scroll.scrollTop) this.scroll.scrollTop = below;
    }
    this.draw();
    if (opens && this.at >= 0) this.given.open?.(this.shown[this.at]);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.target !== this.scroll) return;
    const page = Math.max(1, Math.floor(this.scroll.clientHeight / this.rowHeight()) - 2);
    const steps = /** @type {Record<string, number>} */ ({
      ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9,
    });
    const step = steps[event.key];
    if (step !== undefined) this.choose(Math.max(0, this.at + step));
    else if (event.key === "Enter" && this.at >= 0) this.given.open?.(this.shown[this.at]);
    else return;
    event.preventDefault();
  }
}

/**
 * @param {number | string} a
 * @param {number | string} b
 */
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
