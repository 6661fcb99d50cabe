"""A component that is sources goes the whole way of one that is wasm."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from airswasm.actor import GuestRefused
from airswasm.lifecycle import (
    Home,
    InterpreterMissing,
    Package,
    SourcesInvalid,
    StartFailed,
    System,
    UpdateFailed,
)
from airswasm.python._checks import check_interpreter
from airswasm.security import PrivateKey
from airswasm.wit import Blocks

pytestmark = pytest.mark.anyio
MakePackage = Callable[..., Package]
OpenSystem = Callable[..., AbstractAsyncContextManager[System]]
ECHO = """
class Handler:
    def handle_message(self, sender, topic, payload):
        return payload
"""
COUNTER = """
from wit_world.imports import storage

class Lifecycle:
    def init(self, config):
        self.started = True
    def shutdown(self):
        storage.set("stopped", b"yes")

class Handler:
    def handle_message(self, sender, topic, payload):
        count = int(storage.get("count") or b"0") + 1
        storage.set("count", str(count).encode())
        return f"VERSION {count}".encode()
"""
DIFFICULT = """
import json
import sys
import helper

class Handler:
    def handle_message(self, sender, topic, payload):
        if payload == b"raise":
            helper.fail("no such order")
        if payload == b"exit":
            sys.exit(3)
        if payload == b"recurse":
            return self.handle_message(sender, topic, payload)
        if payload == b"deep":
            json.loads("[" * 100_000)
        if payload == b"ssl":
            import ssl
        if payload == b"rare":
            import wave
            return wave.__name__.encode()
        if payload == b"loop":
            import asyncio
            async def work():
                async with asyncio.timeout(5):
                    await asyncio.sleep(0.001)
                return b"slept"
            return asyncio.run(work())
        if payload == b"refuse":
            from componentize_py_types import Err
            raise Err("not today")
        return b"fine"
"""
HELPER = """
def fail(text):
    raise ValueError(text)
"""


async def test_it_is_installed_updated_rolled_back_and_survives_the_host(
    opened: OpenSystem, package: MakePackage
) -> None:
    first = package(COUNTER.replace("VERSION", "one"))
    second = package(COUNTER.replace("VERSION", "two"), version="0.2.0")
    async with opened() as system:
        await system.install(first, approve=lambda _plan: True)
        assert await system.send("local/it", b"") == b"one 1"
        await system.update(second, approve=lambda _plan: True)
        assert await system.send("local/it", b"") == b"two 2"
        await system.read_world("local/it")
        assert [each.name for each in system.info("local/it").exports] == [
            "airswasm:component/handler@0.1.0",
            "airswasm:component/lifecycle@0.1.0",
        ]
    async with opened() as system:
        assert await system.send("local/it", b"") == b"two 3"
        await system.rollback("local/it")
        assert await system.send("local/it", b"") == b"one 4"
        assert {each.kind async for each in system.artifacts.verify()} == {
            "component", "file", "manifest", "signature",
        }  # fmt: skip


async def test_what_an_app_raises_is_a_refused_message_and_a_traceback_in_the_log(
    opened: OpenSystem, package: MakePackage
) -> None:
    async with opened() as system:
        await system.install(
            package(DIFFICULT, **{"helper.py": HELPER}), approve=lambda _plan: True
        )
        for message, reason in (
            (b"raise", "ValueError: no such order"),
            (b"exit", "SystemExit: 3"),
            (b"recurse", "RecursionError: maximum recursion depth exceeded"),
            (b"deep", "RecursionError: JSON that nests more than 2,000 deep"),
            (b"ssl", "the shared interpreter has no ssl; TLS is the host's"),
            (b"refuse", "not today"),
        ):
            with pytest.raises(GuestRefused, match=reason):
                await system.send("local/it", message)
        for message, answer in ((b"rare", b"wave"), (b"loop", b"slept"), (b"", b"fine")):
            assert await system.send("local/it", message) == answer
        assert system.status().components[0].restarts == 0
        lines = [each.message for each in system.logs.recent("local/it", 500)]
        at = lines.index('  File "/app/helper.py", line 3, in fail')
        assert lines[at + 1 : at + 3] == ["    raise ValueError(text)", "ValueError: no such order"]


async def test_a_source_that_does_not_compile_is_refused_before_anything_is_approved(
    opened: OpenSystem, package: MakePackage, key: PrivateKey
) -> None:
    good = package(ECHO)
    async with opened() as system:
        files = dict(good.files)
        files["app.py"] = b"class Handler:\n    def handle_message(self:\n"
        bad = _indexed(files).sign(key)
        with pytest.raises(SourcesInvalid) as caught:
            await system.install(bad, approve=lambda _plan: pytest.fail("it was asked"))
        assert (caught.value.file, caught.value.line) == ("app.py", 2)


async def test_a_failing_import_is_a_start_that_fails(
    opened: OpenSystem, package: MakePackage
) -> None:
    async with opened() as system:
        with pytest.raises(StartFailed, match="No module named 'nowhere'"):
            await system.install(package("import nowhere\n" + ECHO), approve=lambda _plan: True)


async def test_an_interpreter_that_leaves_the_host_goes_on_for_what_is_installed(
    opened: OpenSystem, package: MakePackage
) -> None:
    without = Blocks(each for each in Blocks.find() if each.block.name != "python")
    async with opened() as system:
        await system.install(package(ECHO), approve=lambda _plan: True)
    async with opened(blocks=without) as system:
        assert await system.send("local/it", b"still") == b"still"
        await system.uninstall("local/it")
        await system.artifacts.gc()
    async with opened(blocks=without) as system:
        with pytest.raises(InterpreterMissing, match=r"python-3\.14-1; there is none"):
            await system.install(package(ECHO, version="0.2.0"), approve=lambda _plan: True)


async def test_instances_share_the_interpreter_and_nothing_else(
    opened: OpenSystem, package: MakePackage
) -> None:
    remembering = """
seen = []
class Handler:
    def handle_message(self, sender, topic, payload):
        seen.append(payload)
        return b",".join(seen)
"""
    async with opened() as system:
        for name in ("one", "two"):
            await system.install(package(remembering, name=name), approve=lambda _plan: True)
        assert await system.send("local/one", b"a") == b"a"
        assert await system.send("local/two", b"b") == b"b"
        assert await system.send("local/one", b"c") == b"a,c"


def _indexed(files: dict[str, bytes]) -> Package:
    """Make an unsigned package of files whose index fits them."""
    from hashlib import sha256

    from airswasm.lifecycle import SourceFile, SourceIndex

    index = SourceIndex(
        "python-3.14-1", "app.py", ("airswasm:component/handler@0.1.0",), (),
        {"app.py": SourceFile("app.py", sha256(files["app.py"]).hexdigest())},
    )  # fmt: skip
    files["build/it.json"] = index.to_bytes()
    return Package.from_files(files)


async def test_a_migration_is_tried_on_a_copy_and_only_where_the_app_has_one(
    opened: OpenSystem, package: MakePackage
) -> None:
    """The interpreter exports `migrate` for all; a component has it where its index says so."""
    migrating = (
        COUNTER
        + """
class Migration:
    def migrate(self, from_version):
        if storage.get("count") != b"1":
            raise ValueError("no count")
        storage.set("count", b"100")
"""
    )
    async with opened() as system:
        first = package(COUNTER.replace("VERSION", "one"))
        await system.install(first, approve=lambda _plan: True)
        assert await system.send("local/it", b"") == b"one 1"
        second = package(migrating.replace("VERSION", "two"), version="0.2.0")
        await system.update(second, approve=lambda _plan: True)
        assert await system.send("local/it", b"") == b"two 101"
        third = package(migrating.replace("VERSION", "three"), version="0.3.0")
        with pytest.raises(UpdateFailed, match="ValueError: no count"):
            await system.update(third, approve=lambda _plan: True)
        assert await system.send("local/it", b"") == b"two 102"
        await system.rollback("local/it", data="restore")
        assert await system.send("local/it", b"") == b"one 2"


async def test_the_least_memory_that_a_build_accepts_is_enough_to_start(
    opened: OpenSystem, package: MakePackage
) -> None:
    async with opened() as system:
        await system.install(package(ECHO, memory="32 MiB"), approve=lambda _plan: True)
        assert await system.send("local/it", b"small") == b"small"


async def test_a_kept_interpreter_that_is_damaged_is_none(
    opened: OpenSystem, package: MakePackage, tmp_path: Path
) -> None:
    """Its bytes would be compiled and run: better none than other ones."""
    without = Blocks(each for each in Blocks.find() if each.block.name != "python")
    async with opened() as system:
        await system.install(package(ECHO), approve=lambda _plan: True)
    (file,) = Home(tmp_path / "home").interpreters_folder.iterdir()
    content = file.read_bytes()
    file.unlink()  # other homes of these tests have a link to it
    file.write_bytes(content[:-1] + b"!")
    async with opened(blocks=without) as system:
        assert "python-3.14-1" in str(system.component_status("local/it").last_error)
    async with opened() as system:  # the block is back
        assert await system.send("local/it", b"well") == b"well"


def test_doctor_says_whether_it_is_compiled(tmp_path: Path, compiled: Path) -> None:
    (found,) = check_interpreter(tmp_path / "home", quick=False)
    assert (found.state, found.text.endswith("the first component compiles it")) == ("note", True)
    (tmp_path / "home").mkdir(mode=0o700)
    cache = shutil.copytree(compiled, tmp_path / "home" / "cache", copy_function=os.link)
    cache.chmod(0o700)
    (found,) = check_interpreter(tmp_path / "home", quick=False)
    assert (found.state, found.text.endswith(", compiled")) == ("ok", True)
    assert found.text.startswith("python-3.14-1, ")
