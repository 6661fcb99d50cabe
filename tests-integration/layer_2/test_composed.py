"""A component that others composed of two: which limit it needs, and the key that gives it."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from airswasm.lifecycle import Package, System
from airswasm.runtime import MemoryLimitExceeded
from airswasm.security import PrivateKey
from airswasm.wit import wit_folder

NAME = "local/composed"
PARTS = """package test:parts@1.0.0;
interface shout { shout: func(text: string) -> string; }
world part { export shout; }
"""
WHOLE = """package airswasm:component@0.1.0;
world whole { import test:parts/shout@1.0.0; export handler; }
"""
REALLOC = """
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 1024))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
"""
# Writes over the first letter of a text, in a memory of its own.
PART = f"""(module {REALLOC}
  (func (export "test:parts/shout@1.0.0#shout") (param $at i32) (param $length i32) (result i32)
    (i32.store8 (local.get $at) (i32.const 33))
    (i32.store (i32.const 16) (local.get $at))
    (i32.store (i32.const 20) (local.get $length))
    (i32.const 16)))
"""
# Answers a message with what the other part makes of it.
ROOT = f"""(module
  (import "test:parts/shout@1.0.0" "shout" (func $shout (param i32 i32 i32)))
  {REALLOC}
  (func (export "airswasm:component/handler@0.1.0#handle-message")
      (param i32 i32 i32 i32 i32) (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (i32.const 1))
    (call $shout (local.get $at) (local.get $length) (i32.const 24))
    (i32.const 16)))
"""

pytestmark = pytest.mark.anyio


def run(*arguments: object) -> None:
    program = shutil.which("wasm-tools", path=sysconfig.get_path("scripts"))
    assert program is not None, "it comes with airswasm-wit"
    subprocess.run((program, *map(str, arguments)), check=True)


def component(folder: Path, wit: Path, world: str, text: str) -> Path:
    core, embedded, made = (folder / f"{world}.{end}" for end in ("wat", "core", "wasm"))
    core.write_text(text)
    run("component", "embed", wit, "-w", world, core, "-o", embedded)
    run("component", "new", embedded, "-o", made)
    return made


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("composed")
    wit = folder / "wit"
    shutil.copytree(wit_folder(), wit)
    parts = wit / "deps" / "parts"
    parts.mkdir(parents=True)
    (parts / "parts.wit").write_text(PARTS)
    (wit / "whole.wit").write_text(WHOLE)
    part = component(folder, parts, "part", PART)
    root = component(folder, wit, "whole", ROOT)
    run("compose", root, "-d", part, "-o", folder / "composed.wasm", "--quiet")
    return (folder / "composed.wasm").read_bytes()


def package(wasm: bytes, owner: PrivateKey, limits: str) -> Package:
    manifest = f'[component]\nname = "{NAME}"\nversion = "0.1.0"\n[limits]\n{limits}\n'
    files = {"Component.toml": manifest.encode(), "component.wasm": wasm}
    return Package.from_files(files).sign(owner, sequence=1)


async def test_the_error_names_the_key_that_makes_it_run(
    anyio_backend: str, tmp_path: Path, composed: bytes, owner: PrivateKey
) -> None:
    """One memory is too few: the message has the number and the key, which then works."""
    async with System(tmp_path / "home") as system:
        with pytest.raises(MemoryLimitExceeded) as told:
            await system.install(package(composed, owner, ""), approve=lambda _plan: True)
        assert "needs 2 memories to start: memories is 1" in str(told.value)
        assert "change `limits.memories` in Component.toml" in str(told.value)
        assert system.list() == ()
        enough = package(composed, owner, "memories = 2")
        await system.install(enough, approve=lambda _plan: True)
        assert await system.send(NAME, b"hello", timeout=60) == b"!ello"
