"""Contexts are derived from messages, and the receipt of a traced message says its place."""

from __future__ import annotations

import re
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest
from airswasm.actor import (
    Actor,
    ActorSystem,
    CheckHealth,
    ComponentActor,
    Context,
    Envelope,
    LifecycleEvent,
    Message,
    Outcome,
    Receipt,
    Trace,
    Tracing,
    read_traceparent,
)
from airswasm.runtime import Engine, HostInterface, Pending
from hypothesis import given
from hypothesis import strategies as st
from wasmtime import wat2wasm

from .conftest import MOODY, guest_wat

pytestmark = pytest.mark.anyio

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-2] + "00"


class Plain:
    """Sends what it gets to the next of the ring; an error where that is asked for."""

    def __init__(self, target: str) -> None:
        self.target = target

    def receive(self, message: Message, context: Context) -> object:
        if message.payload == b"raise":
            raise ValueError("as it was told")
        if self.target:
            context.tell(self.target, message.payload)
        return None


class Patient(Plain):
    """The same in a task."""

    async def receive(self, message: Message, context: Context) -> object:  # type: ignore[override]
        await anyio.lowlevel.checkpoint()
        return Plain.receive(self, message, context)


class Both(Plain):
    """A plain handler that returns something to await."""

    def receive(self, message: Message, context: Context) -> object:
        return Patient.receive(self, message, context)  # type: ignore[arg-type]


def traced(receipts: list[Receipt]) -> dict[str, Trace]:
    """Return the traces of receipts by the name of the receiver."""
    return {each.receiver: each.trace for each in receipts if each.trace is not None}


async def ring(
    kind: Callable[[str], Actor], ratio: float, envelope: Envelope | None, payload: bytes = b"go"
) -> list[Receipt]:
    """Return the receipts of the traced messages of a chain a, b, c."""
    seen: list[Receipt] = []
    async with ActorSystem() as system:
        system.receipts.trace(seen.append, ratio)
        for name, target in (("local/c", ""), ("local/b", "local/c"), ("local/a", "local/b")):
            system.spawn(kind(target), name=name)
        system.broker.tell("local/a", payload, envelope=envelope)
        for name in ("local/a", "local/b", "local/c"):
            if name in system.broker.routes:
                await system.broker.resolve(name).drain(5)
    return seen


@pytest.mark.parametrize("kind", [Plain, Patient, Both])
@pytest.mark.parametrize("parent", ["", PARENT])
async def test_each_hop_is_the_child_of_the_message_that_was_sent(
    kind: Callable[[str], Actor], parent: str
) -> None:
    """One trace for a chain; each span's parent is what the handler before it sent."""
    found = traced(await ring(kind, 1.0, Envelope(traceparent=parent)))

    a, b, c = (found[f"local/{name}"] for name in "abc")
    assert {each.context.trace_id for each in (a, b, c)} == {
        parent[3:35] if parent else a.context.trace_id
    }
    assert a.context.parent_id == (parent[36:52] if parent else "")
    assert [each.target for each in a.notes.sent] == ["local/b"]
    assert b.context.parent_id == a.notes.sent[0].span_id
    assert c.context.parent_id == b.notes.sent[0].span_id
    assert not c.notes.sent
    assert len({each.context.span_id for each in (a, b, c)}) == 3
    for each in (a, b, c):
        assert re.fullmatch("[0-9a-f]{32}", each.context.trace_id)
        assert re.fullmatch("[0-9a-f]{16}", each.context.span_id)


@pytest.mark.parametrize("kind", [Plain, Patient, Both])
async def test_callers_decide_and_the_ratio_decides_without_one(
    kind: Callable[[str], Actor],
) -> None:
    assert len(await ring(kind, 0.0, Envelope(traceparent=PARENT))) == 3
    assert len(await ring(kind, 1.0, Envelope(traceparent=UNSAMPLED))) == 0
    assert len(await ring(kind, 0.0, None)) == 0
    assert len(await ring(kind, 1.0, None)) == 3


@pytest.mark.parametrize("kind", [Plain, Patient, Both])
async def test_a_failure_is_in_the_trace(kind: Callable[[str], Actor]) -> None:
    (receipt,) = await ring(kind, 1.0, None, b"raise")

    assert (receipt.outcome, receipt.error) == (Outcome.FAILED, "ValueError")
    assert receipt.trace is not None


@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.5])
async def test_the_share_of_chains_is_the_ratio_and_chains_are_whole(ratio: float) -> None:
    seen: list[Receipt] = []
    async with ActorSystem() as system:
        system.receipts.trace(seen.append, ratio)
        end = system.spawn(Plain(""), name="local/end")
        begin = system.spawn(Plain("local/end"), name="local/begin")
        for _ in range(4000):
            await begin.send(b"go")
            if not system.dispatcher.sent % 64:
                await begin.drain(5)
                await end.drain(5)
        await begin.drain(5)
        await end.drain(5)

    begun = [each for each in seen if each.receiver == "local/begin"]
    expected = 4000 * ratio
    assert abs(len(begun) - expected) < 6 * expected**0.5
    assert len(seen) == 2 * len(begun)


@pytest.mark.parametrize("kind", [Plain, Patient, Both])
async def test_the_event_of_a_failure_has_the_place_of_its_message(
    kind: Callable[[str], Actor],
) -> None:
    """The same place as the receipt's, so that a line about the failure leads to the trace."""
    seen: list[Receipt] = []
    failed: list[LifecycleEvent] = []
    async with ActorSystem() as system:
        system.receipts.trace(seen.append, 1.0)
        system.events.listen(lambda each: failed.append(each) if each.cause else None)
        ref = system.spawn(kind(""), name="local/a")
        ref.tell(b"raise")
        with anyio.fail_after(10):
            while ref.is_alive:
                await anyio.lowlevel.checkpoint()
    (receipt,) = seen
    assert receipt.trace is not None
    assert failed[0].trace == receipt.trace.context


@given(
    ratio=st.sampled_from([0.0, 0.0002, 0.001, 0.02, 1.0]),
    first=st.integers(1, 20_000),
    length=st.integers(0, 9_000),
)
def test_a_look_ahead_misses_no_sampled_message(ratio: float, first: int, length: int) -> None:
    """`has_marked` is true of each row of numbers in which a message is sampled."""
    tracing = Tracing(str, lambda: 0.0)
    tracing.ratio = ratio
    row = range(first, first + length + 1)

    if any(tracing.is_sampled(Message(b"", id=number)) for number in row):
        assert tracing.has_marked(first, row[-1])
    elif not ratio:
        assert not tracing.has_marked(first, row[-1])


@pytest.mark.parametrize("begins", [1, 30, 100])
async def test_each_sampled_message_has_a_receipt_whenever_it_comes(begins: int) -> None:
    """Those that come within the turn of their receiver, or after expired ones, are seen too."""
    seen: list[Receipt] = []
    handled: list[Message] = []
    async with ActorSystem() as system:

        class Growing:
            def receive(self, message: Message, _context: Context) -> None:
                handled.append(message)
                if len(handled) < 3000:
                    system.broker.tell("local/growing", b"")

        system.receipts.trace(seen.append, 0.05)
        growing = system.spawn(Growing(), name="local/growing")
        for number in range(begins):
            past = Envelope(deadline=1.0) if number % 2 else None
            system.broker.tell("local/growing", b"", envelope=past)
        await growing.drain(10)
        sampled = [each.id for each in handled if system.tracing.is_sampled(each)]

    assert len(sampled) > 50
    assert [each.message_id for each in seen if each.outcome is Outcome.HANDLED] == sampled


async def test_sums_of_python_actors_are_not_begun_by_a_trace() -> None:
    """A tally that has the sampled messages only is no sum."""
    async with ActorSystem() as system:
        system.receipts.trace(lambda _receipt: None, 1.0)
        ref = system.spawn(Plain(""), name="local/a")
        ref.tell(b"go")
        await ref.drain(5)

        assert system.receipts.of("local/a") is None
        assert system.receipts.all() == ()


async def test_contexts_are_carried_on_as_they_came_without_a_reader() -> None:
    seen: list[Envelope | None] = []

    async with ActorSystem() as system:
        system.spawn(lambda message, _context: seen.append(message.envelope), name="local/end")
        begin = system.spawn(Plain("local/end"), name="local/begin")
        subscription = system.receipts.trace(lambda _receipt: None, 1.0)
        subscription.cancel()
        begin.tell(b"go", envelope=Envelope(traceparent=PARENT))
        await anyio.lowlevel.checkpoint()
        await begin.drain(5)
        await system.broker.resolve("local/end").drain(5)

    assert seen[0] is not None
    assert seen[0].traceparent == PARENT


async def test_the_handler_knows_the_context_that_its_receipt_will_have() -> None:
    """Logs and calls elsewhere have the ids of the span that is made afterwards."""
    known = []
    seen: list[Receipt] = []

    async with ActorSystem() as system:

        def handle(message: Message, context: Context) -> None:
            tracing = system.tracing
            known.append(tracing.context_of(message, context.name))
            known.append(tracing.send(message, context.name, "example.org", "client"))

        system.receipts.trace(seen.append, 1.0)
        ref = system.spawn(handle, name="local/a")
        ref.tell(b"go")
        await ref.drain(5)

    trace = seen[0].trace
    assert trace is not None
    assert known[0] == trace.context
    assert known[1] == f"00-{trace.context.trace_id}-{trace.notes.sent[0].span_id}-01"
    assert trace.notes.sent[0].kind == "client"


@pytest.mark.parametrize("kind", [Plain, Patient, Both])
@pytest.mark.parametrize("way", ["ends", "raises", "killed", "inspected"])
async def test_notes_end_with_the_message(kind: Callable[[str], Actor], way: str) -> None:
    """However it ends; they are no leak."""

    class Sender(Plain):
        async def receive(self, message: Message, context: Context) -> object:  # type: ignore[override]
            context.tell("local/end", b"on")
            if way == "raises":
                raise ValueError(way)
            if way == "killed":
                await anyio.sleep_forever()
            return None

    async with ActorSystem() as system:
        system.receipts.trace(lambda _receipt: None, 1.0)
        end = system.spawn(kind(""), name="local/end")
        ref = system.spawn(Sender(""), name="local/a")
        ref.tell(CheckHealth() if way == "inspected" else b"go")
        if way == "killed":
            while not system.tracing._notes:
                await anyio.lowlevel.checkpoint()
            await system.stop(ref, timeout=0)
        await ref.drain(5)
        await end.drain(5)
        await anyio.wait_all_tasks_blocked()
        assert not system.tracing._notes


async def test_notes_of_handlers_that_never_end_are_bounded() -> None:
    async with ActorSystem() as system:
        system.receipts.trace(lambda _receipt: None, 1.0)
        for number in range(1100):
            message = Message(b"", envelope=Envelope(f"m-{number}", traceparent=PARENT))
            for _ in range(130):
                system.tracing.send(message, "local/a", "local/b")
        assert len(system.tracing._notes) == 1000
        assert {len(each.sent) for each in system.tracing._notes.values()} == {128}
        assert {each.dropped for each in system.tracing._notes.values()} == {2}


async def test_an_attempt_and_a_receiver_have_spans_of_their_own() -> None:
    async with ActorSystem() as system:
        tracing = system.tracing
        system.receipts.trace(lambda _receipt: None, 1.0)
        first = Message(b"", envelope=Envelope("m-1", traceparent=PARENT))
        again = first._replace(envelope=Envelope("m-1", traceparent=PARENT, attempt=2))
        spans = {
            tracing.context_of(message, name).span_id  # type: ignore[union-attr]
            for message in (first, again)
            for name in ("local/a", "local/b")
        }
    assert len(spans) == 4


async def test_a_guest_that_waits_has_its_host_calls_one_by_one(engine: Engine) -> None:
    waiting: list[Pending] = []

    def wait(_caller: object) -> Pending:
        waiting.append(Pending())
        return waiting[-1]

    wasm = bytes(wat2wasm(guest_wat(MOODY, waits=True)))
    component = await engine.load(wasm, name="test/moody")
    linked = component.link([HostInterface("test:host/gate@1.0.0", {"wait": wait})])
    seen: list[Receipt] = []
    async with ActorSystem() as system:
        subscription = system.receipts.trace(seen.append, 1.0)
        ref = system.spawn(ComponentActor(linked, "local/a"), name="local/a")
        await system.started(ref)
        request = ref.request(b"wait", lambda _request: None, timeout=5.0)
        while not waiting:
            await anyio.lowlevel.checkpoint()
        waiting[0].resolve()
        await ref.drain(5)
        assert request.is_done
        subscription.cancel()
        await ref.ask(b"echo")

    (receipt,) = seen
    assert receipt.use is not None
    (call,) = receipt.use.in_order
    assert call.function == "test:host/gate@1.0.0#wait"
    assert 0 <= call.after_seconds <= call.after_seconds + call.seconds <= receipt.use.seconds


@given(st.text(max_size=80) | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.*"))
def test_a_header_is_read_or_ignored(text: str) -> None:
    """What is read is valid, of version 00, and reads as itself; no text is an error."""
    read = read_traceparent(text)

    if read:
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", read)
        assert read_traceparent(read) == read
        assert int(read[3:35], 16)
        assert int(read[36:52], 16)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PARENT, PARENT),
        (f" {PARENT}\t", PARENT),
        ("cc" + PARENT[2:] + "-what-comes", PARENT),
        (PARENT[:-2] + "03", PARENT),
        (PARENT + "-more", ""),
        ("ff" + PARENT[2:], ""),
        (PARENT.upper(), ""),
        ("00-" + "0" * 32 + PARENT[35:], ""),
        (PARENT[:36] + "0" * 16 + "-01", ""),
        ("", ""),
    ],
)
def test_headers_of_the_recommendation(text: str, expected: str) -> None:
    assert read_traceparent(text) == expected
