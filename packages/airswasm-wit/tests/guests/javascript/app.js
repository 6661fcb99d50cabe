// Calls every host function once and answers with what each gave; see test_guests.py.
import * as capabilities from "airswasm:component/capabilities@0.1.0";
import * as tracing from "airswasm:component/tracing@0.1.0";
import * as filesystem from "airswasm:component/filesystem@0.1.0";
import * as http from "airswasm:component/http@0.1.0";
import { log } from "airswasm:component/logging@0.1.0";
import * as messaging from "airswasm:component/messaging@0.1.0";
import * as process from "airswasm:component/process@0.1.0";
import * as storage from "airswasm:component/storage@0.1.0";
import * as tcp from "airswasm:component/tcp@0.1.0";
import * as timers from "airswasm:component/timers@0.1.0";
import * as udp from "airswasm:component/udp@0.1.0";
import { split, wrap } from "./airswasm-codec.js";

const bytes = (text) => new TextEncoder().encode(text);
const text = (payload) => (payload === undefined ? "none" : new TextDecoder().decode(payload));

// A host function that answers with an error throws; its value is the payload.
const refusal = (call) => {
  try {
    call();
  } catch (error) {
    return `${error.payload.tag} ${error.payload.val}`;
  }
};

function* messages() {
  const other = "local/other";
  messaging.send(other, bytes("s"));
  yield "send ok";
  yield `request ${messaging.request(other, bytes("r"), 5)}`;
  yield `call ${text(messaging.call(other, bytes("c"), 6))}`;
  yield `cancel ${messaging.cancel(2n ** 64n - 1n)}`;
  yield `publish ${messaging.publish("a.b", bytes("p"))}`;
  yield `retain ${messaging.publishRetained("a.b", bytes("p"))}`;
  const outcomes = messaging.broadcast(["a/a", "b/b"], bytes("x"));
  const words = outcomes.map(({ tag, val }) =>
    tag === "err" && val.tag === "too-many-hops" ? val.val : tag,
  );
  yield `broadcast ${words.join(" ")}`;
  const it = messaging.envelope();
  yield [
    "envelope", it.id, it.correlation, it.hops, it.remainingMs, it.traceparent, it.codec,
    it.attempt, it.replayOf, it.retained,
  ].join(" ");
  messaging.subscribe("a.**");
  yield "subscribe ok";
  yield `unsubscribe ${refusal(() => messaging.unsubscribe("a.**"))}`;
}

function* timing() {
  const other = "local/other";
  yield `later ${timers.sendLater(other, bytes("l"), 2n ** 64n - 1n, true)}`;
  yield `every ${refusal(() => timers.sendEvery(other, bytes("e"), 11n, false))}`;
  yield `end ${timers.cancel(2n ** 64n - 1n)}`;
}

function* store() {
  yield `get ${text(storage.get("k"))}`;
  storage.set("k", bytes("v"));
  yield "set ok";
  yield `get ${text(storage.get("k"))}`;
  yield `exists ${storage.exists("k")}`;
  yield `delete ${storage["delete"]("k")}`;
  const page = storage.scanPrefix("", "a", 10);
  const entries = page.entries.map((entry) => ` ${entry.key}=${text(entry.value)}`).join("");
  yield `scan${entries} next ${page.next}`;
  const back = storage.scan("p", undefined, 3, true).entries;
  yield `back${back.map((entry) => ` ${entry.key}=${text(entry.value)}`).join("")}`;
  yield `ttl ${storage.ttl("k")}`;
  storage.setWithTtl("k", bytes("v"), 9n);
  yield "expiring ok";
  const refused = (call) => {
    try {
      call();
    } catch (error) {
      return error.payload;
    }
  };
  const conflict = refused(() => storage.compareAndSet("k", bytes("o"), bytes("n"), undefined));
  if (conflict.tag === "conflict") yield `swap ${text(conflict.val)}`;
  const sizes = new Uint32Array([1, 2]);
  yield `batch ${storage.batch("p/", ["a", "c"], sizes, bytes("122"), ["b"])}`;
  const full = refused(() => storage.batch("", [], new Uint32Array(), bytes(""), []));
  if (full.tag === "quota-exceeded") {
    const { usedBytes, neededBytes, quotaBytes, usedKeys, neededKeys, quotaKeys } = full.val;
    yield `full ${usedBytes} ${neededBytes} ${quotaBytes} ${usedKeys} ${neededKeys} ${quotaKeys}`;
  }
  const deleted = storage.deletePrefix("p/");
  yield `prefix ${deleted.keys} ${deleted.more}`;
  const usage = storage.usage();
  yield `usage ${usage.usedBytes} ${usage.keys} ${usage.quotaBytes}`;
  yield `check ${capabilities.check("storage:read", "k")}`;
  for (const grant of capabilities.list()) yield `list ${grant.capability}=${grant.pattern}`;
  yield `current ${tracing.current()}`;
  tracing.setAttribute("shop.size", "2");
  tracing.addEvent("seen", [{ key: "a", value: "b" }]);
}

function* files() {
  yield `read ${text(filesystem.read("f", 1n, 9))}`;
  filesystem.write("f", bytes("w"));
  yield "write ok";
  filesystem.append("f", bytes("a"));
  yield "append ok";
  yield `remove ${refusal(() => filesystem.remove("f"))}`;
  filesystem.createDirectory("d");
  yield "mkdir ok";
  for (const entry of filesystem.listDirectory("d")) yield `ls ${entry.name} ${entry.kind}`;
  const found = filesystem.stat("f");
  yield `stat ${found.kind} ${found.sizeBytes} ${found.modifiedNs}`;
}

function* network() {
  const ended = process.run("echo", ["a", "b"], bytes("in"), 7);
  yield `run ${ended.exitCode} ${text(ended.stdout)} ${text(ended.stderr)}`;
  const connection = tcp.connect("h:1", 8);
  yield "connect";
  yield `receive ${text(connection.receive(9))}`;
  connection.send(bytes("x"));
  yield "send ok";
  connection[Symbol.dispose]();
  yield `exchange ${text(udp.exchange("h:2", bytes("u"), 9))}`;
  const page = http.request("GET", "http://h/", [["a", "b"]], bytes("body"), 10);
  const [[name, value]] = page.headers;
  yield `http ${page.status} ${name}=${value} ${text(page.body)}`;
}

function coded(payload) {
  const { codec, content } = split(payload);
  if (codec === undefined) return bytes("none");
  log("info", `codec ${codec}`);
  return wrap(codec, content);
}

export const handler = {
  handleMessage(sender, topic, payload) {
    log("warn", `message from ${sender}`);
    if (topic === "codec") return coded(payload);
    if (topic !== undefined) return bytes(topic);
    if (text(payload) === "quiet") return undefined;
    if (text(payload) !== "tour") throw `unknown command ${text(payload)}`;
    return bytes([...messages(), ...timing(), ...store(), ...files(), ...network()].join(";"));
  },
};

export const lifecycle = {
  init(config) {
    if (config !== "{}") throw `bad config ${config}`;
  },
  shutdown() {
    log("info", "shutdown");
  },
};

export const callbacks = {
  handleCallback(requestId, outcome) {
    if (outcome.tag === "ok") log("info", `callback ${requestId} ${text(outcome.val)}`);
    else log("info", `callback ${requestId} ${outcome.val.val ?? outcome.val.tag}`);
  },
};

export const health = {
  check() {
    throw "unwell";
  },
};

export const migration = {
  migrate(fromVersion) {
    log("info", `migrate ${fromVersion}`);
  },
};
