"""For tests of blocks: what their host functions let a hostile guest do to the host.

A host function is finished when a guest that calls it in a loop, with whatever argument is
worst for it, neither holds up the event loop nor makes the host keep more than its account
has room for. `attack` finds that out for every function of every installed block: the guest
is made from the WIT (`airswasm.wit.write_probe`), so a block that is added is attacked, too.

    async def test_my_block_holds():
        report = await attack(Blocks.find().joined(MY_BLOCK))
        report.raise_for_failures()

The time that counts is the processor time of the event loop's thread between two turns of
another task. So a busy machine changes nothing.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
from airswasm.runtime import (
    WASI_INTERFACES,
    Caller,
    Engine,
    GuestFault,
    Instance,
    Limits,
    LinkedComponent,
)
from airswasm.runtime.wasi import wit_files
from airswasm.security import Grants, Guard, Kinds
from airswasm.wit import Blocks, ProbeArgument, ProbeCall, ProbeGuest, safe_text, write_probe

from ._system import System

__all__ = ("ARGUMENTS", "Attack", "AttackReport", "attack")

MIB = 2**20
_MARK = b"\xd9\xd9\xf7"
_ITEMS = 500_000
ARGUMENTS: tuple[ProbeArgument, ...] = (
    ProbeArgument("nothing", "", b"", 0, 0),
    ProbeArgument("letters", "a" * 4_096, b"a" * 4_096),
    ProbeArgument("segments", "a/" * 2_047 + "a", b"/" * 4_096),
    ProbeArgument("wildcards", "*?" * 400, b"*" * 4_096),
    ProbeArgument("control characters", "\x01" * 65_000, b"\n" * 65_000, 1, 1_000),
    ProbeArgument("beyond ASCII", "\U0001f600" * 4_000, b"\xff" * 16_000),
    ProbeArgument("a capability", "storage:read", b"storage:read"),
    ProbeArgument("an address", "http://127.0.0.1:1/" + "a" * 2_000, b"GET"),
    ProbeArgument("a component", "local/nowhere", b"\0" * 1_000_000),
    ProbeArgument("many items", "a" * 65_000, b"a" * 65_000, 2**64, 60_000),
    ProbeArgument("a million bytes", "a" * 1_000_000, b"\x80" * 1_000_000, 2**64, 10),
    ProbeArgument(
        "CBOR of many items",
        "local/nowhere",
        _MARK + b"\x9a" + _ITEMS.to_bytes(4, "big") + b"\x81\x01" * _ITEMS,
    ),
)
"""The arguments of each function: each is the worst for some kind of work."""

_QUICK = ("letters", "control characters", "many items")
_NAME = "local/probe"
_FUEL = 40_000_000
_QUICK_ITEMS = 8_000
"""Of a list in the quick form, which must hold on a slow machine. The engine converts records
before the host sees how many there are; the whole form shows what that costs."""
_HANDLE_BYTES = 256
"""Of the handle that a function returns once there was room for what is behind it."""
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Attack:
    """The result of one loop.

    Attributes:
        call: What was called, with what.
        is_granted: Whether the guest had every capability, or none.
        stall: The most processor seconds that the event loop's thread worked in one go.
        held_bytes: The most that was on the guest's account.
        grown_bytes: By how much the process had grown at the end, where that is known.
        ending: What ended the guest: `FuelExhausted`, most often.
        cause: What the host function raised, where that ended the guest.
    """

    call: ProbeCall
    is_granted: bool
    stall: float
    held_bytes: int
    grown_bytes: int
    ending: str
    cause: str = ""

    def __str__(self) -> str:
        granted = "granted" if self.is_granted else "denied"
        kept = f"{self.held_bytes / MIB:.1f} MiB kept, {self.grown_bytes / MIB:.0f} MiB grown"
        ending = f"{self.ending} by {self.cause}" if self.cause else self.ending
        return f"{self.call}, {granted}: {self.stall * 1e3:.1f} ms, {kept}, {ending}"


@dataclass(frozen=True, slots=True)
class AttackReport:
    """The results of all loops.

    Attributes:
        attacks: One for each function, argument, and set of grants.
        left_out: Functions that need a handle which no function makes out of nothing.
        limits: What the guest had.
    """

    attacks: tuple[Attack, ...]
    left_out: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def unreached(self) -> tuple[str, ...]:
        """The functions that no loop came to call: what makes their handle failed each time."""
        names = [(each, f"{each.call.interface}#{each.call.function}") for each in self.attacks]
        reached = {name for each, name in names if each.ending}
        return tuple(dict.fromkeys(name for _, name in names if name not in reached))

    def failures(self, *, stall: float = 0.05, grown_bytes: int = 150 * MIB) -> tuple[Attack, ...]:
        """Return the attacks that did what no guest may do.

        Args:
            stall: Processor seconds for which the event loop may be held.
            grown_bytes: By how much the process may grow.
        """
        return tuple(
            each
            for each in self.attacks
            if each.stall > stall
            or each.grown_bytes > grown_bytes
            or each.held_bytes > self.limits.host_memory_bytes + _HANDLE_BYTES
            or each.ending == "HostFunctionFailed"
        )

    def raise_for_failures(self) -> None:
        """Raise if any attack did what no guest may do.

        Raises:
            AssertionError: It lists them.
        """
        failures = self.failures()
        if failures:
            listed = "\n".join(map(str, failures))
            raise AssertionError(f"{len(failures)} host functions do not hold:\n{listed}")


async def attack(
    blocks: Blocks | None = None,
    *,
    interfaces: Sequence[str] | None = None,
    arguments: Sequence[ProbeArgument] = ARGUMENTS,
    quick: bool = False,
    limits: Limits | None = None,
) -> AttackReport:
    """Call every host function in a loop, with every kind of argument.

    Args:
        blocks: The blocks; by default the installed ones.
        interfaces: Whose functions; by default all that the blocks' contract declares, and WASI's.
        arguments: What each is called with.
        quick: Leave out most kinds of arguments, and stop each loop early.
        limits: The guest's.

    Raises:
        WasmToolsFailed: The guest could not be put together.
        LifecycleError, EngineError: The blocks could not be composed.
    """
    blocks = blocks or Blocks.find()
    if quick:
        chosen = [each for each in arguments if each.name in _QUICK]
        arguments = [replace(each, items=min(each.items, _QUICK_ITEMS)) for each in chosen]
    fuel = _FUEL // 8 if quick else _FUEL
    limits = limits or Limits(memory_bytes=16 * MIB, fuel=fuel, timeout=_SECONDS)
    known = (*blocks.contract.host_interfaces, *WASI_INTERFACES)
    names = known if interfaces is None else interfaces
    with tempfile.TemporaryDirectory(prefix="airswasm-attack-", ignore_cleanup_errors=True) as home:
        async with System(Path(home) / "home", blocks=blocks, starts=False) as system:
            offered = [each for each in names if each in {*system.interfaces, *WASI_INTERFACES}]
            make = partial(write_probe, blocks, offered, arguments, wit=wit_files())
            guest = await anyio.to_thread.run_sync(make)
            attacker = _Attacker(system, guest, limits)
            gc.collect()
            gc.freeze()  # to walk over what the host had before is no guest's doing
            try:
                attacks = await attacker.run()
            finally:
                gc.unfreeze()
    return AttackReport(tuple(attacks), guest.left_out, limits)


class _Attacker:
    """Runs a probe guest in a system."""

    def __init__(self, system: System, guest: ProbeGuest, limits: Limits) -> None:
        self._system, self._guest, self._limits = system, guest, limits
        self._guard = system.services.get(Guard)
        kinds = system.services.get(Kinds)
        self._everything = Grants({each.annotation: ("everything",) for each in kinds})

    async def run(self) -> list[Attack]:
        engine = self._system.services.get(Engine)
        component = await engine.load(self._guest.wasm, name=_NAME)
        linked = component.link(self._system.offered)
        found: list[Attack] = []
        for is_granted in (False, True):
            if is_granted:
                self._guard.grant(_NAME, self._everything)
            found += [await self._attack(linked, each, is_granted) for each in self._guest.calls]
        return found

    async def _attack(self, linked: LinkedComponent, call: ProbeCall, is_granted: bool) -> Attack:
        before = _process_bytes()
        instance = await linked.instantiate(caller=Caller(_NAME), limits=self._limits)
        watch = _Watch(instance)
        ending = cause = ""
        async with anyio.create_task_group() as group:
            group.start_soon(watch.run)
            try:
                await instance.call("#run", call.number)
            except GuestFault as fault:
                ending = type(fault).__name__
                if fault.__cause__ is not None:
                    cause = f"{type(fault.__cause__).__name__}: {safe_text(fault.__cause__)}"
            watch.note()
            group.cancel_scope.cancel()
        grown = max(0, _process_bytes() - before)
        instance.close()
        return Attack(call, is_granted, watch.stall, watch.held_bytes, grown, ending, cause)


class _Watch:
    """A task that wants its turn all the time, and notes how long it had to wait for it."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._at = time.thread_time()
        self.stall = 0.0
        self.held_bytes = 0

    def note(self) -> None:
        now = time.thread_time()
        self.stall = max(self.stall, now - self._at)
        self._at = now
        self.held_bytes = max(self.held_bytes, self._instance.host_memory_bytes)

    async def run(self) -> None:
        self._at = time.thread_time()
        while True:
            await anyio.lowlevel.checkpoint()
            self.note()


def _process_bytes() -> int:
    """Return what the process takes of memory; 0 where that is not known."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # another system, or no /proc
        return 0
    return pages * 4096
