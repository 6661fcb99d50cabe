"""Calls every host function once and answers with what each gave; see guests.py."""

import airswasm_codec
from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import (
    capabilities,
    filesystem,
    http,
    logging,
    messaging,
    os_errors,
    process,
    storage,
    tcp,
    timers,
    tracing,
    udp,
)


def text(payload):
    return "none" if payload is None else payload.decode()


def word(value):
    return str(value).lower()


def outcome_word(outcome):
    if isinstance(outcome, Err) and isinstance(outcome.value, messaging.MessagingError_TooManyHops):
        return outcome.value.value
    return "ok"


def messages():
    other = "local/other"
    messaging.send(other, b"s")
    yield "send ok"
    yield f"request {messaging.request(other, b'r', 5)}"
    yield f"call {text(messaging.call(other, b'c', 6))}"
    yield f"cancel {word(messaging.cancel(2**64 - 1))}"
    yield f"publish {messaging.publish('a.b', b'p')}"
    yield f"retain {messaging.publish_retained('a.b', b'p')}"
    outcomes = messaging.broadcast(["a/a", "b/b"], b"x")
    yield f"broadcast {' '.join(map(outcome_word, outcomes))}"
    it = messaging.envelope()
    yield (
        f"envelope {it.id} {it.correlation} {it.hops} {it.remaining_ms} {it.traceparent} "
        f"{it.codec} {it.attempt} {it.replay_of} {word(it.retained)}"
    )
    messaging.subscribe("a.**")
    yield "subscribe ok"
    try:
        messaging.unsubscribe("a.**")
    except Err as error:
        if isinstance(error.value, messaging.MessagingError_Invalid):
            yield f"unsubscribe invalid {error.value.value}"


def timing():
    other = "local/other"
    yield f"later {timers.send_later(other, b'l', 2**64 - 1, True)}"
    try:
        timers.send_every(other, b"e", 11, False)
    except Err as error:
        if isinstance(error.value, messaging.MessagingError_Invalid):
            yield f"every invalid {error.value.value}"
    yield f"end {word(timers.cancel(2**64 - 1))}"


def store():
    yield f"get {text(storage.get('k'))}"
    storage.set("k", b"v")
    yield "set ok"
    yield f"get {text(storage.get('k'))}"
    yield f"exists {word(storage.exists('k'))}"
    yield f"delete {word(storage.delete('k'))}"
    page = storage.scan_prefix("", "a", 10)
    entries = "".join(f" {entry.key}={text(entry.value)}" for entry in page.entries)
    yield f"scan{entries} next {page.next}"
    page = storage.scan("p", None, 3, True)
    yield "back" + "".join(f" {entry.key}={text(entry.value)}" for entry in page.entries)
    yield f"ttl {storage.ttl('k')}"
    storage.set_with_ttl("k", b"v", 9)
    yield "expiring ok"
    try:
        storage.compare_and_set("k", b"o", b"n", None)
    except Err as error:
        if isinstance(error.value, storage.WriteError_Conflict):
            yield f"swap {text(error.value.value)}"
    yield f"batch {storage.batch('p/', ['a', 'c'], [1, 2], b'122', ['b'])}"
    try:
        storage.batch("", [], [], b"", [])
    except Err as error:
        if isinstance(error.value, storage.WriteError_QuotaExceeded):
            quota = error.value.value
            sizes = f"{quota.used_bytes} {quota.needed_bytes} {quota.quota_bytes}"
            yield f"full {sizes} {quota.used_keys} {quota.needed_keys} {quota.quota_keys}"
    deleted = storage.delete_prefix("p/")
    yield f"prefix {deleted.keys} {word(deleted.more)}"
    usage = storage.usage()
    yield f"usage {usage.used_bytes} {usage.keys} {usage.quota_bytes}"
    yield f"check {word(capabilities.check('storage:read', 'k'))}"
    for grant in capabilities.list():
        yield f"list {grant.capability}={grant.pattern}"
    yield f"current {tracing.current()}"
    tracing.set_attribute("shop.size", "2")
    tracing.add_event("seen", [tracing.Attribute("a", "b")])


def files():
    yield f"read {text(filesystem.read('f', 1, 9))}"
    filesystem.write("f", b"w")
    yield "write ok"
    filesystem.append("f", b"a")
    yield "append ok"
    try:
        filesystem.remove("f")
    except Err as error:
        if isinstance(error.value, os_errors.OsError_NotFound):
            yield f"remove not-found {error.value.value}"
    filesystem.create_directory("d")
    yield "mkdir ok"
    for entry in filesystem.list_directory("d"):
        yield f"ls {entry.name} {entry.kind.name.lower()}"
    found = filesystem.stat("f")
    yield f"stat {found.kind.name.lower()} {found.size_bytes} {found.modified_ns}"


def network():
    ended = process.run("echo", ["a", "b"], b"in", 7)
    yield f"run {ended.exit_code} {text(ended.stdout)} {text(ended.stderr)}"
    with tcp.connect("h:1", 8) as connection:
        yield "connect"
        yield f"receive {text(connection.receive(9))}"
        connection.send(b"x")
        yield "send ok"
    yield f"exchange {text(udp.exchange('h:2', b'u', 9))}"
    page = http.request("GET", "http://h/", [("a", "b")], b"body", 10)
    (name, value), *_ = page.headers
    yield f"http {page.status} {name}={value} {text(page.body)}"


def coded(payload):
    number, content = airswasm_codec.split(payload)
    if number is None:
        return b"none"
    logging.log(logging.Level.INFO, f"codec {number}")
    return airswasm_codec.wrap(number, content)


class Handler(exports.Handler):
    def handle_message(self, sender, topic, payload):
        logging.log(logging.Level.WARN, f"message from {sender}")
        if topic == "codec":
            return coded(payload)
        if topic is not None:
            return topic.encode()
        if payload == b"quiet":
            return None
        if payload != b"tour":
            raise Err(f"unknown command {text(payload)}")
        return ";".join([*messages(), *timing(), *store(), *files(), *network()]).encode()


class Lifecycle(exports.Lifecycle):
    def init(self, config):
        if config != "{}":
            raise Err(f"bad config {config}")

    def shutdown(self):
        logging.log(logging.Level.INFO, "shutdown")


class Callbacks(exports.Callbacks):
    def handle_callback(self, request_id, outcome):
        if isinstance(outcome, Ok):
            said = text(outcome.value)
        elif isinstance(outcome.value, messaging.MessagingError_TimedOut):
            said = "timed-out"
        else:
            said = outcome.value.value
        logging.log(logging.Level.INFO, f"callback {request_id} {said}")


class Health(exports.Health):
    def check(self):
        raise Err("unwell")


class Migration(exports.Migration):
    def migrate(self, from_version):
        logging.log(logging.Level.INFO, f"migrate {from_version}")
