// Talk with the host: requests of this session, and streams of JSON lines.

const KEY = "airswasm.key";
const SILENCE_MS = 20_000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15_000];

/** A refusal of the host, with its code and hint. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {{code?: string, message?: string, hint?: string}} error
   */
  constructor(status, error) {
    super(error.message || `the host answered ${status}`);
    this.status = status;
    this.code = error.code || "";
    this.hint = error.hint || "";
  }
}

/** What the session may do. */
export const session = {
  scope: "",
  name: "",
  operations: new Set(/** @type {string[]} */ ([])),
  /** @param {string} operation */
  may(operation) {
    return this.operations.has(operation);
  },
};

/**
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, signal?: AbortSignal}} [given]
 */
async function request(method, path, { body, signal } = {}) {
  const key = localStorage.getItem(KEY) || "";
  const response = await fetch(path, {
    method,
    headers: { "X-Airswasm-Key": key, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    body: body === undefined ? null : JSON.stringify(body),
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
    signal: signal ?? null,
  });
  if (!response.ok) {
    const document = await response.json().catch(() => ({}));
    throw new Refusal(response.status, document.error || {});
  }
  return response;
}

/**
 * Ask for a document.
 * @param {string} method
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function ask(method, path) {
  const response = await request(method, path);
  return response.status === 204 ? null : response.json();
}

/**
 * Ask for JSON lines that end.
 * @param {string} path
 * @returns {Promise<any[]>}
 */
export async function askLines(path) {
  const text = await (await request("GET", path)).text();
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** @param {any} document */
function begin(document) {
  session.scope = document.scope;
  session.name = document.name;
  session.operations = new Set(document.operations);
}

/**
 * Begin or go on with a session; the secret of a link is behind the `#` of the address.
 * @returns {Promise<boolean>} whether there is one
 */
export async function open() {
  const link = /^#link=([\w-]+)$/.exec(location.hash);
  if (link) {
    history.replaceState(null, "", location.pathname); // so that it is in no history and no bookmark
    await signIn({ link: link[1] });
    return true;
  }
  try {
    begin(await ask("GET", "/page/session"));
    return true;
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) return false;
    throw error;
  }
}

/** @param {{token?: string, link?: string | undefined}} secret */
export async function signIn(secret) {
  const document = await (await request("POST", "/page/session", { body: secret })).json();
  localStorage.setItem(KEY, document.key);
  begin(document);
}

export async function signOut() {
  await request("DELETE", "/page/session").catch(() => null);
  localStorage.removeItem(KEY);
}

/**
 * A stream that goes on: it is begun anew when it breaks off, and rests while the page is hidden.
 */
export class Stream {
  /**
   * @param {string} path
   * @param {(document: any) => void} onDocument
   * @param {(state: "live" | "waiting" | "ended" | "refused", error?: Error) => void} [onState]
   */
  constructor(path, onDocument, onState = () => {}) {
    this.path = path;
    this.onDocument = onDocument;
    this.onState = onState;
    /** @type {AbortController | null} */
    this.abort = null;
    this.isClosed = false;
    this.tries = 0;
    this.watch = () => (document.hidden ? this.rest() : this.wake());
    document.addEventListener("visibilitychange", this.watch);
    if (!document.hidden) this.wake();
  }

  close() {
    this.isClosed = true;
    document.removeEventListener("visibilitychange", this.watch);
    this.rest();
  }

  rest() {
    this.abort?.abort();
    this.abort = null;
  }

  wake() {
    if (this.abort || this.isClosed) return;
    this.abort = new AbortController();
    void this.run(this.abort);
  }

  /** @param {AbortController} abort */
  async run(abort) {
    while (!abort.signal.aborted) {
      try {
        await this.read(abort.signal);
      } catch (error) {
        if (abort.signal.aborted) return;
        if (error instanceof Refusal && error.status < 500 && error.status !== 429) {
          this.onState(error.status === 401 ? "ended" : "refused", error);
          return;
        }
        this.onState("waiting", /** @type {Error} */ (error));
      }
      const pause = RETRY_MS[Math.min(this.tries, RETRY_MS.length - 1)];
      this.tries += 1;
      await new Promise((done) => setTimeout(done, pause));
    }
  }

  /** @param {AbortSignal} outer */
  async read(outer) {
    const inner = new AbortController();
    const end = () => inner.abort();
    outer.addEventListener("abort", end);
    let timer = setTimeout(end, SILENCE_MS);
    try {
      const response = await request("GET", this.path, { signal: inner.signal });
      const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
      const decoder = new TextDecoder();
      let rest = "";
      this.onState("live");
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(end, this.isSilent() ? 2 ** 30 : SILENCE_MS);
        this.tries = 0;
        const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) this.take(line);
      }
    } finally {
      clearTimeout(timer);
      outer.removeEventListener("abort", end);
    }
  }

  /** Whether it says nothing while nothing happens; a watch says at each look that it is there. */
  isSilent() {
    return !this.path.startsWith("/v1/watch");
  }

  /** @param {string} line */
  take(line) {
    if (!line) return;
    const document = JSON.parse(line);
    if (document.schema === "airswasm.error/1") throw new Refusal(503, document.error);
    this.onDocument(document);
  }
}
