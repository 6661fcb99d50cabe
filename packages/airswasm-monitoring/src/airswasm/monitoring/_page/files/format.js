// Figures and times as people read them; all short, and of even width.

/** @param {number} value */
export function rate(value) {
  if (!(value >= 0.05)) return "–";
  if (value < 10) return value.toFixed(1);
  if (value < 10_000) return value.toFixed(0);
  return value < 1e6 ? `${(value / 1e3).toFixed(1)}k` : `${(value / 1e6).toFixed(1)}M`;
}

/** @param {number} value */
export function count(value) {
  return value ? value.toLocaleString("en") : "–";
}

/** @param {number} share */
export function percent(share) {
  return share >= 0.0005 ? `${(share * 100).toFixed(1)} %` : "–";
}

/** @param {number | null | undefined} bytes */
export function size(bytes) {
  if (!bytes) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (bytes >= 1024 && at < units.length - 1) {
    bytes /= 1024;
    at += 1;
  }
  return `${bytes < 10 && at ? bytes.toFixed(1) : bytes.toFixed(0)} ${units[at]}`;
}

/** @param {number | null | undefined} value */
export function seconds(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === Infinity) return "> 10 s";
  if (value === 0) return "0";
  if (value < 1e-3) return `${(value * 1e6).toFixed(0)} µs`;
  if (value < 1) return `${(value * 1e3).toFixed(value < 0.01 ? 1 : 0)} ms`;
  return value < 120 ? `${value.toFixed(value < 10 ? 1 : 0)} s` : lasted(value);
}

/** @param {number} value */
export function lasted(value) {
  for (const [unit, length] of /** @type {[string, number][]} */ ([["d", 86400], ["h", 3600], ["min", 60]])) {
    if (value >= 2 * length) return `${Math.floor(value / length)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(value))} s`;
}

/**
 * The time of day; of another day with its date.
 * @param {number} at seconds since 1970
 */
export function clock(at) {
  const time = new Date(at * 1000);
  const day = time.toDateString() === new Date().toDateString() ? "" : `${time.toISOString().slice(0, 10)} `;
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${day}${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
