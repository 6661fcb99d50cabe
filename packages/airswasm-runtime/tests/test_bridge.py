"""The bytes bridge: whatever crosses it arrives as it would without one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
import wasmtime
from airswasm.runtime import (
    ArgumentsTooLarge,
    Caller,
    Case,
    Engine,
    EngineConfig,
    Err,
    HostInterface,
    Instance,
    Limits,
    Ok,
    Trapped,
    ValueMismatch,
)
from airswasm.runtime._calls.bytes_as_text import BytesAsText
from airswasm.runtime._compose.bridge import bridge_component
from airswasm.runtime._compose.bridging import Bridging
from airswasm.runtime._compose.crossings import find_crossings
from airswasm.runtime._compose.outline import read_component
from airswasm.runtime._compose.reader import PREAMBLE_BYTES, Reader, Unreadable, table_functions
from airswasm.runtime._compose.text_bridge import HEX_MOST_BYTES, allocator_module
from airswasm.runtime._wasmtime.features import HardenedSettings, hardened_config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wasmtime import component as wc

pytestmark = pytest.mark.anyio
HANDLER = "test:bytes/handler@1.0.0"
LIMITS = Limits(memory_bytes=32 * 2**20, host_call_bytes=8 * 2**20, timeout=60.0, fuel=10**12)
EDGES = (0, 1, 2, 15, 16, 17, 63, 64, 65, 111, 112, 113, 1023, 1024, 1025, 1119, 1120, 4096)


WORLD = """package test:bytes@1.0.0;
interface host {
  variant trouble { refused(string), late }
  swap: func(key: string, value: option<list<u8>>) -> result<option<list<u8>>, trouble>;
  plain: func(number: u32) -> u32;
  many: func(a: list<u8>, b: list<u8>, c: tuple<u8, list<u8>, u64>)
    -> tuple<list<u8>, list<u8>, list<u8>>;
}
interface handler {
  handle-message: func(sender: string, topic: option<string>, payload: list<u8>)
    -> result<option<list<u8>>, string>;
  refuse: func(sender: string, topic: option<string>, payload: list<u8>)
    -> result<option<list<u8>>, string>;
}
world bytes {
  import host;
  import hashed: func(data: list<u8>) -> list<u8>;
  use host.{trouble};
  export handler;
  export swap: func(key: string, value: option<list<u8>>) -> result<option<list<u8>>, trouble>;
  export many: func(a: list<u8>, b: list<u8>, c: tuple<u8, list<u8>, u64>)
    -> tuple<list<u8>, list<u8>, list<u8>>;
  export hashed: func(data: list<u8>) -> list<u8>;
  export spilled: func(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u32,
    j: u32, k: u32, l: u32, m: u32, n: u32, o: u32, data: list<u8>) -> list<u8>;
}"""


def component_text() -> str:
    return Path(__file__).with_name("guests").joinpath("bytes.wat").read_text()


@pytest.fixture(scope="module")
def written() -> bytes:
    """Written by hand: its core calls imports directly, over a memory of another module."""
    return bytes(wasmtime.wat2wasm(component_text()))


@pytest.fixture(scope="module")
def built(build: Callable[[str, str], bytes], one_module: Callable[..., str]) -> bytes:
    """The same code in one module, as tools make components: it calls imports by a table."""
    handler = "test:bytes/handler@1.0.0"
    names = {"handle-message": f"{handler}#handle-message", "refuse": f"{handler}#refuse"}
    names |= {name: name for name in ("swap", "many", "hashed", "spilled")}
    imports = {"hashed": "$root", "": "test:bytes/host@1.0.0"}
    return build(WORLD, one_module(component_text(), imports, names, "reset"))


@pytest.fixture(scope="module", params=["written", "built"])
def guest(request: pytest.FixtureRequest) -> bytes:
    return bytes(request.getfixturevalue(request.param))


def host(seen: list[object]) -> list[HostInterface]:
    """Gives back what it gets, and notes it."""

    def swap(_caller: Caller, key: str, value: bytes | None) -> object:
        seen.append(value)
        return Err(Case("refused", key)) if value == b"refuse" else Ok(value)

    def many(_caller: Caller, a: bytes, b: bytes, c: tuple[int, bytes, int]) -> object:
        seen.append((a, b, c))
        return c[1], a, b

    def hashed(_caller: Caller, data: bytes) -> bytes:
        seen.append(data)
        return data[::-1]

    functions = {"swap": swap, "plain": lambda _caller, number: number, "many": many}
    return [
        HostInterface("test:bytes/host@1.0.0", functions),
        HostInterface("", {"hashed": hashed}),
    ]


async def instance_of(engine: Engine, wasm: bytes, seen: list[object], limits: Limits) -> Instance:
    linked = (await engine.load(wasm, name="test/bytes")).link(host(seen))
    return await linked.instantiate(limits=limits, caller=Caller("test/bytes"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of this module's own, so that the guest is compiled once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", params=["text", "copies"])
def config(folder: Path, request: pytest.FixtureRequest) -> EngineConfig:
    """Bytes cross as text, and by copies where memories are packed."""
    return (
        EngineConfig(cache_folder=folder) if request.param == "text" else EngineConfig.dense(folder)
    )


@pytest.fixture
async def bridged(
    guest: bytes, config: EngineConfig
) -> AsyncIterator[tuple[Instance, list[object]]]:
    seen: list[object] = []
    async with Engine(config) as engine:
        yield await instance_of(engine, guest, seen, LIMITS), seen


def payload(kind: str, size: int) -> bytes:
    """Every byte value, in an order that does not repeat with any block of the conversion."""
    if kind == "text":
        return bytes(32 + at % 95 for at in range(size))
    if kind == "last":
        return b"a" * (size - 1) + b"\xff" if size else b""
    return bytes((at * 167 + at // 251) % 256 for at in range(size))


def test_every_function_with_bytes_is_found(guest: bytes, built: bytes) -> None:
    """Byte lists are bridged in parameters, options, results and tuples, of imports and exports."""
    made = bridge_component(guest)
    assert made is not None
    assert made.bridging.imports == {
        "test:bytes/host@1.0.0#swap": ("1.some", "result.ok.some"),
        "test:bytes/host@1.0.0#many": ("0", "1", "2.1", "result.0", "result.1", "result.2"),
        "#hashed": ("0", "result"),
    }
    assert made.bridging.exports[f"{HANDLER}#handle-message"] == ("2", "result.ok.some")
    assert made.bridging.exports["#spilled"] == ("15", "result")
    assert guest in made.wasm, "the guest's own bytes must stay as they are"
    assert list(made.bridging.rebound) == (list(made.bridging.imports) if guest is built else [])


def test_types_with_names_and_methods_are_followed(tmp_path: Path) -> None:
    """Resources, variants of other interfaces and methods keep their names around a bridge."""
    wit = """package test:names;
    interface errors { variant trouble { refused(string), late } resource grip; }
    interface files {
      use errors.{trouble, grip};
      resource file {
        constructor(name: string);
        read: func(most: u32, by: borrow<grip>) -> result<list<u8>, trouble>;
        write: func(data: list<u8>) -> result<_, trouble>;
        size: func() -> u64;
      }
    }
    interface callbacks { use errors.{trouble};
      back: func(id: u64, outcome: result<option<list<u8>>, trouble>); }
    world names { import files; export callbacks; }"""
    made = bridge_component(_dummy(tmp_path, wit))
    assert made is not None
    assert made.bridging.imports == {
        "test:names/files#[method]file.read": ("result.ok",),
        "test:names/files#[method]file.write": ("1",),
    }
    assert made.bridging.exports == {"test:names/callbacks#back": ("1.ok.some",)}
    wc.Component(wasmtime.Engine(hardened_config(HardenedSettings())), made.wasm)


def _dummy(folder: Path, wit: str) -> bytes:
    """A component of that world that traps whatever it is asked."""
    beside = Path(sys.executable).with_name("wasm-tools")
    tool = str(beside) if beside.exists() else "wasm-tools"
    source, core, made = folder / "w.wit", folder / "core.wasm", folder / "made.wasm"
    source.write_text(wit)
    subprocess.run([tool, "component", "embed", "--dummy", source, "-o", core], check=True)
    subprocess.run([tool, "component", "new", core, "-o", made], check=True)
    return made.read_bytes()


def test_a_component_without_bytes_has_no_bridge() -> None:
    """What needs no bridge does not pay for one."""
    assert bridge_component(bytes(wasmtime.wat2wasm("(component)"))) is None


@pytest.mark.parametrize("cut", [9, 50, 400, 900])
def test_a_broken_component_has_no_bridge(written: bytes, cut: int) -> None:
    """Bytes that cannot be read are left to the engine to refuse."""
    assert bridge_component(written[:cut]) is None


@given(at=st.integers(8, 1800), value=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_reading_damaged_components_ends_in_one_error(at: int, value: int) -> None:
    """Whatever a byte is changed to, reading succeeds or says `Unreadable`; composing gives up."""
    text = Path(__file__).with_name("guests").joinpath("bytes.wat").read_text()
    damaged = bytearray(wasmtime.wat2wasm(text))
    damaged[at] = value
    with suppress(Unreadable):
        find_crossings(read_component(bytes(damaged)))
    bridge_component(bytes(damaged))


@pytest.mark.parametrize(
    ("filled", "places"),
    [
        ("(elem (i32.const 0) func $g $f)", [1, 0]),
        ("", []),
        ("(elem (i32.const 1) func $f)", None),
        ("(elem (i32.const 0) func $f) (elem (i32.const 1) func $g)", None),
        ("(elem (i32.const 0) funcref (ref.func $f))", None),
        ("(elem func $f)", None),
    ],
)
def test_only_tables_that_are_filled_as_tools_do_are_followed(
    filled: str, places: list[int] | None
) -> None:
    """From the first place on, at once; of others nothing is known."""
    imports = (
        '(import "" "f" (func $f)) (import "" "g" (func $g)) (import "" "t" (table 2 funcref))'
    )
    module = Reader(bytes(wasmtime.wat2wasm(f"(module {imports} {filled})")), PREAMBLE_BYTES)
    if places is None:
        with pytest.raises(Unreadable):
            table_functions(module)
    else:
        assert table_functions(module) == places


async def test_a_table_that_comes_with_its_functions_is_filled_again(config: EngineConfig) -> None:
    """Older tools give both to the last module as one instance."""
    text = Path(__file__).with_name("guests").joinpath("relay.wat").read_text()
    async with Engine(config) as engine:
        component = await engine.load(bytes(wasmtime.wat2wasm(text)))
        assert list(component._bridging.rebound) == ["#reflect"]
        linked = component.link([HostInterface("", {"reflect": lambda _caller, data: data[::-1]})])
        instance = await linked.instantiate(caller=Caller("test/relay"), limits=LIMITS)
        for size in (*EDGES, 70_000, 70_000, 2**20):
            data = payload("binary", size)
            assert await instance.call("#relay", data) == data[::-1]
        before = instance.fuel_used
        assert await instance.call("#relay", b"x" * 2**16) == b"x" * 2**16
        used = instance.fuel_used - before
        assert used < 26 * 2**16, "16 for the host's work, and nothing is moved byte for byte"


AGAIN = """(module
  (import "$root" "fetch" (func $fetch (param i32)))
  (memory (export "memory") 2)
  (global $again (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (global.get $again) (then
      (global.set $again (i32.const 0))
      (call $fetch (i32.const 64))))
    (i32.const 1024))
  (func (export "run") (param i32) (result i32)
    (global.set $again (local.get 0))
    (call $fetch (i32.const 32))
    (i32.const 32)))"""


@pytest.mark.parametrize("bridge", [True, False])
async def test_a_guest_cannot_leave_while_it_makes_room(
    build: Callable[[str, str], bytes], config: EngineConfig, bridge: bool
) -> None:
    """With a bridge and without: its result would be torn."""
    world = """package test:again;
    world again { import fetch: func() -> list<u8>; export run: func(again: u32) -> list<u8>; }"""
    async with Engine(replace(config, bridge_bytes=bridge)) as engine:
        component = await engine.load(build(world, AGAIN))
        assert bool(component._bridging.rebound) == bridge
        linked = component.link([HostInterface("", {"fetch": lambda _caller: b"f" * 600})])
        instance = await linked.instantiate(caller=Caller("test/again"))
        for _ in range(3):
            assert await instance.call("#run", 0) == b"f" * 600
        with pytest.raises(Trapped):
            await instance.call("#run", 1)


@pytest.mark.parametrize("kind", ["text", "binary", "last"])
async def test_export_and_import_give_back_what_they_got(
    kind: str, bridged: tuple[Instance, list[object]]
) -> None:
    """Any size and content crosses both ways, into exports and through imports."""
    instance, seen = bridged
    for size in (*EDGES, 70_000, 2**20):
        data = payload(kind, size)
        echoed = await instance.call(f"{HANDLER}#handle-message", "me", "a topic", data)
        assert echoed == Ok(data or None)
        assert await instance.call("#hashed", data) == data[::-1]
        assert seen.pop() == data


@given(data=st.binary(max_size=3000), other=st.binary(max_size=300), key=st.text(max_size=40))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_bridged_and_unbridged_calls_agree(
    guest: bytes, config: EngineConfig, data: bytes, other: bytes, key: str
) -> None:
    """For any values, a component with a bridge and one without do the same."""

    async def outcomes(config: EngineConfig) -> list[object]:
        seen: list[object] = []
        async with Engine(config) as engine:
            instance = await instance_of(engine, guest, seen, LIMITS)
            results = [
                await instance.call(f"{HANDLER}#handle-message", key, None, data),
                await instance.call(f"{HANDLER}#refuse", key, key, other),
                await instance.call("#swap", key, data),
                await instance.call("#swap", key, None),
                await instance.call("#swap", key, b"refuse"),
                await instance.call("#many", data, other, (7, data + other, 2**63)),
                await instance.call("#spilled", *range(15), data),
            ]
        return [*results, *seen]

    with_bridge = anyio.run(outcomes, config)
    without = anyio.run(outcomes, replace(config, bridge_bytes=False))
    assert with_bridge == without


async def test_many_calls_do_not_grow_the_bridge(bridged: tuple[Instance, list[object]]) -> None:
    """What a call needed in the bridge is free again for the next one."""
    instance, _ = bridged
    data = payload("binary", 200_000)
    await instance.call("#hashed", data)
    for _ in range(60):  # 60 of them would not fit in the memory limit together
        assert await instance.call("#hashed", data) == data[::-1]


async def test_a_payload_beyond_the_allowance_is_a_typed_error(
    guest: bytes, config: EngineConfig
) -> None:
    """The bridge does not get around `Limits.host_call_bytes`."""
    limits = Limits(memory_bytes=32 * 2**20, host_call_bytes=10_000, fuel=10**12)
    async with Engine(config) as engine:
        instance = await instance_of(engine, guest, [], limits)
        with pytest.raises(ValueMismatch, match="host_call"):
            await instance.call("#hashed", payload("binary", 20_000))


async def test_a_bridge_without_memory_ends_cleanly(guest: bytes, config: EngineConfig) -> None:
    """A payload that the memory limit cannot hold ends the instance, not the process."""
    limits = Limits(memory_bytes=2**18, host_call_bytes=8 * 2**20, fuel=10**12)
    async with Engine(config) as engine:
        instance = await instance_of(engine, guest, [], limits)
        with pytest.raises(ArgumentsTooLarge):
            await instance.call("#hashed", payload("binary", 2**20))


@given(data=st.binary(max_size=5000))
@settings(max_examples=200, deadline=None)
def test_text_stands_for_its_payload(data: bytes) -> None:
    """Text is valid UTF-8, at most twice the payload and a little, and turns back."""
    codec = BytesAsText()
    text = codec.encode(data)
    text.decode()
    assert codec.decode(text) == data
    assert len(text) <= 2 * len(data) + 160


LITTLE_ADDRESS_SPACE = """
import resource
from pathlib import Path
from airswasm.runtime._calls.bytes_as_text import BytesAsText
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
codec = BytesAsText()
data = bytes(range(256)) * 5000
assert codec.decode(codec.encode(data)) == data
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces RLIMIT_AS so")
def test_large_payloads_are_turned_in_little_address_space() -> None:
    """Under `ulimit -v` there is no room for the 4 GiB that the engine likes to reserve."""
    subprocess.run([sys.executable, "-c", LITTLE_ADDRESS_SPACE], check=True, timeout=60)


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("kind", ["text", "binary", "last"])
def test_bridge_and_host_speak_the_same_text(kind: str, size: int) -> None:
    """What Python's half writes, the bridge's half writes, and each reads the other's."""
    data, codec = payload(kind, size), BytesAsText()
    store = wasmtime.Store(wasmtime.Engine())
    module = wasmtime.Module(store.engine, wasmtime.wat2wasm(allocator_module(64)))
    exports = wasmtime.Instance(store, module, []).exports(store)
    memory, at = exports["memory"], exports["realloc"](store, 0, 0, 1, size)
    memory.write(store, data, at)
    length = exports["encode"](store, at, size)
    text = bytes(memory.read(store, at, at + length))
    assert codec.decode(text) == data
    assert len(text) == len(codec.encode(data))
    assert exports["decode"](store, at, length) == size
    assert bytes(memory.read(store, at, at + size)) == data


def test_conversion_never_leaves_its_allocation() -> None:
    """Neighbouring allocations survive a conversion in place, whatever its size."""
    store = wasmtime.Store(wasmtime.Engine())
    module = wasmtime.Module(store.engine, wasmtime.wat2wasm(allocator_module(64)))
    exports = wasmtime.Instance(store, module, []).exports(store)
    memory = exports["memory"]
    for size in [*EDGES, HEX_MOST_BYTES * 9, 100_000]:
        exports["reset"](store)
        first, second, third = (exports["realloc"](store, 0, 0, 1, size) for _ in range(3))
        for at in (first, second, third):
            memory.write(store, payload("binary", size), at)
        length = exports["encode"](store, second, size)
        assert exports["decode"](store, second, length) == size
        for at in (first, second, third):
            assert bytes(memory.read(store, at, at + size)) == payload("binary", size)


def test_bridging_survives_the_cache() -> None:
    """What the cache keeps of a bridge reads back equal."""
    bridging = Bridging(imports={"a#b": ("0",)}, exports={"#c": ("result.ok",)}, extra_memories=2)
    assert Bridging.from_json(bridging.to_json()) == bridging
    assert bridging.is_bridged
    assert not Bridging().is_bridged


async def test_random_payloads(bridged: tuple[Instance, list[object]]) -> None:
    """Random content of random size crosses unharmed."""
    instance, _ = bridged
    for _ in range(40):
        data = os.urandom(int.from_bytes(os.urandom(2), "little"))
        assert await instance.call("#hashed", data) == data[::-1]
