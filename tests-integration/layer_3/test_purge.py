"""A name that was purged is gone: from all that blocks keep for it, for each later owner.

A component leaves a mark in everything that a host keeps for a name. After the purge, the whole
home is searched for the mark, so that a block that keeps something new and does not forget it is
found here, as soon as the component uses it.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest
from airswasm.actor import GuestRefused
from airswasm.lifecycle import Configuration, Package, ReplaySettings, System
from airswasm.messaging import Schedule
from airswasm.runtime import Meters
from airswasm.security import PrivateKey
from airswasm.storage import Store, open_store
from airswasm.wit import AirswasmError, Blocks
from wasmtime import wat2wasm

pytestmark = pytest.mark.anyio

NAME, OTHER = "local/notebook", "local/neighbour"
MARK = "mark-7f3a9c"
OWNER = PrivateKey.from_seed(b"o" * 32)
NEXT_OWNER = PrivateKey.from_seed(b"n" * 32)
MANIFEST = f"""
[component]
name = "{{name}}"
version = "0.1.0"
description = "{{description}}"
[capabilities]
filesystem.read = ["/note"]
filesystem.write = ["/note"]
messaging.send = ["{OTHER}"]
[delivery]
mode = "durable"
attempts = 1
[supervision]
restart = "permanent"
backoff.initial = 0.001
"""
LEFT_ON_PURPOSE = {"audit", "cache", "store"}
"""The audit log keeps its lines, and the store is searched row by row."""


def wasm_of(filesystem: str) -> bytes:
    """The notebook, which traps at a message that begins with `t`."""
    text = (Path(__file__).parent / "notebook.wat").read_text()
    trap = "(if (i32.eq (i32.load8_u (local.get $at)) (i32.const 116)) (then (unreachable)))"
    reading = "      (call $read (i32.const 64)"
    assert reading in text
    text = text.replace(reading, f"      {trap}\n{reading}").replace("@FILESYSTEM@", filesystem)
    return bytes(wat2wasm(text))


def package(system: System, name: str, key: PrivateKey, description: str = "") -> Package:
    (filesystem,) = (
        each
        for each in system.interfaces
        if each.startswith("airswasm:") and "/filesystem@" in each
    )
    manifest = MANIFEST.format(name=name, description=description)
    files = {"Component.toml": manifest.encode(), "component.wasm": wasm_of(filesystem)}
    return Package.from_files(files).sign(key, sequence=1)


def configuration() -> Configuration:
    return Configuration.of(ReplaySettings(record=("local/*",)))


@pytest.fixture
async def marked(anyio_backend: str, tmp_path: Path) -> Path:
    """A home in which everything that is kept for a name has the mark."""
    del anyio_backend
    home = tmp_path / "home"
    async with System(home, configuration=configuration()) as system:
        for name in (NAME, OTHER):
            made = package(system, name, OWNER, MARK if name == NAME else "")
            await system.install(made, approve=lambda _plan: True)
        await system.send(NAME, b"w" + MARK.encode(), timeout=60)
        await system.send(NAME, b"r" + MARK.encode(), timeout=60)
        store = system.services.get(Store)
        space = store.namespace(NAME)
        await space.set(f"key/{MARK}", MARK.encode())
        await space.checkpoints.create(MARK)
        system.logs.write(NAME, "info", MARK)
        await system.grants.deny(NAME, "messaging.send", [f"local/{MARK}"], reason=MARK)
        with pytest.raises(AirswasmError):
            await system.send(NAME, b"t" + MARK.encode(), timeout=60)
        schedule = system.services.get(Schedule)
        schedule.add(NAME, OTHER, MARK.encode(), 1e6, is_durable=True)
        system.services.get(Meters).add("component_revivals_total", NAME, 7.0)
        await system.publish(MARK, MARK.encode(), retain=True)
        await system.stop(NAME)
        with pytest.raises((AirswasmError, TimeoutError)):
            await system.send(NAME, b"w" + MARK.encode(), timeout=0.01)
    assert len(await remains(home)) >= 6
    return home


async def remains(home: Path) -> list[str]:
    """Everything outside the audit log that has the mark."""
    found: list[str] = []
    async with open_store(home / "store") as store:
        with anyio.fail_after(60):
            while any(True for _ in store.backend.scan(b"g", b"h")):  # noqa: ASYNC110
                await anyio.sleep(0.01)  # the store has no event for it
        for key, value in store.backend.scan(b"\0", b"\xff" * 64):
            if MARK.encode() in key or MARK.encode() in value:
                found.append(f"store: {key!r} {value[:200]!r}")
    for path in await anyio.to_thread.run_sync(lambda: sorted(home.rglob("*"))):
        parts = path.relative_to(home).parts
        if parts[0] not in LEFT_ON_PURPOSE and path.is_file():
            content = await anyio.Path(path).read_bytes()
            if MARK.encode() in content or MARK in path.name:
                found.append("/".join(parts))
    return found


async def is_new(home: Path) -> None:
    """Another owner takes the name, and finds nothing of the last one."""
    async with System(home, configuration=configuration()) as system:
        assert [each.act for each in await system.history.read(NAME)] == ["purge"]
        for metric in Blocks.find().metrics.values():
            assert NAME not in dict(system.services.get(Meters).samples(metric.name))
        await system.install(package(system, NAME, NEXT_OWNER), approve=lambda _plan: True)
        assert system.info(NAME).storage_bytes == 0
        assert system.info(NAME).durable_messages == 0
        assert system.timers.list(NAME) == ()
        assert [each async for each in system.dead_letters.list(NAME)] == []
        assert system.services.get(Store).namespace(NAME).checkpoints.list() == ()
        with pytest.raises(GuestRefused):
            await system.send(NAME, b"r", timeout=60)
        assert system.grant_report(NAME).not_granted == ()


@pytest.mark.parametrize("state", ["running", "stopped", "quarantined", "uninstalled", "offline"])
async def test_nothing_is_left_of_a_purged_name(marked: Path, state: str) -> None:
    """In whatever state the purge finds the component."""
    mode = "offline" if state == "offline" else "online"
    async with System(marked, mode=mode, configuration=configuration()) as system:
        if state == "running":
            await system.start(NAME)
        if state == "quarantined":
            await system.trust.revoke(OWNER.public.fingerprint, "lost")
        if state == "uninstalled":
            await system.uninstall(NAME)
        await system.uninstall(NAME, purge=True)
    assert await remains(marked) == []
    await is_new(marked)


class Killed(BaseException):
    """The process ends here."""


async def steps(home: Path, folder: Path) -> AsyncGenerator[tuple[str, Path]]:
    """Homes in which a purge ended at its first, second, … step."""
    for number in range(1, 30):
        copy = folder / f"step-{number}"
        await anyio.to_thread.run_sync(shutil.copytree, home, copy)
        passed: list[str] = []

        def checkpoint(step: str, passed: list[str] = passed, number: int = number) -> None:
            passed.append(step)
            if len(passed) == number:
                raise Killed(step)

        try:
            async with System(
                copy, mode="offline", configuration=configuration(), checkpoint=checkpoint
            ) as system:
                await system.uninstall(NAME, purge=True)
        except Killed as killed:
            yield str(killed), copy
        else:
            return


async def test_a_purge_that_was_cut_short_is_all_or_nothing(marked: Path, tmp_path: Path) -> None:
    """Before the record is gone, the component is whole; after it, the next start finishes."""
    async with System(marked, mode="offline", configuration=configuration()):
        pass  # what has expired goes
    before = await remains(marked)
    seen: list[str] = []
    async with aclosing(steps(marked, tmp_path)) as homes:
        async for step, home in homes:
            seen.append(step)
            async with System(home, mode="offline", configuration=configuration()) as system:
                is_installed = NAME in {each.name for each in system.list()}
            assert is_installed == (step == "registry.before-write"), step
            assert len(await remains(home)) == (len(before) if is_installed else 0), step
    assert {"purge.give-up", "purge.storage", "purge.osl", "purge.lifecycle"} <= set(seen)
    await is_new(tmp_path / f"step-{len(seen)}")
