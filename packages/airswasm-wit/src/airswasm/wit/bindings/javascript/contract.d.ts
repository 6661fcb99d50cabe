// Made by `python -m airswasm.wit.update`; do not edit.
// The contract's interfaces, as componentize-js shows them to a component.

declare module "airswasm:component/capabilities@0.1.0" {
  /**
   * One granted capability and the pattern of resources it covers.
   */
  export interface Grant {
    capability: string;
    pattern: string;
  }
  /**
   * Whether a call that needs `capability` on `target` would be allowed
   * now, for example `check("storage:write", "count")`. Does not wait.
   *
   * @requires nothing "it tells a component only about itself"
   */
  export function check(capability: string, target: string): boolean;
  /**
   * All grants of this component. Does not wait.
   *
   * @requires nothing "it tells a component only about itself"
   */
  export function list(): Array<Grant>;
}

declare module "airswasm:component/handler@0.1.0" {
  /**
   * Handles one message and returns the reply.
   *
   * Called for one message at a time: the next one waits in the mailbox
   * until this call has returned. `sender` is the sender's name
   * (`namespace/name`), or `host` when the message comes from outside.
   * `topic` is set when the message was published rather than sent.
   *
   * `ok(some(bytes))` answers the sender, `ok(none)` acknowledges without a
   * reply, `err(text)` tells the sender that this message failed; the
   * component goes on with the next one. A trap, or exceeding a limit, ends
   * this incarnation: the supervisor decides what follows, and the message
   * goes to the dead letters.
   */
  export function handleMessage(sender: string, topic: string | undefined, payload: Uint8Array): Uint8Array | undefined;
}

declare module "airswasm:component/lifecycle@0.1.0" {
  /**
   * Called once, before the first message. `config` is the `[config]` table
   * of Component.toml as a JSON object. An error is a failed start, which
   * the supervisor treats like a crash.
   */
  export function init(config: string): void;
  /**
   * Called once, after the last message, within the shutdown time of the
   * component's supervision settings. Not called after a crash, nor where an
   * update or a rollback has given another version the stored data.
   */
  export function shutdown(): void;
}

declare module "airswasm:component/health@0.1.0" {
  /**
   * Called at the interval that Component.toml gives. An error is reported
   * as `unhealthy` with this text; after `health.failures` of them in a row
   * the component is restarted. Must be quick: it is called in turn with
   * messages.
   */
  export function check(): void;
}

declare module "airswasm:component/migration@0.1.0" {
  /**
   * Called after `init` on the first start of a new version, before its
   * first message, with the version that ran before. An error cancels the
   * update: the earlier version goes on.
   */
  export function migrate(fromVersion: string): void;
}

declare module "airswasm:component/logging@0.1.0" {
  /**
   * How much a line matters.
   */
  export type Level = "trace" | "debug" | "info" | "warn" | "error";
  /**
   * Writes one line to the component's log. Long lines are cut and marked,
   * control characters are escaped, and lines beyond the rate limit are
   * counted and dropped. Does not wait.
   *
   * @requires nothing "every component may log; length and rate are limited"
   */
  export function log(level: Level, message: string): void;
}

declare module "airswasm:component/messaging@0.1.0" {
  /**
   * Why a message was not delivered or not answered. The text is for people;
   * a component decides by the case.
   */
  export type MessagingError = { tag: "denied"; val: string } | { tag: "unknown-target"; val: string } | { tag: "mailbox-full"; val: string } | { tag: "too-large"; val: string } | { tag: "rate-limited"; val: string } | { tag: "invalid"; val: string } | { tag: "timed-out" } | { tag: "cancelled" } | { tag: "cycle"; val: string } | { tag: "failed"; val: string } | { tag: "too-many-hops"; val: string };
  /**
   * What travels with a message beside its payload.
   */
  export interface MessageEnvelope {
    id: string;
    correlation: string;
    hops: number;
    remainingMs?: bigint | undefined;
    traceparent?: string | undefined;
    codec?: string | undefined;
    attempt: number;
    replayOf?: string | undefined;
    retained: boolean;
  }
  /**
   * Returns what came with the message in hand; none outside of
   * `handle-message` and `handle-callback`. Each message that is sent
   * meanwhile carries it on: the correlation, the trace context, one hop
   * more, and for `request` and `call` the time that is left. Does not wait.
   *
   * @requires nothing "a component may know what its own message came with"
   */
  export function envelope(): MessageEnvelope | undefined;
  /**
   * Puts a message into the target's mailbox and returns. A reply, if the
   * target gives one, is dropped. Waits only for the disk, and only where the
   * target is durable.
   *
   * @requires messaging:send(target)
   */
  export function send(target: string, payload: Uint8Array): void;
  /**
   * Sends one message to several targets, and returns an outcome for each, in
   * their order. One that is denied or full does not keep it from the others.
   * The host bounds the number of targets (`too-large`). Waits only for the
   * disk, and only where a target is durable.
   *
   * @requires messaging:send(targets)
   */
  export function broadcast(targets: Array<string>, payload: Uint8Array): Array<{ tag: "ok"; val: undefined } | { tag: "err"; val: MessagingError }>;
  /**
   * Sends a message and returns an id at once; the answer arrives through
   * `callbacks.handle-callback`. Does not wait. `timeout-ms` is at most the
   * host's limit; 0 means the host's default.
   *
   * @requires messaging:request(target)
   */
  export function request(target: string, payload: Uint8Array, timeoutMs: number): bigint;
  /**
   * Sends a message and waits for the answer. While it waits, this component
   * handles nothing else, and others go on. `timeout-ms` as in `request`.
   *
   * @requires messaging:request(target)
   */
  export function call(target: string, payload: Uint8Array, timeoutMs: number): Uint8Array | undefined;
  /**
   * Gives up on a request; its callback will not be called. False when the
   * id is unknown or already answered. Does not wait.
   *
   * @requires nothing "a component may always give up its own requests"
   */
  export function cancel(requestId: bigint): boolean;
  /**
   * Publishes to a topic and returns the number of mailboxes it was put
   * into. Topics are segments joined by dots, `orders.eu.paid`. Waits only
   * for the disk, and only where the topic or a subscriber is durable.
   *
   * @requires messaging:publish(topic)
   */
  export function publish(topic: string, payload: Uint8Array): number;
  /**
   * Publishes as `publish` does, and keeps the payload as the topic's value:
   * a later subscriber gets it at once, marked as `retained` in its
   * envelope. A topic has one value, the last. An empty payload removes it,
   * and is published all the same. A value goes when the component that
   * published it is purged, and when the host stops, unless the topic is
   * durable or the host's settings keep its value: then this waits until it
   * is on the disk. The host bounds their number and bytes
   * (`rate-limited`). Waits as `publish` does.
   *
   * @requires messaging:publish(topic)
   */
  export function publishRetained(topic: string, payload: Uint8Array): number;
  /**
   * Receives what is published to topics that match `pattern` from now on,
   * and the values that were retained before: `*` stands for one segment,
   * `**` for any number, none included. The subscription ends with
   * `unsubscribe` or with this incarnation; where the component or a topic is
   * durable, it stays for the next one. Does not wait.
   *
   * @requires messaging:subscribe(pattern)
   */
  export function subscribe(pattern: string): void;
  /**
   * Ends a subscription; without effect when there is none. Does not wait.
   *
   * @requires nothing "a component may always end its own subscriptions"
   */
  export function unsubscribe(pattern: string): void;
}

declare module "airswasm:component/callbacks@0.1.0" {
  export type MessagingError = import("airswasm:component/messaging@0.1.0").MessagingError;
  /**
   * Delivers the outcome of the request with this id: the reply, or why
   * there is none. Called exactly once for each request that was accepted
   * and not cancelled, in turn with other messages.
   */
  export function handleCallback(requestId: bigint, outcome: { tag: "ok"; val: Uint8Array | undefined } | { tag: "err"; val: MessagingError }): void;
}

declare module "airswasm:component/os-errors@0.1.0" {
  /**
   * Why an operation of the operating system layer failed. The text is for
   * people; a component decides by the case.
   */
  export type OsError = { tag: "denied"; val: string } | { tag: "not-found"; val: string } | { tag: "exists"; val: string } | { tag: "invalid"; val: string } | { tag: "limit-exceeded"; val: string } | { tag: "timed-out" } | { tag: "disconnected"; val: string } | { tag: "failed"; val: string };
}

declare module "airswasm:component/dns@0.1.0" {
  export type OsError = import("airswasm:component/os-errors@0.1.0").OsError;
  /**
   * The IP addresses of a name, IPv4 and IPv6. Waits for the resolver, at
   * most `timeout-ms`.
   *
   * @requires dns:resolve(name)
   */
  export function resolve(name: string, timeoutMs: number): Array<string>;
}

declare module "airswasm:component/filesystem@0.1.0" {
  export type OsError = import("airswasm:component/os-errors@0.1.0").OsError;
  /**
   * What a directory entry is.
   */
  export type FileKind = "file" | "directory" | "other";
  /**
   * One name in a directory.
   */
  export interface DirectoryEntry {
    name: string;
    kind: FileKind;
  }
  /**
   * What is known of a file without reading it.
   */
  export interface FileInfo {
    kind: FileKind;
    sizeBytes: bigint;
    modifiedNs: bigint;
  }
  export class OpenFile {
    /**
     * At most `max-bytes` from `offset`; empty at the end. Waits for the
     * disk.
     *
     * @requires nothing "opening was checked"
     */
    read(offset: bigint, maxBytes: number): Uint8Array;
    /**
     * Writes all of `content` at `offset`, past the end also. Waits for
     * the disk.
     *
     * @requires nothing "opening was checked"
     */
    write(offset: bigint, content: Uint8Array): void;
    /**
     * Writes all of `content` at the end, and returns the new size. Waits
     * for the disk.
     *
     * @requires nothing "opening was checked"
     */
    append(content: Uint8Array): bigint;
    /**
     * Cuts the file, or lengthens it by zeroes. Waits for the disk.
     *
     * @requires nothing "opening was checked"
     */
    setSize(sizeBytes: bigint): void;
    /**
     * Returns once the disk has what was written. Waits for the disk.
     *
     * @requires nothing "opening was checked"
     */
    sync(): void;
    /**
     * What is known of the file. Waits for the disk.
     *
     * @requires nothing "opening was checked"
     */
    info(): FileInfo;
    /**
     * Gives a file of `open-to-replace` its name, in one step: a reader
     * sees the old content or the new. Waits for the disk.
     *
     * @requires nothing "opening was checked"
     */
    commit(): void;
  }
  /**
   * Opens a file to read it in parts. Waits for the disk.
   *
   * @requires filesystem:read(path)
   */
  export function openToRead(path: string): OpenFile;
  /**
   * Opens a file to write, creating it if needed. Waits for the disk.
   *
   * @requires filesystem:write(path)
   */
  export function openToWrite(path: string): OpenFile;
  /**
   * Opens a file that exists, to read and write. Waits for the disk.
   *
   * @requires filesystem:read(path)
   * @requires filesystem:write(path)
   */
  export function openToUpdate(path: string): OpenFile;
  /**
   * Creates a file to write; `exists` if it is there. Waits for the disk.
   *
   * @requires filesystem:write(path)
   */
  export function openToCreate(path: string): OpenFile;
  /**
   * Opens a new file to write, which takes the name with `commit`. Dropped
   * without, it is gone. Waits for the disk.
   *
   * @requires filesystem:write(path)
   */
  export function openToReplace(path: string): OpenFile;
  /**
   * At most `max-bytes` of a file, from `offset`. Waits for the disk.
   *
   * @requires filesystem:read(path)
   */
  export function read(path: string, offset: bigint, maxBytes: number): Uint8Array;
  /**
   * Replaces a file as a whole: a reader sees the old content or the new.
   * Waits for the disk.
   *
   * @requires filesystem:write(path)
   */
  export function write(path: string, content: Uint8Array): void;
  /**
   * Adds to the end of a file, creating it if needed. Waits for the disk.
   *
   * @requires filesystem:write(path)
   */
  export function append(path: string, content: Uint8Array): void;
  /**
   * Removes a file or an empty directory. Waits for the disk.
   *
   * @requires filesystem:delete(path)
   */
  export function remove(path: string): void;
  /**
   * Renames a file or directory within its mount, replacing any file of the
   * new name. For a directory the capabilities must cover all that it has.
   * Waits for the disk.
   *
   * @requires filesystem:read(path)
   * @requires filesystem:delete(path)
   * @requires filesystem:write(to)
   */
  export function rename(path: string, to: string): void;
  /**
   * Creates a directory. Waits for the disk.
   *
   * @requires filesystem:write(path)
   */
  export function createDirectory(path: string): void;
  /**
   * The entries of a directory, by name. Waits for the disk.
   *
   * @requires filesystem:list(path)
   */
  export function listDirectory(path: string): Array<DirectoryEntry>;
  /**
   * The next entries of a directory, by name: at most `max-entries` that come
   * after the name `after`, which is empty for the first page. An empty page is
   * behind the last. Waits for the disk.
   *
   * @requires filesystem:list(path)
   */
  export function listPage(path: string, after: string, maxEntries: number): Array<DirectoryEntry>;
  /**
   * What is known of a file. Waits for the disk.
   *
   * @requires filesystem:read(path)
   */
  export function stat(path: string): FileInfo;
}

declare module "airswasm:component/http@0.1.0" {
  export type OsError = import("airswasm:component/os-errors@0.1.0").OsError;
  /**
   * A response, its body read whole.
   */
  export interface Response {
    status: number;
    headers: Array<[string, string]>;
    body: Uint8Array;
  }
  /**
   * The most that each step of a request may take, in milliseconds. 0 stands
   * for the host's own limit, which no number exceeds.
   */
  export interface Timeouts {
    connectMs: number;
    firstByteMs: number;
    betweenBytesMs: number;
    totalMs: number;
  }
  export class RequestBody {
    /**
     * Sends more of the body. Waits while the server does not read. With
     * `disconnected` the server reads no more of it, and may have answered:
     * `finish` tells.
     *
     * @requires nothing "opening was checked"
     */
    write(data: Uint8Array): void;
    /**
     * Ends the body, with `trailers`, and waits until the response begins.
     *
     * @requires nothing "opening was checked"
     */
    finish(trailers: Array<[string, string]>): ResponseBody;
  }
  export class ResponseBody {
    /**
     * The status code, such as 200 or 404. Does not wait.
     *
     * @requires nothing "opening was checked"
     */
    status(): number;
    /**
     * Names with their values, in the order they came. Does not wait.
     *
     * @requires nothing "opening was checked"
     */
    headers(): Array<[string, string]>;
    /**
     * At least one byte of the body and at most `max-bytes`; empty at its
     * end. Waits for the server.
     *
     * @requires nothing "opening was checked"
     */
    read(maxBytes: number): Uint8Array;
    /**
     * What the server has sent after the body; nothing before its end. Does
     * not wait.
     *
     * @requires nothing "opening was checked"
     */
    trailers(): Array<[string, string]>;
  }
  /**
   * Begins a request whose body is sent in parts, and whose response is read
   * in parts. Redirects are not followed. Waits until the connection stands.
   *
   * @requires http:request(method, url)
   */
  export function open(method: string, url: string, headers: Array<[string, string]>, timeouts: Timeouts): RequestBody;
  /**
   * Makes one request and waits for the whole response. Redirects are not
   * followed: the answer says where to, and going there is checked anew.
   *
   * @requires http:request(method, url)
   */
  export function request(method: string, url: string, headers: Array<[string, string]>, body: Uint8Array, timeoutMs: number): Response;
}

declare module "airswasm:component/process@0.1.0" {
  export type OsError = import("airswasm:component/os-errors@0.1.0").OsError;
  /**
   * How a program ended and what it printed.
   */
  export interface Completed {
    exitCode: number;
    stdout: Uint8Array;
    stderr: Uint8Array;
  }
  /**
   * Signals that a component may send to its programs.
   */
  export type Signal = "interrupt" | "terminate" | "hangup" | "quit" | "user1" | "user2" | "stop" | "continue";
  export class Child {
    /**
     * At least one byte and at most `max-bytes` of what it printed; empty
     * after the last. Waits for the program, which waits in turn while much is
     * unread.
     *
     * @requires nothing "starting it was checked"
     */
    readStdout(maxBytes: number): Uint8Array;
    /**
     * The same of its error output. Waits for the program.
     *
     * @requires nothing "starting it was checked"
     */
    readStderr(maxBytes: number): Uint8Array;
    /**
     * Writes all of `data` to its input. Waits for the program to read.
     * `disconnected` once it reads no more.
     *
     * @requires nothing "starting it was checked"
     */
    writeStdin(data: Uint8Array): void;
    /**
     * Lets it read the end of its input. Does not wait.
     *
     * @requires nothing "starting it was checked"
     */
    closeStdin(): void;
    /**
     * Waits for its end: 0 for success; the negative number of the signal that
     * ended it. `timed-out` when the host ended it because its time was over.
     * What it printed can still be read.
     *
     * @requires nothing "starting it was checked"
     */
    wait(): number;
    /**
     * Sends it a signal, if the capability `process.signal` covers its
     * command line; `disconnected` if it has ended. Does not wait.
     *
     * @requires nothing "the host checks process:signal on its command line"
     */
    signal(signal: Signal): void;
    /**
     * Kills it and all that it started. Does not wait.
     *
     * @requires nothing "starting it was checked"
     */
    kill(): void;
  }
  /**
   * Runs `program` with `arguments` and `stdin` and waits for its end, at
   * most `timeout-ms` (0 for the host's default); then it and all it
   * started is killed. The arguments count with the program: a grant can say
   * which are allowed.
   *
   * @requires process:spawn(program, arguments)
   */
  export function run(program: string, arguments: Array<string>, stdin: Uint8Array, timeoutMs: number): Completed;
  /**
   * Starts `program` with `arguments`, in a `directory` below the
   * component's `/`, which it needs `filesystem.list` for unless it is `/`.
   * `environment` is added to the host's variables for programs; the host's
   * policy lists the names that may be set. It ends after `timeout-ms` (0
   * for the host's default). The arguments count with the program, as in
   * `run`. Waits for the start.
   *
   * @requires process:spawn(program, arguments)
   */
  export function spawn(program: string, arguments: Array<string>, directory: string, environment: Array<[string, string]>, timeoutMs: number): Child;
}

declare module "airswasm:component/storage@0.1.0" {
  /**
   * Why a read was refused or failed.
   */
  export type StorageError = { tag: "denied"; val: string } | { tag: "invalid-key"; val: string } | { tag: "too-large"; val: string } | { tag: "unavailable"; val: string };
  /**
   * The numbers behind a `quota-exceeded`.
   */
  export interface QuotaState {
    usedBytes: bigint;
    neededBytes: bigint;
    quotaBytes: bigint;
    usedKeys: bigint;
    neededKeys: bigint;
    quotaKeys?: bigint | undefined;
  }
  /**
   * Why a write was refused or failed; nothing was changed.
   */
  export type WriteError = { tag: "denied"; val: string } | { tag: "invalid-key"; val: string } | { tag: "invalid"; val: string } | { tag: "too-large"; val: string } | { tag: "quota-exceeded"; val: QuotaState } | { tag: "conflict"; val: Uint8Array | undefined } | { tag: "unavailable"; val: string };
  /**
   * What one call of `delete-prefix` did.
   */
  export interface Deleted {
    keys: number;
    more: boolean;
  }
  /**
   * One key with its value.
   */
  export interface Entry {
    key: string;
    value: Uint8Array;
  }
  /**
   * A part of a scan, in the order of the keys' bytes.
   */
  export interface Page {
    entries: Array<Entry>;
    next?: string | undefined;
  }
  /**
   * What the component's namespace holds.
   */
  export interface UsageInfo {
    usedBytes: bigint;
    keys: bigint;
    quotaBytes: bigint;
    quotaKeys?: bigint | undefined;
  }
  /**
   * The value of a key, or none. Waits for the disk.
   *
   * @requires storage:read(key)
   */
  export function get(key: string): Uint8Array | undefined;
  /**
   * Writes a value; when this returns `ok`, the value survives a crash of
   * the host. Waits for the disk.
   *
   * @requires storage:write(key)
   */
  export function set(key: string, value: Uint8Array): void;
  /**
   * Removes a key; says whether it was there. Waits for the disk.
   *
   * @requires storage:delete(key)
   */
  function _delete(key: string): boolean;
  export { _delete as delete };
  /**
   * Whether a key is there, without reading its value. Waits for the disk.
   *
   * @requires storage:read(key)
   */
  export function exists(key: string): boolean;
  /**
   * The entries whose keys start with `prefix`, a page at a time: at most
   * `limit` entries (0 for the host's default, which is also the most) and
   * at most 256 KiB. Waits for the disk.
   *
   * @requires storage:read(prefix)
   */
  export function scanPrefix(prefix: string, after: string | undefined, limit: number): Page;
  /**
   * As `scan-prefix`, from either end: with `reverse` the highest key comes
   * first, and `after` means below it. Waits for the disk.
   *
   * @requires storage:read(prefix)
   */
  export function scan(prefix: string, after: string | undefined, limit: number, reverse: boolean): Page;
  /**
   * Milliseconds until a key expires; none if it never does, or is not
   * there. Waits for the disk.
   *
   * @requires storage:read(key)
   */
  export function ttl(key: string): bigint | undefined;
  /**
   * Writes a value that expires: afterwards the key is not there. `set`
   * makes a key last again. Waits for the disk.
   *
   * @requires storage:write(key)
   */
  export function setWithTtl(key: string, value: Uint8Array, ttlMs: bigint): void;
  /**
   * Writes a value, or deletes the key with none, only if the key has the
   * expected value; none expects that it is not there. Otherwise the error
   * is `conflict`. To delete takes `storage.delete` too. Waits for the disk.
   *
   * @requires storage:read(key)
   * @requires storage:write(key)
   */
  export function compareAndSet(key: string, expected: Uint8Array | undefined, value: Uint8Array | undefined, ttlMs: bigint | undefined): void;
  /**
   * Deletes keys, and then sets others: all changes or none. Each key is
   * `prefix`, which may be empty, and what `set` or `remove` adds to it. The
   * values of the keys to set follow each other in `values`, and `sizes` has
   * the bytes of each. The host bounds number (1,024 by default) and bytes
   * (4 MiB) of the changes: beyond is `too-large`. To delete takes
   * `storage.delete` too. Says how many keys were deleted. Waits for the disk.
   *
   * @requires storage:write(prefix)
   */
  export function batch(prefix: string, set: Array<string>, sizes: Uint32Array, values: Uint8Array, remove: Array<string>): number;
  /**
   * Deletes the keys that start with `prefix`, as many in one atomic step as
   * a page of a scan holds. Waits for the disk.
   *
   * @requires storage:delete(prefix)
   */
  export function deletePrefix(prefix: string): Deleted;
  /**
   * How much of its quota the component uses. Does not wait.
   *
   * @requires nothing "it tells a component only about itself"
   */
  export function usage(): UsageInfo;
}

declare module "airswasm:component/tcp@0.1.0" {
  export type OsError = import("airswasm:component/os-errors@0.1.0").OsError;
  export class Connection {
    /**
     * At least one byte and at most `max-bytes`; empty when the peer has
     * ended its side. Waits for the peer.
     *
     * @requires nothing "connecting was checked"
     */
    receive(maxBytes: number): Uint8Array;
    /**
     * Sends all of `data`. Waits for the peer.
     *
     * @requires nothing "connecting was checked"
     */
    send(data: Uint8Array): void;
    /**
     * Ends the sending side: the peer reads the end after all that was
     * sent. Receiving goes on. Does not wait for the peer.
     *
     * @requires nothing "connecting was checked"
     */
    finish(): void;
    /**
     * The peer's address, `ip:port`. Does not wait.
     *
     * @requires nothing "connecting was checked"
     */
    peer(): string;
  }
  export class Listener {
    /**
     * The address, `ip:port`, with the port that the system chose for 0.
     * Does not wait.
     *
     * @requires nothing "listening was checked"
     */
    address(): string;
    /**
     * The next connection. Waits for a peer, at most `timeout-ms`.
     *
     * @requires nothing "listening was checked"
     */
    accept(timeoutMs: number): Connection;
  }
  /**
   * Connects to `address`, a `host:port`. Waits for the peer.
   *
   * @requires tcp:connect(address)
   */
  export function connect(address: string, timeoutMs: number): Connection;
  /**
   * Listens on `address`, an `ip:port` of this host; the port 0 stands for a
   * free one. Does not wait for peers.
   *
   * @requires tcp:listen(address)
   */
  export function listen(address: string): Listener;
}

declare module "airswasm:component/timers@0.1.0" {
  export type MessagingError = import("airswasm:component/messaging@0.1.0").MessagingError;
  /**
   * Sends a message once, `delay-ms` from now, and returns the timer's id.
   *
   * A durable timer outlives this incarnation and the host: it is written
   * before this returns, for which the call waits. When its time passes
   * while the host is down, or before the target runs, it fires once as
   * soon as that is over. A timer that is not durable ends with this
   * incarnation, and its message is a dead letter if the target does not
   * take it.
   *
   * @requires messaging:schedule(target)
   */
  export function sendLater(target: string, payload: Uint8Array, delayMs: bigint, durable: boolean): bigint;
  /**
   * Sends a message every `interval-ms`, the first time an interval from
   * now, until `cancel`; returns the timer's id. The host sets the shortest
   * interval. A time that passes unused is skipped, not made up for: after
   * the host was down, a durable timer fires once for all that it missed.
   * `durable` as in `send-later`, also for how long it waits.
   *
   * @requires messaging:schedule(target)
   */
  export function sendEvery(target: string, payload: Uint8Array, intervalMs: bigint, durable: boolean): bigint;
  /**
   * Ends a timer; false when the id is unknown or the timer has ended. Waits
   * for the disk where the timer is durable.
   *
   * @requires nothing "a component may always end its own timers"
   */
  export function cancel(timerId: bigint): boolean;
}

declare module "airswasm:component/tracing@0.1.0" {
  /**
   * One fact about a span or an event.
   */
  export interface Attribute {
    key: string;
    value: string;
  }
  /**
   * The W3C trace context of the message in hand, for what the component
   * calls by ways that the host does not see. The last two digits are `01`
   * if it is traced. Does not wait.
   *
   * @requires nothing "it tells a component only about its own message"
   */
  export function current(): string | undefined;
  /**
   * Sets an attribute of the message's span, 32 at most. Does not wait.
   *
   * @requires nothing "every component may note; number and length are limited"
   */
  export function setAttribute(key: string, value: string): void;
  /**
   * Adds an event to the message's span, with the time of the call; 32 at
   * most, each with up to 16 attributes. Does not wait.
   *
   * @requires nothing "every component may note; number and length are limited"
   */
  export function addEvent(name: string, attributes: Array<Attribute>): void;
}

declare module "airswasm:component/udp@0.1.0" {
  export type OsError = import("airswasm:component/os-errors@0.1.0").OsError;
  /**
   * One datagram that was received.
   */
  export interface Datagram {
    sender: string;
    data: Uint8Array;
  }
  export class Socket {
    /**
     * The address, `ip:port`, with the port that the system chose for 0.
     * Does not wait.
     *
     * @requires nothing "binding was checked"
     */
    address(): string;
    /**
     * Sends one datagram to `address`, a `host:port`. Waits for room.
     *
     * @requires udp:send(address)
     */
    send(address: string, data: Uint8Array): void;
    /**
     * The next datagram, from any peer. Waits for it, at most `timeout-ms`.
     *
     * @requires nothing "binding was checked"
     */
    receive(timeoutMs: number): Datagram;
  }
  /**
   * Sends one datagram to `address`, a `host:port`, and waits for one answer
   * from there, at most `timeout-ms`.
   *
   * @requires udp:send(address)
   */
  export function exchange(address: string, data: Uint8Array, timeoutMs: number): Uint8Array;
  /**
   * Receives datagrams at `address`, an `ip:port` of this host; the port 0
   * stands for a free one. Does not wait for peers.
   *
   * @requires udp:listen(address)
   */
  export function bind(address: string): Socket;
}
