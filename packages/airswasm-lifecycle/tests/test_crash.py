"""kill -9 at every step of every change: the old state or the new one, never neither."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.lifecycle import InstallPlan, Package, System
from airswasm.security import verify_audit
from airswasm.storage import installed_engines

Workshop = Any  # tests/conftest.py, which nothing can import
CHILD = Path(__file__).parent / "crash_child.py"
NAME = "local/hello"
MOST_STEPS = 60
ENGINES = sorted(set(installed_engines()) - {"memory", "rocksdb"})
"""The durable ones beside the default that are installed here."""


def yes(_plan: InstallPlan) -> bool:
    return True


def child(home: Path, mode: str, step: int, operation: str, *rest: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, str(CHILD), str(home), mode, str(step), operation, *rest]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, workshop: Workshop) -> Path:
    """A home in which everything is compiled already, and nothing installed."""
    home = tmp_path_factory.mktemp("empty") / "home"

    async def prepare() -> None:
        async with System(home, mode="offline") as system:
            await system.install(workshop.package(), approve=yes)
            await system.update(workshop.package("0.2.0"))
            await system.uninstall(NAME, purge=True)

    anyio.run(prepare)
    return home


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory, empty: Path, workshop: Workshop, notebook: Any
) -> Path:
    """The same with 0.1.0 installed, and a value stored."""
    return _grown(tmp_path_factory, empty, [workshop.package()], notebook)


@pytest.fixture(scope="module")
def updated(
    tmp_path_factory: pytest.TempPathFactory, empty: Path, workshop: Workshop, notebook: Any
) -> Path:
    """The same with 0.2.0 over 0.1.0."""
    packages = [workshop.package(), workshop.package("0.2.0")]
    return _grown(tmp_path_factory, empty, packages, notebook)


def _grown(
    factory: pytest.TempPathFactory, empty: Path, packages: list[Package], notebook: Any
) -> Path:
    home = factory.mktemp("grown") / "home"
    shutil.copytree(empty, home)

    async def prepare() -> None:
        async with System(home, blocks=notebook.BLOCKS) as system:
            await system.install(packages[0], approve=yes)
            await system.send(NAME, b"c")
            notebook.of(home).write(NAME, "1")
            for package in packages[1:]:
                await system.update(package)
                count = await system.send(NAME, b"c")
                notebook.of(home).write(NAME, str(count[0] if count else 0))

    anyio.run(prepare)
    return home


async def outcome(home: Path, stored: int = 0) -> str | None:
    """What answers after the next start; its data must be there, and the audit chain hold."""
    verify_audit(home / "audit" / "audit.jsonl")
    async with System(home) as system:
        if not system.list():
            return None
        version = await system.send(NAME, b"v")
        assert version == system.info(NAME).version.encode()
        if stored:
            assert await system.send(NAME, b"c") == bytes([stored + 1])
        return version.decode()


def crashes(
    start: Path, folder: Path, mode: str, operation: str, *rest: str
) -> Iterator[tuple[Path, bool]]:
    """Homes in which the operation was killed at its first, second, … step, and one where not."""
    for step in range(1, MOST_STEPS):
        home = folder / f"step-{step}"
        shutil.copytree(start, home)
        process = child(home, mode, step, operation, *rest)
        printed, _ = process.communicate(timeout=60)
        is_done = "done" in printed
        assert is_done == (process.returncode == 0)
        yield home, is_done
        if is_done:
            return
    raise AssertionError("the operation has no end")


def some_crashes(
    start: Path, folder: Path, mode: str, operation: str, *rest: str
) -> Iterator[Path]:
    """Homes in which the operation was killed at some of its steps, the first and last included.

    With AIRSWASM_KILLS set, at every step.
    """
    if "AIRSWASM_KILLS" in os.environ:
        yield from (home for home, _ in crashes(start, folder, mode, operation, *rest))
        return
    whole = folder / "whole"
    shutil.copytree(start, whole)
    printed, _ = child(whole, mode, 0, operation, *rest).communicate(timeout=60)
    steps = int(printed.split()[2])
    for step in sorted({1 + (steps - 1) * part // 4 for part in range(5)}):
        home = folder / f"step-{step}"
        shutil.copytree(start, home)
        child(home, mode, step, operation, *rest).communicate(timeout=60)
        yield home
    yield whole


@pytest.mark.parametrize("mode", ["online"])
def test_install(empty: Path, tmp_path: Path, workshop: Workshop, mode: str) -> None:
    """Nothing or all of it; and installing again works either way."""
    archive = tmp_path / "hello.airswasm"
    workshop.package().write_archive(archive)
    outcomes = []
    for home, is_done in crashes(empty, tmp_path, mode, "install", str(archive)):
        found = anyio.run(outcome, home)
        assert found == "0.1.0" if is_done else found in (None, "0.1.0")
        outcomes.append(found)
        if found is None:
            anyio.run(_install_again, home, archive)
            assert anyio.run(outcome, home) == "0.1.0"
    assert set(outcomes) == {None, "0.1.0"}
    assert len(outcomes) > 5


async def _install_again(home: Path, archive: Path) -> None:
    async with System(home, mode="offline") as system:
        await system.install(archive, approve=yes)


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_update(installed: Path, tmp_path: Path, workshop: Workshop, mode: str) -> None:
    """The old version or the new one answers, with the data."""
    archive = tmp_path / "hello.airswasm"
    workshop.package("0.2.0").write_archive(archive)
    outcomes = []
    for home, is_done in crashes(installed, tmp_path, mode, "update", str(archive)):
        found = anyio.run(outcome, home, 1)
        assert found == "0.2.0" if is_done else found in ("0.1.0", "0.2.0")
        outcomes.append(found)
    assert set(outcomes) == {"0.1.0", "0.2.0"}


async def _count(home: Path) -> bytes | None:
    async with System(home) as system:
        return await system.send(NAME, b"c")


@pytest.mark.parametrize(
    ("operation", "after"), [("rollback", "0.1.0"), ("uninstall", None), ("purge", None)]
)
def test_rollback_and_uninstall(
    updated: Path, tmp_path: Path, operation: str, after: str | None
) -> None:
    """Before or after, nothing between; a purge goes on at the next start."""
    outcomes = []
    for home, is_done in crashes(updated, tmp_path, "online", operation):
        found = anyio.run(outcome, home)
        assert found == after if is_done else found in ("0.2.0", after)
        outcomes.append(found)
    assert set(outcomes) == {"0.2.0", after}


async def data_of(home: Path, notebook: Any) -> tuple[str, int, str, bool]:
    """The version that a host runs next, and the data that it finds; nothing else is left."""
    async with System(home, blocks=notebook.BLOCKS) as system:
        if system.info(NAME).state == "stopped":
            await system.start(NAME)
        space = system._store.namespace(NAME)
        count, migrated = await space.get("count"), await space.get("migrated")
        version = await system.send(NAME, b"v")
        assert version == system.info(NAME).version.encode()
        assert await system._data.drop_released()
        kept = {each for block in system._data._blocks.values() for each in block.labels()}
        assert kept == {(NAME, label) for label in system._registry.labels(NAME)}
        note = notebook.of(home).read(NAME)
        return version.decode(), count[0] if count else 0, note, migrated is not None


OLD, NEW = ("0.1.0", 1, "1", False), ("0.2.0", 2, "2", True)


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_data_goes_back_with_code(updated: Path, tmp_path: Path, notebook: Any, mode: str) -> None:
    """Old code with old data or new code with new data, in every block; never mixed."""
    homes = some_crashes(updated, tmp_path, mode, "restore")
    found = [anyio.run(data_of, home, notebook) for home in homes]
    assert set(found) == {OLD, NEW}
    assert found[-1] == OLD


@pytest.mark.parametrize("engine", ENGINES)
def test_data_goes_back_on_every_engine(
    engine: str,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    workshop: Workshop,
    notebook: Any,
) -> None:
    """As on the default: each of them writes the switch of a namespace and a record in one step."""
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.toml").write_text(f'[storage]\nengine = "{engine}"\n')
    packages = [workshop.package(), workshop.package("0.2.0")]
    home = _grown(tmp_path_factory, bare, packages, notebook)
    homes = some_crashes(home, tmp_path, "online", "restore")
    found = [anyio.run(data_of, each, notebook) for each in homes]
    assert set(found) == {OLD, NEW}


def test_data_goes_forward_with_code(
    installed: Path, tmp_path: Path, workshop: Workshop, notebook: Any
) -> None:
    """A migration has changed all of the data, with its version, or nothing."""
    archive = tmp_path / "hello.airswasm"
    workshop.package("0.2.0").write_archive(archive)
    homes = some_crashes(installed, tmp_path, "online", "update", str(archive))
    found = [anyio.run(data_of, home, notebook) for home in homes]
    assert set(found) == {OLD, ("0.2.0", 1, "1", True)}


@pytest.mark.parametrize("migrate", [0, 1])
def test_a_migration_at_a_start_is_whole_or_was_not(
    installed: Path, tmp_path: Path, workshop: Workshop, notebook: Any, migrate: int
) -> None:
    """The next host begins it anew with the data that the old version left, or goes back."""
    home = tmp_path / "stopped"
    shutil.copytree(installed, home)

    async def prepare() -> None:
        async with System(home, mode="offline", blocks=notebook.BLOCKS) as system:
            guest = workshop.guest("0.2.0", migrate=migrate)
            await system.update(workshop.package("0.2.0", wasm=guest))

    anyio.run(prepare)
    homes = some_crashes(home, tmp_path, "online", "nothing")
    found = {anyio.run(data_of, each, notebook) for each in homes}
    assert found == {OLD if migrate else ("0.2.0", 1, "1", True)}


def test_what_a_component_was_told_is_stored_survives(installed: Path, tmp_path: Path) -> None:
    """Every count that was answered is there after kill -9 in the middle of many."""
    home = tmp_path / "home"
    shutil.copytree(installed, home)
    process = child(home, "online", 0, "count")
    assert process.stdout is not None
    answered = [int(process.stdout.readline()) for _ in range(60)]
    process.kill()
    process.communicate()
    assert answered == list(range(2, 62))
    count = anyio.run(_count, home)
    assert count is not None
    assert count[0] > answered[-1]
