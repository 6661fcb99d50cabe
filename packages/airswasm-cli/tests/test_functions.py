"""Functions that components export, called over the control API and from a command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airswasm.cli._hosts.remote_host import host_behind
from airswasm.cli._hosts.serving import serve
from airswasm.cli.errors import RemoteFailure
from airswasm.lifecycle import Package, System
from airswasm.security import generate_key

NAME = "acme/tools"
MANIFEST = b'[component]\nname = "acme/tools"\nversion = "0.1.0"\n'
WIT = """package acme:tools@1.0.0;
interface sums {
  record pair { left: u32, right: u32 }
  resource meter { constructor(); }
  add: func(pair: pair) -> u32;
  same: func(text: string) -> string;
  rest: func();
  trap: func();
}
world tools { export sums; }
"""
CORE = """(module
  (import "[export]acme:tools/sums@1.0.0" "[resource-new]meter"
    (func $new (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "acme:tools/sums@1.0.0#[constructor]meter") (result i32) (call $new (i32.const 1)))
  (func (export "acme:tools/sums@1.0.0#add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1)))
  (func (export "acme:tools/sums@1.0.0#same") (param i32 i32) (result i32)
    (i32.store (i32.const 8) (local.get 0)) (i32.store (i32.const 12) (local.get 1)) (i32.const 8))
  (func (export "acme:tools/sums@1.0.0#rest"))
  (func (export "acme:tools/sums@1.0.0#trap") unreachable))
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # uvicorn's


@pytest.fixture(scope="module")
def wasm(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A component without a handler."""
    folder = tmp_path_factory.mktemp("tools")
    (folder / "world.wit").write_text(WIT)
    (folder / "core.wat").write_text(CORE)
    scripts = sysconfig.get_path("scripts")
    tool = shutil.which("wasm-tools", path=scripts) or shutil.which("wasm-tools") or "wasm-tools"
    steps = (
        ["embed", "world.wit", "core.wat", "-o", "embedded.wasm"],
        ["new", "embedded.wasm", "-o", "tools.wasm"],
    )
    for step in steps:
        subprocess.run([tool, "component", *step], cwd=folder, check=True)
    return (folder / "tools.wasm").read_bytes()


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform == "win32", reason="there are no Unix sockets")
async def test_the_control_api_lists_and_calls_functions(tmp_path: Path, wasm: bytes) -> None:
    """With values of JSON; what does not fit is refused before it is sent."""
    package = Package.from_files({"Component.toml": MANIFEST, "component.wasm": wasm})
    async with System(tmp_path) as system, serve(system) as listening:
        host = host_behind(listening.socket)
        await system.install(package.sign(generate_key(), sequence=1), approve=lambda _: True)
        listed = {each["path"].rpartition("#")[2]: each for each in await host.functions(NAME)}
        assert listed["add"]["signature"] == "add: func(pair: pair) -> u32"
        assert listed["add"]["types"] == ["record pair { left: u32, right: u32 }"]
        assert listed["add"]["is_callable"]
        assert not listed["[constructor]meter"]["is_callable"]
        arguments = json.dumps([{"left": 40, "right": 2}]).encode()
        called = await host.call(NAME, "add", arguments)
        assert called == {"function": "acme:tools/sums@1.0.0#add", "value": 42}
        assert (await host.call(NAME, "sums.rest", b"[]"))["value"] is None
        for function, given, code in (
            ("add", b"[{}]", "E0387"),
            ("add", b"[", "E0387"),
            ("add", b"{}", "E0387"),
            ("add", b"[" * 100_000, "E0387"),
            ("add", b"[" + b"9" * 5_000 + b"]", "E0387"),
            ("[constructor]meter", b"[]", "E0387"),
            ("nothing", b"[]", "E0713"),
            ("trap", b"[]", "E0210"),
        ):
            with pytest.raises(RemoteFailure) as caught:
                await host.call(NAME, function, given)
            assert caught.value.code == code, given


@pytest.fixture
def tools(tmp_path: Path, airswasm: Callable[..., Any], wasm: bytes) -> str:
    """The component, installed."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "Component.toml").write_bytes(MANIFEST)
    (folder / "component.wasm").write_bytes(wasm)
    for arguments in (("keygen",), ("sign", str(folder)), ("install", str(folder), "--yes")):
        assert airswasm(*arguments).code == 0
    return NAME


def test_a_command_line_calls_functions(
    tools: str, airswasm: Callable[..., Any], run_host: Callable[..., Any]
) -> None:
    """Arguments are JSON or texts; values are JSON; each refusal says what to do."""
    call = ("send", tools, "--function")
    assert airswasm(*call, "add", "{}").code == 6  # no host runs
    run_host()
    shown = airswasm("send", tools, "--functions").out
    assert "acme:tools/sums@1.0.0\n" in shown
    assert "  record pair { left: u32, right: u32 }\n  add: func(pair: pair) -> u32\n" in shown
    assert "(from Python only)" in shown
    assert airswasm(*call, "add", '{"left": 1, "right": 2}').out == "3\n"
    assert airswasm(*call, "same", "two words").out == '"two words"\n'
    assert airswasm(*call, "same", '"42"').out == '"42"\n'
    document = json.loads(airswasm(*call, "sums.same", "é\x1b", "--json").out)
    assert document["schema"] == "airswasm.call/1"
    assert (document["from"], document["value"]) == (tools, "é\x1b")
    rest = airswasm(*call, "rest")
    assert (rest.code, rest.out) == (0, "")
    assert "without a value" in rest.err
    for arguments, code, said in (
        ((*call, "same", "42"), 2, "same.text: expected string, got 42"),
        ((*call, "same"), 2, "expected 1 for same"),
        ((*call, "same", "NaN", "1"), 2, "got 2 arguments"),
        ((*call, "other"), 1, "exports no function 'other'"),
        ((*call, "trap"), 1, "trapped"),
        (("send", tools, "hello"), 1, f"airswasm send {tools} --functions"),
        (("send", tools, "one", "two"), 2, "put it in quotation marks"),
        (("send", tools, "--functions", "x"), 2, "--function goes with"),
        ((*call, "same", "x", "--codec", "cbor"), 2, "--function goes with"),
    ):
        done = airswasm(*arguments)
        assert (done.code, said in done.err) == (code, True), done
        assert "NAME" not in done.err
