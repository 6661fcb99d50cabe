"""A host that proves its limits: hostile probe guests, run on the spot.

Limits that were right when a test ran may be wrong on this machine: another
engine version, a platform without kernel timers, a host so busy that deadlines
slip. So a host can run the attacks themselves when it starts, and a `doctor`
command can show what stopped each of them, and after how long.

The probes are one component in text form: the engine assembles it, and reading
it here is how one knows what was tried. A second one shows how bytes cross here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wasmtime import wat2wasm

from ._config import EngineConfig
from ._host import Caller, HostInterface, Pending
from ._limits import MIB, Limits
from ._wasmtime.version import engine_version
from .errors import DeadlineExceeded, FuelExhausted, GuestFault, StackOverflowed, Trapped

if TYPE_CHECKING:
    from ._component import LinkedComponent
    from ._engine import Engine

_PROBES = """
(component
  (import "airswasm:probe/host" (instance $host (export "sleep" (func))))
  (core func $sleep (canon lower (func $host "sleep")))
  (core module $probes
    (import "host" "sleep" (func $sleep))
    (memory 1)
    (func (export "loop") (loop $again (br $again)))
    (func $recurse (export "recurse") (call $recurse) (drop (memory.size)))
    (func (export "hoard") (result i32)
      (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (memory.size))
    (func (export "trap") unreachable)
    (func (export "sleep") (call $sleep)))
  (core instance $running
    (instantiate $probes (with "host" (instance (export "sleep" (func $sleep))))))
  (func (export "loop") (canon lift (core func $running "loop")))
  (func (export "recurse") (canon lift (core func $running "recurse")))
  (func (export "hoard") (result u32) (canon lift (core func $running "hoard")))
  (func (export "trap") (canon lift (core func $running "trap")))
  (func (export "sleep") (canon lift (core func $running "sleep"))))
"""
_ECHO = """
(component
  (core module $echo
    (memory (export "memory") 3)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16)))
  (core instance $echoing (instantiate $echo))
  (alias core export $echoing "memory" (core memory $memory))
  (alias core export $echoing "realloc" (core func $realloc))
  (func (export "echo") (param "data" (list u8)) (result (list u8))
    (canon lift (core func $echoing "echo") (memory $memory) (realloc $realloc))))
"""
_PAGE_BYTES = 65536
_PAYLOAD = bytes(range(256)) * 256
_TIMEOUT = 0.05
_LIMITS = Limits(memory_bytes=MIB, fuel=5_000_000, timeout=_TIMEOUT)
_NO_FUEL_LIMIT = replace(_LIMITS, fuel=2**60)
_NO_TIME_LIMIT = replace(_LIMITS, timeout=30.0)


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """The end of one probe.

    Attributes:
        probe: what it tried, in a few words.
        expected: what had to stop it.
        stopped_by: what did.
        seconds: how long it ran.
        has_held: whether the limit held.
    """

    probe: str
    expected: str
    stopped_by: str
    seconds: float
    has_held: bool

    def __str__(self) -> str:
        verdict = "held" if self.has_held else f"FAILED (expected {self.expected})"
        return f"{self.probe}: {self.stopped_by} after {self.seconds * 1000:.1f} ms, {verdict}"


@dataclass(frozen=True, slots=True)
class SelfTestReport:
    """The outcomes of all probes.

    Attributes:
        outcomes: one for each probe, in the order they ran.
        engine_version: of the wasmtime that ran them.
    """

    outcomes: tuple[ProbeOutcome, ...]
    engine_version: str

    @property
    def has_passed(self) -> bool:
        """Whether every limit held."""
        return all(outcome.has_held for outcome in self.outcomes)

    def __str__(self) -> str:
        lines: Iterable[object] = (f"wasmtime {self.engine_version}", *self.outcomes)
        return "\n".join(map(str, lines))


@dataclass(frozen=True, slots=True)
class _Probe:
    name: str
    function: str
    limits: Limits
    fault: type[GuestFault]


_ATTACKS = (
    _Probe("a loop, against fuel", "#loop", _NO_TIME_LIMIT, FuelExhausted),
    _Probe("a loop, against the clock", "#loop", _NO_FUEL_LIMIT, DeadlineExceeded),
    _Probe("a sleep in the host, against the clock", "#sleep", _LIMITS, DeadlineExceeded),
    _Probe("endless recursion, against the stack", "#recurse", _NO_TIME_LIMIT, StackOverflowed),
    _Probe("a trap, against the process", "#trap", _LIMITS, Trapped),
)


async def prove_limits(engine: Engine) -> SelfTestReport:
    """Run every probe on an engine; see `Engine.self_test`."""
    component = await engine.load(bytes(wat2wasm(_PROBES)), name="airswasm/probe")
    linked = component.link([HostInterface("airswasm:probe/host", {"sleep": _never})])
    outcomes = [await _attack(linked, probe) for probe in _ATTACKS]
    outcomes.append(await _hoard(linked))
    outcomes.append(await _echo(engine))
    return SelfTestReport(tuple(outcomes), engine_version())


async def self_test(config: EngineConfig | None = None) -> SelfTestReport:
    """Run the probes on an engine of its own and report what stopped each.

    Args:
        config: how that engine is set up; as yours, to prove your limits.
    """
    from ._engine import Engine

    async with Engine(config) as engine:
        return await prove_limits(engine)


def _never(_caller: Caller) -> Pending:
    return Pending()


async def _attack(linked: LinkedComponent, probe: _Probe) -> ProbeOutcome:
    caller = Caller("airswasm/probe")
    instance = await linked.instantiate(caller=caller, limits=probe.limits)
    started = time.perf_counter()
    try:
        await instance.call(probe.function)
        stopped_by = "nothing"
    except GuestFault as fault:
        stopped_by = type(fault).__name__
    seconds = time.perf_counter() - started
    expected = probe.fault.__name__
    return ProbeOutcome(probe.name, expected, stopped_by, seconds, stopped_by == expected)


async def _hoard(linked: LinkedComponent) -> ProbeOutcome:
    """Run the probe that hoards memory.

    The engine refuses memory without ending the guest, so the guest itself reports.
    """
    caller = Caller("airswasm/probe")
    instance = await linked.instantiate(caller=caller, limits=_NO_TIME_LIMIT)
    started = time.perf_counter()
    pages = await instance.call("#hoard")
    seconds = time.perf_counter() - started
    reached = pages * _PAGE_BYTES if isinstance(pages, int) else -1
    instance.close()
    return ProbeOutcome(
        "hoarding memory, against its limit",
        f"memory.grow refused at {MIB:,} bytes",
        f"memory.grow refused at {reached:,} bytes",
        seconds,
        reached == MIB,
    )


async def _echo(engine: Engine) -> ProbeOutcome:
    """Send a payload and get it back, the second time by the way that bytes cross from then on."""
    component = await engine.load(bytes(wat2wasm(_ECHO)), name="airswasm/echo")
    caller = Caller("airswasm/echo")
    instance = await component.link().instantiate(caller=caller, limits=_NO_TIME_LIMIT)
    await instance.call("#echo", _PAYLOAD)
    started = time.perf_counter()
    answer = await instance.call("#echo", _PAYLOAD)
    seconds = time.perf_counter() - started
    instance.close()
    way = component.bytes_cross
    return ProbeOutcome(
        f"64 KiB there and back, {'by' if way == 'copies' else 'as'} {way}",
        "the same bytes",
        "the same bytes" if answer == _PAYLOAD else "other bytes",
        seconds,
        answer == _PAYLOAD,
    )
