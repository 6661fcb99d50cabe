"""What the host keeps on behalf of a guest is on one account, and bounded."""

from __future__ import annotations

import gc

import pytest
from airswasm.runtime import (
    Account,
    AccountExceeded,
    Caller,
    Case,
    Engine,
    EngineConfig,
    Err,
    HostInterface,
    HostMemory,
    HostMemoryExceeded,
    HostSettings,
    Limits,
    Ok,
)
from airswasm.runtime._account import HANDLE_BYTES, machine_memory
from airswasm.runtime.wasi._http import interfaces
from airswasm.runtime.wasi._http_fields import FIELDS_AT_MOST_BYTES, Fields
from airswasm.runtime.wasi._http_outgoing import OutgoingBody
from airswasm.runtime.wasi._io import StreamFailed
from hypothesis import given
from hypothesis import strategies as st
from wasmtime import wat2wasm

TYPES, _ = interfaces("0.2.12")
MAKER = """(component
  (import "test:keep/host" (instance $host (export "keep" (func (param "size" u32)))))
  (alias export $host "keep" (func $keep))
  (core func $keep (canon lower (func $keep)))
  (core module $main
    (import "h" "keep" (func $keep (param i32)))
    (func (export "keep") (param i32) (call $keep (local.get 0))))
  (core instance $i (instantiate $main (with "h" (instance (export "keep" (func $keep))))))
  (func (export "keep") (param "size" u32) (canon lift (core func $i "keep"))))"""


def test_what_is_held_is_given_back_with_its_object() -> None:
    """The account follows the objects: no bookkeeping is left to the code that drops them."""
    account = Account(1_000)
    first, second = account.hold(400), account.hold(500)
    assert account.held_bytes == 900
    first.resize(450)
    assert account.room_bytes == 50
    del first
    assert account.held_bytes == 500
    second.resize(0)
    assert account.held_bytes == 0
    assert account.peak_bytes == 950


def test_nothing_is_counted_that_is_refused() -> None:
    """A refusal changes nothing but the count of refusals."""
    account = Account(100)
    holding = account.hold(60)
    for refuse in (lambda: account.take(41), lambda: account.hold(41), lambda: holding.resize(101)):
        with pytest.raises(AccountExceeded):
            refuse()
    assert (account.held_bytes, account.refused) == (60, 3)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 300)), max_size=30))
def test_the_host_holds_what_its_accounts_hold(steps: list[tuple[int, int]]) -> None:
    """Whatever is taken, given and closed, the sums agree."""
    host = HostMemory(HostSettings(memory_bytes=1_000))
    accounts = [Account(500, host, name=str(number)) for number in range(3)]
    holdings = []
    for which, size in steps:
        try:
            holdings.append(accounts[which].hold(size))
        except AccountExceeded:
            if holdings:
                holdings.pop(0)
        assert host.held_bytes == sum(each.kept_bytes for each in accounts) <= 1_000
    accounts[0].close()
    assert host.held_bytes == sum(each.kept_bytes for each in accounts[1:])
    holdings.clear()
    gc.collect()
    assert host.held_bytes == 0


def test_near_the_budget_those_that_hold_most_are_refused() -> None:
    """A small one goes on while a large one has to wait until there is room again."""
    host = HostMemory(HostSettings(memory_bytes=1_000))
    greedy, modest = Account(10_000, host, name="greedy"), Account(10_000, host, name="modest")
    held = greedy.hold(875)
    with pytest.raises(AccountExceeded) as caught:
        greedy.hold(1)
    assert caught.value.is_host
    kept = modest.hold(100)
    assert host.largest() is greedy
    del held
    greedy.hold(400)
    assert kept.size_bytes == 100


def test_an_account_that_is_closed_draws_on_nothing() -> None:
    """What outlives its instance is freed later, and counted once."""
    host = HostMemory(HostSettings(memory_bytes=1_000))
    account = Account(500, host)
    holding = account.hold(300)
    account.close()
    account.close()
    assert host.held_bytes == 0
    del holding
    assert host.held_bytes == 0


def test_handles_count() -> None:
    """A handle takes room although nothing is behind it."""
    account = Account(10 * HANDLE_BYTES, handles=[None] * 9)
    assert account.room_bytes == HANDLE_BYTES
    with pytest.raises(AccountExceeded):
        account.take(HANDLE_BYTES + 1)


def test_the_default_is_a_share_of_the_machine() -> None:
    """Half of it, or of the control group's memory where that is less."""
    assert 64 * 2**20 <= HostMemory().most_bytes <= machine_memory()
    assert HostMemory(HostSettings(memory_bytes=5)).most_bytes == 5


def call(caller: Caller, name: str, *arguments: object) -> object:
    return TYPES.functions[name](caller, *arguments)


def on_account(most_bytes: int) -> Caller:
    caller = Caller("test/keeper")
    caller._account = Account(most_bytes)
    return caller


def test_bodies_are_on_the_account() -> None:
    """Bytes that the guest never had (`write-zeroes`) count like those that it sent."""
    caller = on_account(100_000)
    request = call(caller, "[constructor]outgoing-request", Fields())
    body = call(caller, "[method]outgoing-request.body", request)
    assert isinstance(body, Ok)
    stream = body.value
    assert isinstance(stream, OutgoingBody)

    def fill(into: OutgoingBody) -> None:
        while True:
            into.write(bytes(min(4_096, into.permit_bytes())))

    with pytest.raises(StreamFailed) as caught:
        fill(stream)
    assert caught.value.error.http_code == Case("HTTP-request-body-size", 16 * 2**20)
    assert 90_000 < caller.account.held_bytes <= 100_000
    del request, body, stream, caught, fill  # what holds the bytes
    gc.collect()
    assert caller.account.held_bytes == 0


def test_fields_are_on_the_account() -> None:
    """Entries that carry nothing take room in the host all the same."""
    caller = on_account(200_000)
    made = []

    def fill() -> None:
        while True:
            made.append(Fields(account=caller.account))
            for _ in range(100):
                assert call(caller, "[method]fields.append", made[-1], "a", b"") == Ok(None)

    with pytest.raises(AccountExceeded):
        fill()
    assert 3 < len(made) < 6
    held = caller.account.held_bytes
    made[0].replace("a", [])
    assert caller.account.held_bytes < held - 30_000
    made.clear()
    gc.collect()
    assert caller.account.held_bytes == 0


def test_a_copy_of_fields_is_on_the_account_too() -> None:
    """A clone is new memory, and so are the headers of a request."""
    caller = on_account(10**6)
    fields = call(caller, "[constructor]fields")
    call(caller, "[method]fields.append", fields, "a", b"x" * 10_000)
    before = caller.account.held_bytes
    clone = call(caller, "[method]fields.clone", fields)
    request = call(caller, "[constructor]outgoing-request", fields)
    assert caller.account.held_bytes > before + 20_000
    assert clone is not request
    assert before < FIELDS_AT_MOST_BYTES


@pytest.mark.anyio
async def test_where_a_function_has_no_error_for_it_the_guest_ends() -> None:
    """The fault names the limit; the instance is closed, and the host has its memory back."""
    kept = []

    def keep(caller: Caller, size: int) -> None:
        kept.append(caller.account.hold(size))

    async with Engine(EngineConfig(host=HostSettings(memory_bytes=10**6))) as engine:
        linked = (await engine.load(bytes(wat2wasm(MAKER)))).link(
            [HostInterface("test:keep/host", {"keep": keep})]
        )
        limits = Limits(host_memory_bytes=1_000)
        instance = await linked.instantiate(caller=Caller("test/maker"), limits=limits)
        await instance.call("#keep", 900)
        assert engine.host_memory.held_bytes == 900
        with pytest.raises(HostMemoryExceeded, match="host_memory") as caught:
            await instance.call("#keep", 101)
        assert caught.value.limit == "host_memory_bytes"
        assert caught.value.value == 1_000
        assert engine.host_memory.held_bytes == 0
        assert instance.is_closed
    assert len(kept) == 1


@pytest.mark.anyio
async def test_the_fault_tells_whether_the_host_is_full() -> None:
    """An operator has to know whether to raise the component's limit or the host's."""
    async with Engine(EngineConfig(host=HostSettings(memory_bytes=1_000))) as engine:
        linked = (await engine.load(bytes(wat2wasm(MAKER)))).link(
            [
                HostInterface(
                    "test:keep/host", {"keep": lambda caller, size: caller.account.take(size)}
                )
            ]
        )
        instance = await linked.instantiate(caller=Caller("test/maker"))
        with pytest.raises(HostMemoryExceeded, match="the host's memory is scarce"):
            await instance.call("#keep", 2_000)


def test_an_unfinished_error_is_no_result() -> None:
    """Refusals of the interface stay values: what may not be set is told as before."""
    caller = on_account(10**6)
    fields = call(caller, "[constructor]fields")
    assert call(caller, "[method]fields.append", fields, "a b", b"") == Err(Case("invalid-syntax"))
