"""Both event loops, hypothesis profiles, and guests written out in WAT."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from airswasm.actor import ActorSystem
from airswasm.runtime import Component, Engine, LinkedComponent
from airswasm.wit import wit_folder
from hypothesis import HealthCheck, settings
from trio.testing import MockClock
from wasmtime import wat2wasm

for profile, examples in (("ci", 25), ("nightly", 1000)):
    settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

SEEDS = int(os.environ.get("AIRSWASM_SEEDS", "200"))
"""How many runs each state machine makes."""

# handle-message(sender, topic, payload): (ptr len) (is-some ptr len) (ptr len) -> result area.
# The area: 0 is-err, 4 is-some | text, 8 bytes | length, 12 length.
GUEST = """
(component
  {imports}
  (core module $m
    {core_imports}
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
        (then (drop (memory.grow (i32.const 8)))))
      (local.get $at))
    (func (export "done") (param i32) (global.set $free (i32.const 1024)))
    (func $reply (param $at i32) (param $length i32) (result i32)
      (i32.store (i32.const 16) (i32.const 0))
      (i32.store (i32.const 20) (i32.const 1))
      (i32.store (i32.const 24) (local.get $at))
      (i32.store (i32.const 28) (local.get $length))
      (i32.const 16))
    (func $refuse (param $at i32) (param $length i32) (result i32)
      (i32.store (i32.const 16) (i32.const 1))
      (i32.store (i32.const 20) (local.get $at))
      (i32.store (i32.const 24) (local.get $length))
      (i32.const 16))
    (func (export "handle") (param i32 i32 i32 i32 i32) (param $at i32) (param $length i32)
      (result i32) {body})
    {functions})
  (core instance $i (instantiate $m {with}))
  (type $handle (func (param "sender" string) (param "topic" (option string))
    (param "payload" (list u8)) (result (result (option (list u8)) (error string)))))
  (func $handle (type $handle) (canon lift (core func $i "handle")
    (memory (core memory $i "memory"))
    (realloc (core func $i "realloc")) (post-return (core func $i "done"))))
  (instance $handler (export "handle-message" (func $handle)))
  (export "airswasm:component/handler@0.1.0" (instance $handler))
  {exports})
"""

ECHO = "(call $reply (local.get $at) (local.get $length))"
REFUSE = "(call $refuse (local.get $at) (local.get $length))"
TRAP = "unreachable"
SPIN = "(loop $l (br $l)) unreachable"
HOG = "(loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable"
# The first byte of the payload decides: t(rap), s(pin), r(efuse), w(ait), else echo.
MOODY = """
(if (i32.eqz (local.get $length)) (then (return (call $reply (local.get $at) (i32.const 0)))))
(if (i32.eq (i32.load8_u (local.get $at)) (i32.const 116)) (then unreachable))
(if (i32.eq (i32.load8_u (local.get $at)) (i32.const 115)) (then (loop $l (br $l))))
(if (i32.eq (i32.load8_u (local.get $at)) (i32.const 119)) (then (call $wait)))
(if (result i32) (i32.eq (i32.load8_u (local.get $at)) (i32.const 114))
  (then (call $refuse (local.get $at) (local.get $length)))
  (else (call $reply (local.get $at) (local.get $length))))
"""
LIFECYCLE = """
  (func $init (param "config" string) (result (result (error string)))
    (canon lift (core func $i "init") (memory (core memory $i "memory"))
      (realloc (core func $i "realloc"))))
  (func $shutdown (canon lift (core func $i "shutdown")))
  (instance $lifecycle (export "init" (func $init)) (export "shutdown" (func $shutdown)))
  (export "airswasm:component/lifecycle@0.1.0" (instance $lifecycle))
"""


def guest_wat(
    body: str,
    *,
    waits: bool = False,
    init: str = "",
    shutdown: str = "",
    functions: str = "",
    exports: str = "",
) -> str:
    """A component with `handle-message` of that body; `init` and `shutdown` likewise."""
    if init or shutdown:
        functions += f"""
            (func (export "init") (param $at i32) (param $length i32) (result i32)
              {init or "(i32.store (i32.const 16) (i32.const 0)) (i32.const 16)"})
            (func (export "shutdown") {shutdown})"""
        exports += LIFECYCLE
    return GUEST.format(
        body=body,
        functions=functions,
        exports=exports,
        imports='(import "test:host/gate@1.0.0" (instance $gate (export "wait" (func))))'
        ' (core func $wait (canon lower (func $gate "wait")))'
        if waits
        else "",
        core_imports='(import "host" "wait" (func $wait))' if waits else "",
        with_="",
        **{"with": '(with "host" (instance (export "wait" (func $wait))))' if waits else ""},
    )


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine() as engine:
        yield engine


@pytest.fixture
def load(engine: Engine) -> Callable[..., object]:
    """Loads a guest of a body; links it with nothing."""

    async def load(body: str, **parts: object) -> LinkedComponent:
        wasm = bytes(wat2wasm(guest_wat(body, **parts)))  # type: ignore[arg-type]
        component: Component = await engine.load(wasm, name="test/guest")
        return component.link([])

    return load


DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def diary_wasm(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The component of diary.wat, which exports all that the contract has."""
    folder = tmp_path_factory.mktemp("diary")
    shutil.copytree(wit_folder(), folder / "wit")
    shutil.copy(DATA / "diary.wit", folder / "wit")
    name = "wasm-tools.exe" if sys.platform == "win32" else "wasm-tools"
    program = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    assert program is not None, "wasm-tools comes with airswasm-wit"
    core, made = folder / "diary.core", folder / "diary.wasm"
    for arguments in (
        ("embed", folder / "wit", "-w", "diary", DATA / "diary.wat", "-o", core),
        ("new", core, "-o", made),
    ):
        subprocess.run([program, "component", *map(str, arguments)], check=True)
    return made.read_bytes()


@pytest.fixture
def autojump() -> tuple[str, dict[str, object]]:
    """Trio, with a clock that jumps to the next deadline when everything waits."""
    return ("trio", {"clock": MockClock(autojump_threshold=0)})


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def system(anyio_backend: str) -> AsyncIterator[ActorSystem]:
    async with ActorSystem("test") as system:
        yield system
        books = system.books()
        assert books.is_balanced, books
