"""What the engine says, and the typed error that it becomes: each phrase is provoked."""

from __future__ import annotations

import pytest
import wasmtime
from airswasm.runtime import (
    Caller,
    Engine,
    FuelExhausted,
    HostExhausted,
    InvalidComponent,
    Limits,
    MemoryLimitExceeded,
    Trapped,
)
from airswasm.runtime._compose.core_facts import CoreFacts
from airswasm.runtime._process import mappings as mappings_module
from airswasm.runtime._wasmtime.bindings import EngineFailure
from airswasm.runtime._wasmtime.faults import Circumstances, fault_of

pytestmark = pytest.mark.anyio
TIGHT = Limits(
    memory_bytes=2**20, memories=1, tables=1, table_elements=500, instances=3, fuel=100_000
)


def circumstances(function: str) -> Circumstances:
    return Circumstances("a/b", function, TIGHT, 0, "EngineConfig.x", CoreFacts())


def component_of(module: str, copies: int = 1) -> bytes:
    """A component of some instances of one core module."""
    instances = "(core instance (instantiate $m))" * copies
    return bytes(wasmtime.wat2wasm(f"(component (core module $m {module}) {instances})"))


@pytest.mark.parametrize(
    ("module", "copies", "limit", "needs"),
    [
        ("(memory 17)", 1, "memory_bytes", "needs 1,114,112 bytes of memory"),
        ("(memory 12)", 3, "memories", "needs 3 memories"),
        ("(table 1 funcref)", 3, "tables", "needs 3 tables"),
        ("(table 501 funcref)", 1, "table_elements", "needs a table of 501 elements"),
        ("", 4, "instances", "too many instances"),
    ],
)
async def test_what_a_component_is_made_of_is_limited(engine, module, copies, limit, needs):
    """Memories, tables and core instances: each limit has its own name, and what is needed."""
    component = await engine.load(component_of(module, copies))
    with pytest.raises(MemoryLimitExceeded) as caught:
        await component.link().instantiate(caller=Caller("x"), limits=TIGHT)
    assert caught.value.limit == limit
    assert caught.value.value == getattr(TIGHT, limit)
    assert needs in str(caught.value)
    assert str(caught.value).endswith(f"raise `Limits.{limit}`")


async def test_start_code_runs_under_the_same_limits(engine):
    """A component that loops or traps before its first call is a fault, too."""
    loops = await engine.load(component_of("(func $f (loop br 0)) (start $f)"))
    with pytest.raises(FuelExhausted):
        await loops.link().instantiate(caller=Caller("x"), limits=TIGHT)
    traps = await engine.load(component_of("(func $f unreachable) (start $f)"))
    with pytest.raises(Trapped) as caught:
        await traps.link().instantiate(caller=Caller("x"), limits=TIGHT)
    assert caught.value.function == "instantiation"


async def test_a_core_module_is_refused_with_what_to_do(engine):
    """The error names the command that makes a component of it."""
    with pytest.raises(InvalidComponent, match="wasm-tools component new"):
        await engine.load(bytes(wasmtime.wat2wasm("(module)")))


async def test_a_host_without_room_is_not_the_guests_fault():
    """Out of mappings or memory: an error about the host, with what to change."""
    failure = EngineFailure("failed to create a mapping: Cannot allocate memory", ())
    error = fault_of(failure, circumstances("instantiation"))
    assert isinstance(error, HostExhausted)
    assert error.remedy


@pytest.mark.parametrize(
    ("mappings", "space", "said", "remedy"),
    [
        ((65_000, 65_530), None, "vm.max_map_count", "sysctl"),
        ((65_000, 65_530), 10**9, "vm.max_map_count", "sysctl"),
        ((100, 65_530), 10**9, "`ulimit -v` allows this process 1,000,000,000", "ulimit -v unlim"),
        (None, 10**9, "`ulimit -v`", "ulimit -v unlimited"),
        ((100, 65_530), None, "no more memory", "more memory"),
        (None, None, "no more memory", "more memory"),
    ],
)
def test_the_limit_that_was_reached_is_the_one_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
    mappings: tuple[int, int] | None,
    space: int | None,
    said: str,
    remedy: str,
) -> None:
    """Mappings, address space, or the machine: each has another remedy."""
    monkeypatch.setattr(mappings_module, "mappings_of_process", lambda: mappings)
    monkeypatch.setattr(mappings_module, "address_space_limit", lambda: space)
    failure = EngineFailure("failed to create a mapping: Cannot allocate memory", ())
    error = fault_of(failure, circumstances("instantiation"))
    assert isinstance(error, HostExhausted)
    assert said in error.reason
    assert remedy in error.remedy


async def test_an_engine_does_not_start_where_native_code_would_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thread that gets no stack ends the process; the error comes first."""
    monkeypatch.setattr(mappings_module, "address_space_limit", lambda: 300 * 2**20)
    with pytest.raises(HostExhausted, match="ulimit -v"):
        async with Engine():
            pytest.fail("it started")


async def test_an_unknown_failure_keeps_the_engines_last_word():
    """A phrase that is not in the table is a trap that says what the engine said."""
    failure = EngineFailure("error while executing\n\nCaused by:\n    0: something new", ())
    error = fault_of(failure, circumstances("go"))
    assert isinstance(error, Trapped)
    assert error.code == "something new"
