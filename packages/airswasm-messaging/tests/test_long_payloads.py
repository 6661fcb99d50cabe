"""CBOR of many items is checked in steps, while others go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
from airswasm.actor import ActorSystem
from airswasm.messaging import CBOR_MARK, Messenger, SamePolicy, messaging_interface
from airswasm.messaging._codecs import STEP_ITEMS, walk_cbor
from airswasm.runtime import Caller, Case, Engine, Err, HostFunction, Ok, Pending
from wasmtime import wat2wasm

pytestmark = pytest.mark.anyio

CBOR_ONLY = SamePolicy(codecs=frozenset(("cbor",)))


def items(number: int, item: bytes = b"\x81\x01", end: bytes = b"") -> bytes:
    return CBOR_MARK + b"\x9a" + number.to_bytes(4, "big") + item * number + end


@asynccontextmanager
async def offered() -> AsyncIterator[tuple[ActorSystem, dict[str, HostFunction], Caller]]:
    async with Engine() as engine, ActorSystem() as system:
        linked = (await engine.load(bytes(wat2wasm("(component)")))).link([])
        caller = Caller("local/a")
        await linked.instantiate(caller=caller)
        yield system, dict(messaging_interface(system.broker, CBOR_ONLY).functions), caller


async def outcome_of(pending: object) -> object:
    assert isinstance(pending, Pending)
    with anyio.fail_after(20):
        while not pending.is_done:
            await anyio.lowlevel.checkpoint()
    return pending._value


@pytest.mark.parametrize("item", [b"\x81\x01", b"\x61a", b"\x18\xff", b"\x80"])
def test_a_step_is_short_whatever_the_items(item: bytes) -> None:
    """No step looks at more items than that; runs of small numbers are one look."""
    steps = list(walk_cbor(items(10_000, item)))
    assert max(steps) <= STEP_ITEMS
    assert sum(steps) >= 10_000
    assert sum(walk_cbor(items(10_000, b"\x01"))) < 10


async def test_others_go_on_while_a_payload_is_checked() -> None:
    """The sender waits; the loop does not."""
    async with offered() as (system, functions, caller):
        seen: list[object] = []
        system.spawn(lambda message, _context: seen.append(message.payload), name="test/sink")
        payload = items(20_000)
        pending = functions["send"](caller, "test/sink", payload)
        assert isinstance(pending, Pending)
        turns = 0
        while not pending.is_done:
            turns += 1
            await anyio.lowlevel.checkpoint()
        assert turns > 20
        assert pending._value == Ok(None)
        with anyio.fail_after(30):
            while not seen:
                await anyio.lowlevel.checkpoint()
        assert seen == [payload]


@pytest.mark.parametrize("function", ["send", "call"])
async def test_what_is_wrong_at_the_end_is_told(function: str) -> None:
    """A long payload is refused as a short one is."""
    async with offered() as (system, functions, caller):
        system.spawn(lambda _message, _context: b"", name="test/sink")
        more = () if function == "send" else (0,)
        pending = functions[function](caller, "test/sink", items(3_000, end=b"\x00"), *more)
        outcome = await outcome_of(pending)
        assert isinstance(outcome, Err)
        assert isinstance(outcome.value, Case)
        assert outcome.value.name == "invalid"


async def test_a_long_call_is_answered() -> None:
    """The answer comes to the one who waited for the check first."""
    async with offered() as (system, functions, caller):
        system.spawn(lambda _message, _context: b"yes", name="test/sink")
        pending = functions["call"](caller, "test/sink", items(3_000), 0)
        assert await outcome_of(pending) == Ok(b"yes")


async def test_a_guest_that_ended_meanwhile_sends_nothing() -> None:
    """Its call was given up, and with it the message."""
    async with offered() as (system, functions, caller):
        seen: list[object] = []
        system.spawn(lambda message, _context: seen.append(message.payload), name="test/sink")
        pending = functions["send"](caller, "test/sink", items(20_000))
        assert isinstance(pending, Pending)
        await anyio.lowlevel.checkpoint()
        pending._cancel()
        for _ in range(200):
            await anyio.lowlevel.checkpoint()
        assert not seen


async def test_an_answer_of_many_items_is_read_in_steps() -> None:
    """Python code that asks a component does not hold up its own loop either."""
    async with ActorSystem() as system:
        system.spawn(lambda _message, _context: items(20_000), name="test/many")
        turns = 0
        answers: list[object] = []

        async def ask() -> None:
            answers.append(await Messenger(system.broker).ask("test/many", None))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            while not answers:
                turns += 1
                await anyio.lowlevel.checkpoint()
        assert turns > 20
        assert answers == [[[1]] * 20_000]
