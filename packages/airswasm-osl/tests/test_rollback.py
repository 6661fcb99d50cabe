"""A component's files go back with its code, in a whole host."""

import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from airswasm.lifecycle import Configuration, InstallPlan, Package, System, UpdateSettings
from airswasm.security import PrivateKey, generate_key
from wasmtime import wat2wasm

pytestmark = pytest.mark.anyio
NAME = "local/files"
GUEST = Path(__file__).parent / "guests" / "echo.wat"


def yes(_plan: InstallPlan) -> bool:
    return True


def package(key: PrivateKey, number: int) -> Package:
    manifest = f'[component]\nname = "{NAME}"\nversion = "0.{number}.0"\n'
    wasm = bytes(wat2wasm(GUEST.read_text()))
    files = {"Component.toml": manifest.encode(), "component.wasm": wasm}
    return Package.from_files(files).sign(key, sequence=number)


def opened(home: Path) -> System:
    return System(home, configuration=Configuration.of(UpdateSettings(checkpoints="always")))


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await anyio.sleep(0.001)


async def test_files_go_back_with_code(tmp_path: Path) -> None:
    """With data, both; and forward again. A purge removes every copy, and an uninstall too."""
    home, key = tmp_path / "home", generate_key()
    own, kept = home / "files" / NAME, home / "files" / ".kept"
    async with opened(home) as system:
        await system.install(package(key, 1), approve=yes)
        (own / "deep").mkdir(parents=True)
        (own / "deep" / "one").write_bytes(b"of 0.1.0")
        await system.update(package(key, 2))
        (own / "deep" / "one").write_bytes(b"of 0.2.0")
        (own / "two").write_bytes(b"new")
        checkpoint = system.info(NAME).versions[0].checkpoint
        assert checkpoint is not None
        assert (checkpoint.content["file"], checkpoint.size_bytes) == (1, 8)
        plan = (await system.plan_rollback(NAME)).data
        assert plan is not None
        found = {each.noun: (each.added, each.changed) for each in plan.differences}
        assert found["file"] == (1, 1)
        await system.rollback(NAME, data="restore")
        assert (own / "deep" / "one").read_bytes() == b"of 0.1.0"
        assert not (own / "two").exists()
        await system.rollback(NAME, "0.2.0", data="restore")
        assert (own / "two").read_bytes() == b"new"
        assert await system.send(NAME, b"still there") == b"still there"
        await until(lambda: len(list(kept.glob("*/*/*"))) == 1)  # others are dropped beside
        await system.uninstall(NAME, purge=True)
        assert not own.exists()
    async with opened(home):
        assert list(kept.glob("*/*/*")) == []


async def test_a_full_disk_ends_the_update_before_anything_changed(tmp_path: Path) -> None:
    """The message says which block, and what is to be done."""
    home, key = tmp_path / "home", generate_key()
    async with opened(home) as system:
        await system.install(package(key, 1), approve=yes)
        own = home / "files" / NAME
        own.mkdir(parents=True)
        with (own / "big").open("wb") as file:
            file.truncate(shutil.disk_usage(tmp_path).free)
        with pytest.raises(Exception, match="osl keeps for it: its files take more") as caught:
            await system.update(package(key, 2))
        assert "0.1.0" in str(caught.value)
        assert system.info(NAME).version == "0.1.0"
        assert list((home / "files" / ".kept").glob("*/*/*")) == []
