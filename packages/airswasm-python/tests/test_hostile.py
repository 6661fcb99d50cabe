"""What a hostile package, or a hostile app, cannot do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from hashlib import sha256
from pathlib import Path

import pytest
from airswasm.actor import ActorFailed, GuestRefused
from airswasm.lifecycle import (
    Home,
    InterpreterMissing,
    Package,
    SourceFile,
    SourceIndex,
    SourceIndexInvalid,
    SourcesInvalid,
    System,
)
from airswasm.security import PrivateKey

pytestmark = pytest.mark.anyio
MakePackage = Callable[..., Package]
OpenSystem = Callable[..., AbstractAsyncContextManager[System]]
HANDLER = "airswasm:component/handler@0.1.0"
STORAGE = "airswasm:component/storage@0.1.0"
LIFECYCLE = "airswasm:component/lifecycle@0.1.0"
ECHO = """
class Handler:
    def handle_message(self, sender, topic, payload):
        return payload
"""


def remade(package: Package, key: PrivateKey, index: SourceIndex, **files: bytes) -> Package:
    """Return a signed package with another index, and other files beside it."""
    every = {**package.files, **files, package.manifest.build.artifact: index.to_bytes()}
    return Package.from_files(every).sign(key, sequence=50)


def listed(content: bytes, path: str = "app.py") -> SourceFile:
    return SourceFile(path, sha256(content).hexdigest())


async def test_bytecode_of_a_package_is_data(
    opened: OpenSystem, package: MakePackage, key: PrivateKey
) -> None:
    """Whatever it is called: only what the host compiled from a source is run."""
    import marshal

    good = package("import evil\n" + ECHO, **{"evil.py": "answer = 'source'"})
    code = b"\0" * 16 + marshal.dumps(compile("answer = 'bytecode'", "evil.py", "exec"))
    app = ("import evil\n" + ECHO.replace("payload\n", "evil.answer.encode()\n")).encode()
    source = b"answer = 'source'"
    index = SourceIndex(
        "python-3.14-1", "app.py", (HANDLER, LIFECYCLE), (),
        {
            "app.py": listed(app),
            "evil.py": listed(source, "evil.py"),
            "evil.pyc": listed(code, "evil.pyc"),
            "__pycache__/evil.cpython-314.pyc": listed(code, "evil.pyc"),
        },
    )  # fmt: skip
    bad = remade(good, key, index, **{"app.py": app, "evil.py": source, "evil.pyc": code})
    async with opened() as system:
        await system.install(bad, approve=lambda _plan: True)
        assert await system.send("local/it", b"") == b"source"


async def test_a_damaged_entry_of_the_hosts_own_code_is_compiled_again(
    opened: OpenSystem, package: MakePackage, tmp_path: Path
) -> None:
    async with opened() as system:
        await system.install(package(ECHO), approve=lambda _plan: True)
    entries = list((Home(tmp_path / "home").cache_folder / "code").iterdir())
    assert entries
    for each in entries:
        each.write_bytes(each.read_bytes()[:-1] + b"!")
    async with opened() as system:
        assert await system.send("local/it", b"whole") == b"whole"


@pytest.mark.parametrize(
    ("abi", "error"),
    [("python-3.14-2", InterpreterMissing), ("javascript-1", InterpreterMissing)],
)
async def test_another_abi_is_refused_before_anything_is_approved(
    opened: OpenSystem, package: MakePackage, key: PrivateKey, abi: str, error: type[Exception]
) -> None:
    good = package(ECHO)
    index = SourceIndex.parse(good.wasm, "it")
    bad = SourceIndex(abi, index.entry, index.exports, index.imports, index.files)
    async with opened() as system:
        with pytest.raises(error, match=abi):
            await system.install(
                remade(good, key, bad), approve=lambda _plan: pytest.fail("it was asked")
            )
        assert not system.list()


def test_a_changed_source_is_no_package(package: MakePackage) -> None:
    good = package(ECHO)
    with pytest.raises(SourceIndexInvalid, match=r"app\.py differs"):
        Package.from_files({**good.files, "app.py": b"import os"})


async def test_a_source_that_takes_too_much_to_compile_is_refused(
    opened: OpenSystem, package: MakePackage, key: PrivateKey
) -> None:
    good = package(ECHO)
    async with opened() as system:
        for text in (
            b"(" * 50_000,
            b"a" + b".b" * 100_000,
            b"-" * 500_000 + b"1",
            b"x = '\xff'",
            b"\0",
            b"#" * (SourceIndex.MOST_SOURCE_BYTES + 1),
        ):
            index = SourceIndex("python-3.14-1", "app.py", (HANDLER,), (), {"app.py": listed(text)})
            with pytest.raises(SourcesInvalid, match=r"app\.py:1: "):
                await system.install(
                    remade(good, key, index, **{"app.py": text}), approve=lambda _plan: True
                )


async def test_what_it_prints_ends_with_its_fuel_and_what_it_hoards_with_its_memory(
    opened: OpenSystem, package: MakePackage
) -> None:
    app = """
class Handler:
    def handle_message(self, sender, topic, payload):
        if payload == b"flood":
            while True:
                print("x" * 1000)
        if payload == b"hoard":
            kept = []
            while True:
                kept.append(bytes(1_000_000))
        return payload
"""
    async with opened() as system:
        await system.install(package(app), approve=lambda _plan: True)
        with pytest.raises(ActorFailed):
            await system.send("local/it", b"flood", 20)
        with pytest.raises(GuestRefused, match="MemoryError"):
            await system.send("local/it", b"hoard", 20)
        assert await system.send("local/it", b"well") == b"well"


async def test_a_message_cannot_reach_the_module_system(
    opened: OpenSystem, package: MakePackage
) -> None:
    """Names of modules that lead elsewhere find what the index has, which is nothing."""
    app = """
import importlib
class Handler:
    def handle_message(self, sender, topic, payload):
        try:
            importlib.import_module(payload.decode())
        except Exception as error:
            return type(error).__name__.encode()
        return b"found"
"""
    async with opened() as system:
        await system.install(package(app), approve=lambda _plan: True)
        for name in ("../app", "/etc/passwd", "app/../app", "a" * 10_000, "..app", "nul\0"):
            answer = await system.send("local/it", name.encode())
            assert answer in (b"ModuleNotFoundError", b"TypeError", b"ValueError", b"ImportError")


async def test_an_app_reaches_what_its_index_imports_and_nothing_else(
    opened: OpenSystem, package: MakePackage, key: PrivateKey
) -> None:
    """Whatever the interpreter imports: a person who approves sees the imports of the index."""
    app = """
import importlib
class Handler:
    def handle_message(self, sender, topic, payload):
        name = "wit_world.imports.storage"
        return importlib.import_module(name).get("count") or b"none"
"""
    hidden = package(app)
    index = SourceIndex.parse(hidden.wasm, "it")
    assert not any("storage" in each for each in index.imports)
    shown = SourceIndex(
        index.abi, index.entry, index.exports, (*index.imports, STORAGE), index.files
    )
    async with opened() as system:
        await system.install(hidden, approve=lambda _plan: True)
        with pytest.raises(ActorFailed, match=r"wit/world\.wit does not import it"):
            await system.send("local/it", b"")
        await system.uninstall("local/it")
        await system.install(remade(hidden, key, shown), approve=lambda _plan: True)
        assert await system.send("local/it", b"") == b"none"


def test_a_build_from_the_files_of_a_stranger_runs_none_of_them(tmp_path: Path) -> None:
    from airswasm.lifecycle import FetchedTree, TreeFile
    from airswasm.sdk import BuildLimits, building_from

    seen = tmp_path / "seen"
    app = f"open({str(seen)!r}, 'w')\n{ECHO}"
    manifest = (
        '[component]\nname = "local/it"\nversion = "0.1.0"\n'
        '[build]\nlanguage = "python"\nmode = "shared"\nartifact = "it.json"\n'
        '[limits]\nmemory = "64 MiB"\n'
    )
    files = {"Component.toml": manifest, "app.py": app}
    tree = FetchedTree({n: TreeFile(text.encode(), False) for n, text in files.items()}, "it")
    with building_from(tree, BuildLimits(unconfined=True)) as build:
        assert build.commands == ()
        made = build.run()
    assert SourceIndex.is_index(made.wasm)
    assert not seen.exists()
