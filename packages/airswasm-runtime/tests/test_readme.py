"""The README's examples are programs, and do what the README says."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"```python[^\n]*\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
PLUGIN = """(component
  (core module $code (memory (export "memory") 1) (global $top (mut i32) (i32.const 64))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1))
      (i32.const 16)))
  (core instance $run (instantiate $code))
  (func $echo (param "data" (list u8)) (result (list u8)) (canon lift (core func $run "echo")
    (memory (core memory $run "memory")) (realloc (core func $run "realloc"))))
  (instance $plugin (export "echo" (func $echo)))
  (export "app:plug/plugin" (instance $plugin)))"""
COMMON = f"""
import anyio, types, wasmtime
from pathlib import Path
from airswasm.runtime import *
wasm = bytes(wasmtime.wat2wasm('''{PLUGIN}'''))
request = types.SimpleNamespace(body=b"hello")
"""


def run(program: str, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_first_example_runs(tmp_path: Path) -> None:
    """Copied from the page and run as it is, it prints what the page promises."""
    first, second = run(EXAMPLES[0], tmp_path)
    assert first == "1042"
    assert second.startswith(("DeadlineExceeded", "FuelExhausted"))
    assert "raise `Limits." in second


def test_the_pool_s_example_runs(tmp_path: Path) -> None:
    """Inside an engine, with a component that exports `plugin`."""
    program = COMMON + (
        "async def main():\n"
        "    async with Engine() as engine:\n"
        "        linked = (await engine.load(wasm)).link()\n"
        + textwrap.indent(EXAMPLES[1], " " * 8)
        + "anyio.run(main)\n"
    )
    (printed,) = run(program, tmp_path)
    assert "uses=2" in printed


def test_the_blocking_example_runs(tmp_path: Path) -> None:
    """As in an application that calls its view; nothing is closed."""
    program = COMMON + (
        "Path('plugin.wasm').write_bytes(wasm)\n"
        "cache = Path('cache')\n"
        "find = lambda caller, key: key\n" + EXAMPLES[2] + "print(view(request))\n"
    )
    assert run(program, tmp_path) == ["b'hello'"]
