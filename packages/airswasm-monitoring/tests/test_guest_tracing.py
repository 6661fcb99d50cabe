"""Components note what they want in their spans, within bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from airswasm.actor import ActorRef, ActorSystem, ComponentActor, Envelope, Message
from airswasm.monitoring import GuestTracing, Monitor, Span, TracingSettings
from airswasm.runtime import Caller, Engine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wasmtime import wat2wasm

pytestmark = pytest.mark.anyio

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOTER = (Path(__file__).parent / "noter.wat").read_text()


@asynccontextmanager
async def noter(sample: float = 1.0) -> AsyncIterator[tuple[ActorSystem, Monitor, ActorRef]]:
    tracing = TracingSettings(sample=sample)
    async with Engine() as engine, ActorSystem() as system:
        monitor = Monitor(system, tracing=tracing)
        component = await engine.load(bytes(wat2wasm(NOTER)), name="shop/noter")
        linked = component.link([GuestTracing(system).interface()])
        ref = system.spawn(ComponentActor(linked, "shop/noter"), name="shop/noter")
        await system.started(ref)
        yield system, monitor, ref
        monitor.close()


def spans(monitor: Monitor) -> list[Span]:
    return [span for record in monitor.traces.all() for span in record.spans]


async def test_a_guest_notes_and_knows_its_context() -> None:
    async with noter() as (_system, monitor, ref):
        answer = await ref.ask(b"two words", envelope=Envelope(traceparent=PARENT))
        found = {span.name: span for span in spans(monitor)}

    own = found["process shop/noter"]
    assert answer == f"00-{own.trace_id}-{own.span_id}-01".encode()
    assert own.trace_id == PARENT[3:35]
    assert dict(own.attributes)["shop.text"] == "two words"
    (event,) = own.events
    assert (event.name, event.attributes) == ("seen", (("shop.text", "two words"),))
    assert own.began_at - 0.01 <= event.time <= own.ended_at + 0.01
    call = found["handler#handle-message"]
    assert call.parent_id == own.span_id
    for name in ("tracing#set-attribute", "tracing#add-event", "tracing#current"):
        assert found[name].parent_id == call.span_id
        assert call.began_at <= found[name].began_at <= found[name].ended_at <= call.ended_at


async def test_nothing_is_kept_of_a_message_that_is_not_traced() -> None:
    async with noter(0.0) as (system, monitor, ref):
        assert await ref.ask(b"one") is None
        passed_on = await ref.ask(b"two", envelope=Envelope(traceparent=PARENT[:-1] + "0"))
        assert str(passed_on, "ascii").startswith(PARENT[:36])  # type: ignore[arg-type]
        assert not spans(monitor)
        assert not system.tracing._notes


async def test_a_long_value_is_cut() -> None:
    async with noter() as (_system, monitor, ref):
        await ref.ask(b"x" * 5000)
        own = next(span for span in spans(monitor) if span.kind == "consumer")
    value = str(dict(own.attributes)["shop.text"])
    assert len(value.encode()) == 1024
    assert value.endswith("…")


async def test_notes_are_on_the_account_of_the_guest() -> None:
    async with noter() as (_system, _monitor, ref):
        await ref.ask(b"x" * 900)
        actor = ref.actor
        assert isinstance(actor, ComponentActor)
        assert actor.instance is not None
        assert actor.instance.caller.account.held_bytes == 0


texts = st.text(max_size=300)
notes = st.lists(
    st.tuples(st.just("attribute"), st.text(max_size=200), texts | st.just("y" * 3000))
    | st.tuples(st.just("event"), texts, st.lists(st.tuples(texts, texts), max_size=40)),
    max_size=80,
)


@given(notes)
@settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors]
)
def test_notes_have_a_bound_whatever_a_guest_says(said: list[tuple[str, str, object]]) -> None:
    """And what is not kept is counted."""
    system = ActorSystem(clock=lambda: 1.0)
    system.receipts.trace(lambda _receipt: None, 1.0)
    functions = GuestTracing(system).interface().functions
    caller = Caller("shop/noter")
    caller.message = Message(b"", envelope=Envelope(id="m", traceparent=PARENT))
    for kind, name, more in said:
        if kind == "attribute":
            functions["set-attribute"](caller, name, more)
        else:
            attributes = [SimpleNamespace(key=k, value=v) for k, v in more]  # type: ignore[attr-defined]
            functions["add-event"](caller, name, attributes)

    trace = system.tracing.end(caller.message, caller.name)
    assert trace is not None
    kept = trace.notes
    assert len(kept.attributes) <= 32
    assert len(kept.events) <= 32
    assert kept.size_bytes <= 8192
    for key, value in kept.attributes.items():
        assert 0 < len(key.encode()) <= 128
        assert len(value.encode()) <= 1024
        assert not key.startswith(("airswasm.", "messaging.", "error."))
    calls = {name for kind, name, _ in said if kind == "attribute"}
    assert kept.dropped >= len(calls - kept.attributes.keys())
