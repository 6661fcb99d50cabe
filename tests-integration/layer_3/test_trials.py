"""On trial, no function of any installed block has an effect: generated from what is installed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio.to_thread
import pytest
from airswasm.lifecycle import System
from airswasm.lifecycle._trial.attempts import Attempt
from airswasm.lifecycle._trial.doors import Doors
from airswasm.lifecycle.testing import ARGUMENTS
from airswasm.runtime import (
    WASI_INTERFACES,
    Caller,
    Effect,
    Engine,
    GuestFault,
    HostFunction,
    Limits,
)
from airswasm.runtime.wasi import wit_files
from airswasm.security import Grants, Guard, Kinds
from airswasm.storage import Store
from airswasm.wit import ProbeGuest, write_probe

NAME = "local/probe"
LIMITS = Limits(memory_bytes=16 * 2**20, fuel=3_000_000, timeout=5.0)

pytestmark = pytest.mark.anyio


class Tried:
    """The `Caller.data` of a version on trial."""

    def __init__(self) -> None:
        self.attempt = Attempt()
        self.has_given_time = False


def wired(system: System, called: list[str]) -> Doors:
    """The doors of a host whose functions with an effect say that they were called."""

    def wire(path: str, function: HostFunction) -> HostFunction:
        @functools.wraps(function)
        def tripped(*_arguments: object) -> object:
            called.append(path)
            raise AssertionError(path)

        return tripped

    offers = [
        replace(
            each,
            raw=replace(
                each.raw,
                functions={
                    name: wire(f"{each.raw.name}#{name}", function)
                    if each.raw.effect(name) in (Effect.OUTSIDE, Effect.LOGS)
                    else function
                    for name, function in each.raw.functions.items()
                },
            ),
        )
        for each in system._offers
    ]
    return Doors(offers, system.services.get(Guard), system.blocks.contract)


async def test_no_function_with_an_effect_is_called(tmp_path: Path) -> None:
    """With every capability granted, and with arguments of many kinds."""
    async with System(tmp_path / "home") as system:
        kinds, guard = system.services.get(Kinds), system.services.get(Guard)
        guard.grant(NAME, Grants({each.annotation: ("everything",) for each in kinds}))
        known = (*system.blocks.contract.host_interfaces, *WASI_INTERFACES)
        offered = [each for each in known if each in {*system.interfaces, *WASI_INTERFACES}]
        few = [each for each in ARGUMENTS if each.name in ("nothing", "letters", "a capability")]
        make: Callable[[], ProbeGuest] = partial(
            write_probe, system.blocks, offered, few, wit=wit_files()
        )
        guest = await anyio.to_thread.run_sync(make)
        component = await system.services.get(Engine).load(guest.wasm, name=NAME)
        called: list[str] = []
        linked = component.link(wired(system, called).for_trial(component))
        noted: set[str] = set()
        before = system.services.get(Store).namespaces()
        for call in guest.calls:
            told = Tried()
            caller = Caller(NAME, told, kept_as="trial-of-probe")
            instance = await linked.instantiate(caller=caller, limits=LIMITS)
            with suppress(GuestFault):  # it calls in a loop, until it has no fuel
                await instance.call("#run", call.number)
            instance.close()
            noted.update(each.function for each in told.attempt.calls)
        assert called == []
        assert any("messaging" in each for each in noted)
        assert any("timers" in each for each in noted)
        assert NAME not in system.services.get(Store).namespaces()
        assert {*system.services.get(Store).namespaces()} <= {*before, "trial-of-probe"}
        files = (tmp_path / "home" / "files").rglob("*")
        assert not [each for each in files if each.is_file()]
