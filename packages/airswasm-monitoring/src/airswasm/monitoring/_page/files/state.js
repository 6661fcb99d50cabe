// What the page knows of the host: tables that frames change, and what follows from two frames.

const POINTS = 60;

/**
 * @typedef {{messages: number, unhandled: number, cpu: number, fuel: number}} Rates
 * @typedef {{
 *   name: string, state: string, since: number, incarnation: number, restarts: number,
 *   updates: number, failures: number, last_error: string, waiting: number, capacity: number,
 *   oldest: number, handled: number, unhandled: number, fuel: number, cpu: number,
 *   memory_bytes: number, host_memory_bytes: number, bytes_in: number, bytes_out: number,
 *   queueing: number[], handling: number[],
 *   rates: Rates, p50: number, p99: number, queue99: number, points: number[], version: string,
 *   fresh: boolean
 * }} Component
 */

const NOTHING = { messages: 0, unhandled: 0, cpu: 0, fuel: 0 };

/** A table of frames: rows as objects, by their keys. */
export class Table {
  constructor() {
    /** @type {string[]} */
    this.columns = [];
    /** @type {Map<string, any>} */
    this.rows = new Map();
    this.at = 0;
    this.lost = 0;
  }

  /**
   * @param {any} frame
   * @param {(row: any, before: any, seconds: number) => void} [derive]
   */
  take(frame, derive = () => {}) {
    if (frame.columns.length) {
      this.columns = frame.columns;
      this.rows = new Map();
      this.at = 0;
    }
    const passed = this.at ? frame.at - this.at : 0;
    this.at = frame.at;
    this.lost = frame.lost;
    for (const key of frame.gone) this.rows.delete(key);
    for (const [key, values] of Object.entries(frame.rows)) {
      const row = asRow(this.columns, values);
      derive(row, this.rows.get(key), passed);
      this.rows.set(key, row);
    }
  }
}

/**
 * @param {string[]} columns
 * @param {unknown[]} values
 */
export function asRow(columns, values) {
  return Object.fromEntries(columns.map((column, at) => [column, values[at]]));
}

/**
 * The bound below which a share of what was counted lies; 0 when nothing was.
 * @param {number[]} counts
 * @param {number[]} bounds
 * @param {number} share
 */
export function quantile(counts, bounds, share) {
  const total = counts.reduce((sum, each) => sum + each, 0);
  let left = share * total;
  for (let at = 0; total && at < counts.length; at += 1) {
    left -= counts[at] ?? 0;
    if (left <= 0) return bounds[at] ?? Infinity;
  }
  return 0;
}

export class State {
  constructor() {
    /** @type {Record<string, any>} */
    this.host = {};
    this.hostAt = 0;
    /** @type {number[]} */
    this.bounds = [];
    /** @type {number[]} */
    this.points = [];
    this.messages = 0;
    this.table = new Table();
    /** @type {Map<string, any>} */
    this.installed = new Map();
    /** @type {any[]} */
    this.events = [];
    /** @type {string[]} */
    this.eventColumns = [];
  }

  /** @returns {Component[]} */
  components() {
    const found = [...this.table.rows.values()];
    for (const [name, known] of this.installed) {
      const row = this.table.rows.get(name);
      if (row) row.version = known.version;
      else found.push(absent(name, known));
    }
    return found;
  }

  /**
   * @param {string} name
   * @returns {Component | undefined}
   */
  component(name) {
    const known = this.installed.get(name);
    const row = this.table.rows.get(name);
    if (row && known) row.version = known.version;
    return row || (known ? absent(name, known) : undefined);
  }

  /** @param {any} frame */
  take(frame) {
    if (frame.part === "host") this.takeHost(frame);
    else if (frame.part === "events") this.takeEvents(frame);
    else if (frame.part === "components") this.takeComponents(frame);
  }

  /** @param {any} frame */
  takeHost(frame) {
    if (frame.figures.bounds) {
      this.bounds = frame.figures.bounds;
      this.hostAt = 0;
    }
    const passed = this.hostAt ? frame.at - this.hostAt : 0;
    if (passed > 0) {
      this.messages = Math.max(0, frame.figures.handled - this.host.handled) / passed;
      this.points = [...this.points.slice(1 - POINTS), this.messages];
    }
    this.host = frame.figures;
    this.hostAt = frame.at;
    for (const row of this.table.rows.values()) {
      if (!row.fresh && row.rates.messages + row.rates.cpu > 0) row.rates = NOTHING;
      if (row.points.length) row.points = [...row.points.slice(1 - POINTS), row.rates.messages];
      row.fresh = false;
    }
  }

  /** @param {any} frame */
  takeEvents(frame) {
    if (frame.columns.length) this.eventColumns = frame.columns;
    const found = frame.lines.map((/** @type {unknown[]} */ line) => asRow(this.eventColumns, line));
    this.events = [...found.reverse(), ...this.events].slice(0, 200);
  }

  /** @param {any} frame */
  takeComponents(frame) {
    this.table.take(frame, (row, before, passed) => {
      const grown = (/** @type {string} */ key) =>
        before && passed > 0 ? Math.max(0, row[key] - before[key]) / passed : 0;
      const counts = (/** @type {string} */ key) => {
        const now = row[key];
        const since = now.map((/** @type {number} */ n, /** @type {number} */ at) => n - (before?.[key][at] ?? 0));
        return since.some((/** @type {number} */ n) => n > 0) && since.every((/** @type {number} */ n) => n >= 0) ? since : now;
      };
      row.rates = {
        messages: grown("handled"), unhandled: grown("unhandled"), cpu: grown("cpu"), fuel: grown("fuel"),
      };
      row.p50 = quantile(counts("handling"), this.bounds, 0.5);
      row.p99 = quantile(counts("handling"), this.bounds, 0.99);
      row.queue99 = quantile(counts("queueing"), this.bounds, 0.99);
      row.points = before?.points ?? [];
      if (!row.points.length && row.rates.messages > 0) row.points = [0];
      row.fresh = true;
    });
    for (const [name, row] of this.table.rows) row.name = name;
  }

  /** @param {any[]} list */
  takeInstalled(list) {
    this.installed = new Map(list.map((each) => [each.name, each]));
  }
}

/**
 * @param {string} name
 * @param {any} known
 * @returns {Component}
 */
function absent(name, known) {
  return {
    name, state: known.state, version: known.version, since: 0, incarnation: 0, restarts: 0, updates: 0,
    failures: 0, last_error: "", waiting: 0, capacity: 0, oldest: 0, handled: 0, unhandled: 0, fuel: 0,
    cpu: 0, memory_bytes: 0, host_memory_bytes: 0, bytes_in: 0, bytes_out: 0, queueing: [], handling: [],
    rates: NOTHING, p50: 0, p99: 0, queue99: 0, points: [], fresh: false,
  };
}
