"""The stored files of what is installed: listed, verified, cleaned up, and never one too many."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.lifecycle import (
    Configuration,
    HomeUnusable,
    HostOffline,
    InstallPlan,
    InstallPolicy,
    System,
)

Approve = Callable[[InstallPlan], bool]
Workshop = Any  # tests/conftest.py, which nothing can import
NAME = "local/hello"


def stored(home: Path) -> list[Path]:
    return sorted((home / "artifacts").glob("*/*"))


@pytest.mark.anyio
async def test_each_file_is_listed_with_what_needs_it(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """Shared ones once; one that is missing; one that nothing needs."""
    async with System(tmp_path, mode="offline") as system:
        await system.install(workshop.package(), approve=yes)
        await system.install(workshop.package(), name="local/other", approve=yes)
        found = await system.artifacts.list()
        assert sorted(each.kind for each in found) == ["component", "manifest", "signature"]
        for each in found:
            assert {use.name for use in each.needed_by} == {NAME, "local/other"}
            assert each.since is not None
            assert each.size_bytes
        path = tmp_path / "artifacts" / found[0].digest[:2] / found[0].digest
        path.rename(path.with_name("f" * 64))
        changed = {each.digest: each for each in await system.artifacts.list()}
        assert changed[found[0].digest].size_bytes is None
        assert changed["f" * 64].kind == "unneeded"
    async with System(tmp_path, mode="readonly") as system:
        assert len(await system.artifacts.list()) == 4
        with pytest.raises(HostOffline):
            await system.artifacts.gc(dry_run=True)


@pytest.mark.anyio
async def test_a_damaged_file_is_named_with_the_way_to_get_it_back(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """And that way works."""
    home, archive = tmp_path / "home", tmp_path / "hello.airswasm"
    workshop.package().write_archive(archive)
    async with System(home) as system:
        await system.install(archive, approve=yes)
        await system.update(workshop.package("0.2.0"))
        assert not [each async for each in system.artifacts.verify() if each.problem]
        parts = [each for each in await system.artifacts.list() if each.kind == "component"]
        gone, changed = sorted(parts, key=lambda each: each.needed_by[0].version)
        path = home / "artifacts" / gone.digest[:2] / gone.digest
        path.unlink()
        other = home / "artifacts" / changed.digest[:2] / changed.digest
        other.write_bytes(other.read_bytes()[:-1] + b"x")
        checks = [each async for each in system.artifacts.verify()]
        damaged = {each.digest: each for each in checks if each.problem}
        assert [each.number for each in checks] == list(range(1, 7))
        assert damaged.keys() == {gone.digest, changed.digest}
        assert damaged[gone.digest].mend == (f"airswasm install {archive}",)
        assert damaged[changed.digest].problem == "the content has changed"
        await system.install(archive, approve=yes)
        await system.install(workshop.package("0.2.0"), approve=yes)
        assert not [each async for each in system.artifacts.verify() if each.problem]


@pytest.mark.anyio
@pytest.mark.usefixtures("own_cache")
async def test_cleaning_up_takes_what_nothing_needs_and_no_more(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """A dry run says the same and takes nothing; compiled code goes with its component."""
    rules = Configuration.of(InstallPolicy(retain=1, retain_for=1e9))
    async with System(tmp_path, configuration=rules) as system:
        await system.install(workshop.package(), approve=yes)
        await system.update(workshop.package("0.2.0"))
        await system.install(workshop.package("0.3.0"), name="local/third", approve=yes)
        await system.uninstall("local/third")
    (tmp_path / "artifacts" / "ff").mkdir()
    tight = Configuration.of(InstallPolicy(retain=1, retain_for=0.0))
    async with System(tmp_path, configuration=tight) as system:
        (tmp_path / "artifacts" / "ff").mkdir(exist_ok=True)
        (tmp_path / "artifacts" / "ff" / ("f" * 64)).write_bytes(b"left")
        before = stored(tmp_path)
        said = await system.artifacts.gc(dry_run=True)
        assert stored(tmp_path) == before
        assert said.is_dry_run
        assert (said.versions, said.files, said.compiled) == ((f"{NAME} 0.1.0",), 4, 2)
        done = await system.artifacts.gc()
        assert (done.versions, done.files, done.size_bytes) == (
            said.versions, said.files, said.size_bytes,
        )  # fmt: skip
        assert (done.compiled, done.compiled_bytes) == (said.compiled, said.compiled_bytes)
        assert len(stored(tmp_path)) == 3
        assert await system.send(NAME, b"v") == b"0.2.0"
        again = await system.artifacts.gc()
        assert (again.versions, again.files, again.compiled) == ((), 0, 0)
        await system.restart(NAME)
        assert await system.send(NAME, b"v") == b"0.2.0"


@pytest.mark.anyio
async def test_a_clean_up_beside_installs_takes_nothing_of_theirs(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """Files are staged before their record: whenever a clean-up comes, all that runs is whole."""
    async with System(tmp_path) as system:
        await system.install(workshop.package(), approve=yes)

        async def change(name: str) -> None:
            for version in ("0.1.0", "0.2.0", "0.3.0"):
                package = workshop.package(version)
                if version == "0.1.0":
                    await system.install(package, name=name, approve=yes)
                else:
                    await system.update(package, name=name)
            await system.rollback(name)
            await system.uninstall(name)
            await system.install(workshop.package("0.3.0"), name=name, approve=yes)

        async with anyio.create_task_group() as cleaning:
            cleaning.start_soon(_clean_for_ever, system)
            async with anyio.create_task_group() as group:
                for number in range(4):
                    group.start_soon(change, f"local/n{number}")
            cleaning.cancel_scope.cancel()
        assert not [each async for each in system.artifacts.verify() if each.problem]
        for number in range(4):
            assert await system.send(f"local/n{number}", b"v") == b"0.3.0"
        assert not [each for each in await system.artifacts.list() if each.kind == "unneeded"]


async def _clean_for_ever(system: System) -> None:
    while True:
        await system.artifacts.gc()


@pytest.mark.anyio
async def test_an_install_that_the_disk_refuses_leaves_no_files(
    workshop: Workshop, tmp_path: Path, yes: Approve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were staged before it became full are given back."""
    from airswasm.lifecycle._home import artifacts

    async with System(tmp_path, mode="offline") as system:
        written: list[Path] = []
        write = artifacts.replace_file

        def full(path: Path, *parts: bytes) -> None:
            if written:
                raise OSError(28, "No space left on device")
            written.append(path)
            write(path, *parts)

        monkeypatch.setattr(artifacts, "replace_file", full)
        with pytest.raises(HomeUnusable, match="No space"):
            await system.install(workshop.package(), approve=yes)
        assert written
        assert stored(tmp_path) == []
