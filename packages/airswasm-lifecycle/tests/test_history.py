"""What happened to a name: told with each change, bounded, and gone with a purge."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.lifecycle import (
    ApprovalRefused,
    ChangeOrigin,
    Configuration,
    HistorySettings,
    InstallPlan,
    LifecycleError,
    NotInstalled,
    System,
    VersionNotRetained,
    acting,
)
from airswasm.security import generate_key

Approve = Callable[[InstallPlan], bool]
Workshop = Any  # tests/conftest.py, which nothing can import
NAME = "local/hello"
ASKS = 'storage.read = ["everything"]\nstorage.write = ["everything"]'


@pytest.mark.anyio
async def test_each_change_is_told(workshop: Workshop, tmp_path: Path, yes: Approve) -> None:
    """With versions, the key, and who it was; also what was refused and what failed."""
    async with System(tmp_path) as system:
        with acting(ChangeOrigin("token ci", "tcp")):
            await system.install(workshop.package(), approve=yes)
        await system.update(workshop.package("0.2.0"))
        with pytest.raises(ApprovalRefused):
            await system.update(workshop.package("0.3.0", capabilities=ASKS))
        await system.grants.deny(NAME, "storage.write", reason="a look")
        await system.rollback(NAME)
        with pytest.raises(VersionNotRetained):
            await system.rollback(NAME, "9.9.9")
        await system.stop(NAME)
        await system.start(NAME)
        await system.trust.transfer(NAME, generate_key().public)
        everything = await system.history.read(NAME)
        told = tuple(each for each in everything if each.act != "checkpoint")
        assert [(each.act, each.outcome, each.before, each.after) for each in told] == [
            ("install", "done", "", "0.1.0"),
            ("update", "done", "0.1.0", "0.2.0"),
            ("update", "refused", "0.2.0", "0.2.0"),
            ("grant", "done", "0.2.0", "0.2.0"),
            ("rollback", "done", "0.2.0", "0.1.0"),
            ("rollback", "failed", "0.1.0", "0.1.0"),
            ("stop", "done", "0.1.0", "0.1.0"),
            ("start", "done", "0.1.0", "0.1.0"),
            ("trust", "done", "", ""),
            ("owner", "done", "0.1.0", "0.1.0"),
        ]
        assert (told[0].by, told[0].via) == ("token ci", "tcp")
        assert told[1].by.startswith("user ")
        assert told[1].signer == workshop.key.public.fingerprint
        assert told[3].reason == "a look"
        assert told[3].detail["act"] == "deny"
        assert "9.9.9" in told[5].reason
        assert NAME not in told[5].reason
        assert [each.wanted for each in told if each.outcome != "done"] == ["0.3.0", "9.9.9"]
        assert told[9].detail["owner"] != workshop.key.public.fingerprint
        numbers = [each.number for each in told]
        assert numbers == sorted(set(numbers))
    async with System(tmp_path, mode="readonly") as system:
        assert await system.history.read(NAME) == everything
        assert await system.history.read(last=2) == told[-2:]
        assert await system.history.read(NAME, since=told[4].time) == told[4:]


@pytest.mark.anyio
async def test_a_dry_run_that_is_refused_is_no_change_that_failed(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """Neither in the history nor in the audit log; the first half of a change is in both."""
    async with System(tmp_path, mode="offline") as system:
        package = workshop.package()
        await system.install(package, approve=yes)
        for dry_run in (True, False):
            with pytest.raises(LifecycleError):
                await system.plan(package, update=True, dry_run=dry_run)
            with pytest.raises(VersionNotRetained):
                await system.plan_rollback(NAME, "9.9.9", dry_run=dry_run)
            told = [each for each in await system.history.read(NAME) if each.outcome == "failed"]
            wanted = [] if dry_run else [("update", "0.1.0"), ("rollback", "9.9.9")]
            assert [(each.act, each.wanted) for each in told] == wanted
    lines = (tmp_path / "audit" / "audit.jsonl").read_text().splitlines()
    failed = [line["kind"] for line in map(json.loads, lines) if line["outcome"] == "failed"]
    assert failed == ["update", "rollback"]


@pytest.mark.anyio
async def test_what_the_host_does_by_itself_is_told_as_its_own(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """A version that cannot take over the data at a start is left again."""
    async with System(tmp_path) as system:
        await system.install(workshop.package(), approve=yes)
    async with System(tmp_path, mode="offline") as system:
        await system.update(workshop.package("0.2.0", wasm=workshop.guest("0.2.0", migrate=1)))
    async with System(tmp_path) as system:
        told = [each for each in await system.history.read(NAME) if each.before != each.after]
        assert [(each.act, each.after) for each in told] == [
            ("install", "0.1.0"), ("update", "0.2.0"), ("rollback", "0.1.0"),
        ]  # fmt: skip
        assert told[-1].by == "host"


@pytest.mark.anyio
async def test_it_outlives_an_uninstall_and_not_a_purge(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """A purge leaves one line: that there was one. A name without anything cannot be purged."""
    async with System(tmp_path) as system:
        await system.install(workshop.package(), approve=yes)
        await system.uninstall(NAME)
        assert [each.act for each in await system.history.read(NAME)] == ["install", "uninstall"]
        await system.uninstall(NAME, purge=True)
        (left,) = await system.history.read(NAME)
        assert (left.act, left.signer, left.before) == ("purge", "", "")
        with pytest.raises(NotInstalled):
            await system.uninstall(NAME, purge=True)


@pytest.mark.anyio
async def test_it_is_bounded_by_name_in_all_and_by_age(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """The oldest go."""
    now = [1e9]
    settings = Configuration.of(HistorySettings(entries=4, total=5, days=1.0))
    async with System(
        tmp_path, mode="offline", configuration=settings, clock=lambda: now[0]
    ) as system:
        await system.install(workshop.package(), approve=yes)
        await system.install(workshop.package(), name="local/other", approve=yes)
        for _ in range(4):
            await system.stop(NAME)
            await system.start(NAME)
        assert [each.act for each in await system.history.read(NAME)] == ["stop", "start"] * 2
        await system.stop("local/other")
        assert len(await system.history.read()) == 6
        assert await system.history.clean() == 1
        assert len(await system.history.read()) == 5
        now[0] += 86_400.0 + 1
        await system.start("local/other")
        await system.history.clean()
        assert [each.act for each in await system.history.read()] == ["start"]


@pytest.mark.anyio
async def test_numbers_rise_though_the_clock_is_set_back(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """Also over a restart: the newest is last."""
    now = [1e9]
    for time in (1e9, 5e8, 2e8):
        now[0] = time
        async with System(tmp_path, mode="offline", clock=lambda: now[0]) as system:
            if time == 1e9:
                await system.install(workshop.package(), approve=yes)
            await system.stop(NAME)
            await system.start(NAME)
            told = await system.history.read(NAME)
            assert [each.act for each in told] == ["install", *["stop", "start"] * (len(told) // 2)]


@pytest.mark.anyio
async def test_a_damaged_row_hides_no_other(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """It shows as such."""
    async with System(tmp_path, mode="offline") as system:
        await system.install(workshop.package(), approve=yes)
        space = system._store.namespace("airswasm-history")
        await space.set(f"{NAME} 0000000000000001", b"{")
        assert [each.act for each in await system.history.read(NAME)] == ["damaged", "install"]


@pytest.mark.anyio
async def test_changes_of_many_names_at_once_are_told_in_order(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """One entry each; numbers differ."""
    async with System(tmp_path, mode="offline") as system:
        names = [f"local/n{number}" for number in range(50)]
        await system.install_many(workshop.package(), names, approve=yes)
        async with anyio.create_task_group() as group:
            for name in names:
                group.start_soon(system.stop, name)
        told = await system.history.read()
        assert len(told) == len({each.number for each in told}) == 100
        assert {each.name for each in told} == set(names)


@pytest.mark.anyio
async def test_no_install_comes_before_an_unfinished_purge(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """Neither of one name nor of many: the next owner must not read the data of the last."""
    for way in ("one", "many"):
        async with System(tmp_path / way, mode="offline") as system:
            store = system._store
            await store.namespace(NAME).set("secret", b"of the last owner")
            await store.namespace("airswasm-purges").set(NAME, b"")
            if way == "one":
                await system.install(workshop.package(), approve=yes)
            else:
                await system.install_many(workshop.package(), [NAME], approve=yes)
            assert store.namespace(NAME).read("secret") is None
