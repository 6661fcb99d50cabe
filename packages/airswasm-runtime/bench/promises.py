"""The ratios that airswasm-runtime promises.

Calls, host calls and instances against `wasmtime.component` as it comes, bulk bytes against a
few, and bytes that cross by copies against the same as text.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import wasmtime
from airswasm.runtime import Caller, Engine, EngineConfig, Function, HostInterface, Limits, Ok
from paired import Promise, Promises, Work, times
from wasmtime import component as wc

GUEST = Path(__file__).parent.parent / "tests" / "guests" / "bytes.wat"
RELAY = GUEST.with_name("relay.wat")
HANDLE = "test:bytes/handler@1.0.0#handle-message"
LIMITS = Limits(memory_bytes=16 * 2**20, fuel=10**15, timeout=300.0)
SMALL, LARGE, HUGE = bytes(range(100)), bytes(range(256)) * 256, bytes(range(256)) * 4096


class Stock:
    """The guest under the Python API of wasmtime: synchronous, no limits but fuel and epochs."""

    def __init__(self, wasm: bytes) -> None:
        config = wasmtime.Config()
        config.consume_fuel = config.epoch_interruption = True
        self.engine = wasmtime.Engine(config)
        self.component = wc.Component(self.engine, wasm)
        self.linker = wc.Linker(self.engine)
        with self.linker.root() as root:
            root.add_func("hashed", lambda _store, data: data)
            with root.add_instance("test:bytes/host@1.0.0") as instance:
                instance.add_func("swap", lambda _store, _key, value: value)
                instance.add_func("plain", lambda _store, number: number)
                instance.add_func("many", lambda _store, a, b, c: (a, b, c[1]))
        self.store, self.instance = self.instantiate()

    def instantiate(self) -> tuple[wasmtime.Store, wc.Instance]:
        store = wasmtime.Store(self.engine)
        store.set_fuel(10**17)
        store.set_epoch_deadline(10**6)
        return store, self.linker.instantiate(store, self.component)

    def function(self, name: str, interface: str | None = None) -> Callable[..., object]:
        parent = self.component.get_export_index(interface) if interface else None
        found = self.instance.get_func(self.store, self.component.get_export_index(name, parent))
        return lambda *arguments: found(self.store, *arguments)


def offered() -> list[HostInterface]:
    functions = {
        "swap": lambda _caller, _key, value: Ok(value),
        "plain": lambda _caller, number: number,
        "many": lambda _caller, a, b, c: (a, b, c[1]),
    }
    return [
        HostInterface("test:bytes/host@1.0.0", functions),
        HostInterface("", {"hashed": lambda _caller, data: data}),
    ]


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:
    """Give the promises."""
    wasm = bytes(wasmtime.wat2wasm(GUEST.read_text()))
    stock = Stock(wasm)
    stock_call = stock.function("handle-message", "test:bytes/handler@1.0.0")
    stock_relay = stock.function("hashed")
    async with Engine(EngineConfig(cache_folder=folder / "cache")) as engine:
        linked = (await engine.load(wasm)).link(offered())
        instance = await linked.instantiate(limits=LIMITS, caller=Caller("bench/echo"))
        handle, relay = instance.function(HANDLE), instance.function("#hashed")

        async def call(count: int) -> None:
            for _ in range(count):
                await handle("host", None, SMALL)

        async def call_large(count: int) -> None:
            for _ in range(count):
                await handle("host", None, LARGE)

        async def relay_small(count: int) -> None:
            for _ in range(count):
                await relay(SMALL)

        async def instantiate(count: int) -> None:
            for _ in range(count):
                (await linked.instantiate(limits=LIMITS, caller=Caller("bench/echo"))).close()

        stock_small = Work(times(lambda: stock_call("host", None, SMALL)))
        async with _packed(folder, wasm) as (packed, to_host):

            async def relay_large(count: int) -> None:
                for _ in range(count):
                    await to_host(LARGE)

            def echo(function: Function, data: bytes) -> Work:
                async def echo(count: int) -> None:
                    for _ in range(count):
                        await function("host", None, data)

                return Work(echo)

            yield {
                "call": Promise(Work(call), stock_small),
                "call-64-KiB": Promise(Work(call_large), Work(call)),
                "relay": Promise(Work(relay_small), Work(times(lambda: stock_relay(SMALL)))),
                "instantiate": Promise(Work(instantiate), Work(times(stock.instantiate))),
                "copies": Promise(echo(packed, SMALL), echo(handle, SMALL)),
                "copies-64-KiB": Promise(echo(packed, LARGE), echo(handle, LARGE)),
                "copies-1-MiB": Promise(echo(packed, HUGE), echo(handle, HUGE)),
                "relay-64-KiB": Promise(Work(relay_large), echo(packed, LARGE)),
            }
        instance.close()


@asynccontextmanager
async def _packed(folder: Path, wasm: bytes) -> AsyncIterator[tuple[Function, Function]]:
    """Give functions of guests whose bytes cross by copies: one echoes, one asks the host."""
    async with Engine(EngineConfig.dense(folder / "cache")) as engine:
        linked = (await engine.load(wasm)).link(offered())
        instance = await linked.instantiate(limits=LIMITS, caller=Caller("bench/echo"))
        handle = instance.function(HANDLE)
        assert await handle("host", None, HUGE) == Ok(HUGE)  # makes room
        assert linked.component.bytes_cross == "copies"
        component = await engine.load(bytes(wasmtime.wat2wasm(RELAY.read_text())))
        asking = component.link([HostInterface("", {"reflect": lambda _caller, data: data})])
        relaying = await asking.instantiate(limits=LIMITS, caller=Caller("bench/relay"))
        to_host = relaying.function("#relay")
        assert await to_host(LARGE) == LARGE
        yield handle, to_host
        relaying.close()
        instance.close()
