"""Data goes back with code: checkpoints at updates, migrations, and rollbacks with data."""

import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.lowlevel
import pytest
from airswasm.lifecycle import (
    CheckpointFailed,
    ComponentRecord,
    Configuration,
    DataNotRestored,
    DataUndecided,
    InstallPlan,
    NoCheckpoint,
    ProviderFailed,
    StartFailed,
    System,
    UpdateFailed,
    UpdateSettings,
    VersionActive,
)
from airswasm.lifecycle._changes.keeping_data import KeepingData
from airswasm.runtime import Meters
from airswasm.security import read_audit
from airswasm.wit import Block, Blocks

Checkpoints = Literal["migrations", "always", "never"]
Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"

pytestmark = pytest.mark.anyio


class Desk:
    """A system with the stranger's block, and what its component has stored."""

    def __init__(self, system: System, notebook: Any) -> None:
        self.system, self.notebook = system, notebook

    async def count(self) -> int:
        """Let the component count, and note the number in the stranger's block."""
        reply = await self.system.send(NAME, b"c")
        assert reply is not None
        self.notebook.write(NAME, str(reply[0]))
        return reply[0]

    async def data(self) -> tuple[int, str, bytes | None]:
        space = self.system._store.namespace(NAME)
        count = await space.get("count")
        note = self.notebook.read(NAME)
        return count[0] if count else 0, note, await space.get("migrated")

    def labels(self) -> set[tuple[str, str]]:
        """What every block keeps."""
        return {each for block in self.system._data._blocks.values() for each in block.labels()}

    def recorded(self) -> set[tuple[str, str]]:
        """What the records name."""
        return {(record.name, label) for record in self.system._registry for label in record.labels}

    async def settled(self) -> None:
        """Wait until what no record names is gone; then both are the same."""
        assert await self.system._data.drop_released()
        assert self.labels() == self.recorded()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def opened(
    home: Path, notebook: Any, checkpoints: Checkpoints = "migrations", **options: Any
) -> System:
    configuration = Configuration.of(UpdateSettings(checkpoints=checkpoints))
    return System(home, blocks=notebook.BLOCKS, configuration=configuration, **options)


@pytest.fixture
async def desk(home: Path, notebook: Any) -> AsyncIterator[Desk]:
    async with opened(home, notebook) as system:
        yield Desk(system, system._data._blocks["notebook"])


async def grown(desk: Desk, workshop: Workshop, yes: Approve) -> None:
    """Have 0.2.0 over 0.1.0, which counted to 2 before and to 3 after."""
    await desk.system.install(workshop.package(), approve=yes)
    await desk.count()
    await desk.count()
    await desk.system.update(workshop.package("0.2.0"))
    await desk.count()


async def not_tried(*_arguments: object) -> None:
    """In the place of a trial."""


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await anyio.sleep(0.001)


class TestMigrations:
    """A version that takes over data works on a copy; the original is there until it is done."""

    async def test_a_half_done_migration_leaves_nothing(
        self, desk: Desk, workshop: Workshop, yes: Approve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It writes a key before it fails; the old version has its data, exactly.

        The trial before is left out: it finds only what does not need the world outside.
        """
        monkeypatch.setattr(KeepingData, "_try_migration", not_tried)
        await desk.system.install(workshop.package(), approve=yes)
        await desk.count()
        before = await desk.data()
        bad = workshop.package("0.2.0", wasm=workshop.guest("0.2.0", migrate=1))
        with pytest.raises(UpdateFailed, match="refused") as caught:
            await desk.system.update(bad)
        assert caught.value.step == "start"
        assert await desk.data() == before == (1, "1", None)
        assert await desk.count() == 2
        await desk.settled()
        assert desk.recorded() == set()

    @pytest.mark.parametrize("failing", ["init", "migrate"])
    async def test_one_that_fails_is_tried_before_and_costs_no_pause(
        self,
        desk: Desk,
        workshop: Workshop,
        yes: Approve,
        failing: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """It fails on a copy, while the old version serves."""
        await desk.system.install(workshop.package(), approve=yes)
        await desk.count()

        def pausing(_name: str) -> None:
            raise AssertionError("the old version has paused")

        monkeypatch.setattr(desk.system._hosting, "holding_still", pausing)
        bad = workshop.package("0.2.0", wasm=workshop.guest("0.2.0", **{failing: 1}))
        with pytest.raises(UpdateFailed, match=r"refused.*0\.1\.0 continues") as caught:
            await desk.system.update(bad)
        assert caught.value.step == "start"
        assert await desk.data() == (1, "1", None)
        assert await desk.count() == 2

    async def test_the_data_of_before_is_kept(
        self, desk: Desk, workshop: Workshop, yes: Approve
    ) -> None:
        """With the record of the version that has left it; `info` says how much it is."""
        await grown(desk, workshop, yes)
        first, second = desk.system.info(NAME).versions
        assert first.checkpoint is not None
        assert {"key": 1, "note": 1}.items() <= first.checkpoint.content.items()
        assert first.checkpoint.size_bytes > 0
        assert second.checkpoint is None
        meters = desk.system.services.get(Meters)
        assert dict(meters.samples("data_checkpoints")) == {NAME: 1}
        await desk.settled()
        assert len(desk.recorded()) == 1

    async def test_a_stopped_component_migrates_at_its_start(
        self, desk: Desk, workshop: Workshop, yes: Approve
    ) -> None:
        """A failure then leaves the data as it was; a success keeps that of before."""
        await desk.system.install(workshop.package(), approve=yes)
        await desk.count()
        await desk.system.stop(NAME)
        bad = workshop.package("0.2.0", wasm=workshop.guest("0.2.0", migrate=1))
        await desk.system.update(bad)
        for _ in range(2):
            with pytest.raises(StartFailed, match="refused"):
                await desk.system.start(NAME)
            assert await desk.data() == (1, "1", None)
            await desk.settled()
        await desk.system.update(workshop.package("0.3.0"))
        assert await desk.data() == (1, "1", b"0.1.0")
        assert desk.system.info(NAME).versions[0].checkpoint is not None
        await desk.settled()

    async def test_a_block_that_cannot_copy_ends_the_update(
        self, desk: Desk, workshop: Workshop, yes: Approve
    ) -> None:
        """Before the old version has paused; the message names the block, and nothing is left."""
        await desk.system.install(workshop.package(), approve=yes)
        await desk.count()
        desk.notebook.fails = "copy"
        with pytest.raises(UpdateFailed, match=r"notebook.*no space left") as caught:
            await desk.system.update(workshop.package("0.2.0"))
        assert caught.value.step == "keep the data"
        assert isinstance(caught.value.__cause__, CheckpointFailed)
        assert await desk.count() == 2
        await desk.settled()
        assert desk.recorded() == set()

    async def test_a_block_that_cannot_exchange_ends_the_update(
        self, desk: Desk, workshop: Workshop, yes: Approve
    ) -> None:
        """And then it cannot put back either: the component is down until it can.

        The host itself tries again and again.
        """
        await desk.system.install(workshop.package(), approve=yes)
        await desk.count()
        desk.notebook.fails = "exchange"
        with pytest.raises(UpdateFailed, match="could not be put back by notebook") as caught:
            await desk.system.update(workshop.package("0.2.0"))
        assert isinstance(caught.value.__cause__, DataNotRestored)
        with pytest.raises(DataNotRestored):
            await desk.system.restart(NAME)
        await desk.system._running.revive(NAME, 10.0)
        status = desk.system.component_status(NAME)
        assert (status.state, status.revives_in is None) == ("failed", False)
        desk.notebook.fails = ""
        await desk.system._running.revive(NAME, 10.0)
        assert await desk.data() == (1, "1", None)
        assert await desk.count() == 2
        await desk.settled()

    async def test_without_checkpoints_a_migration_works_on_the_data_itself(
        self, home: Path, notebook: Any, workshop: Workshop, yes: Approve
    ) -> None:
        """As the operator wants it; then nothing can be restored, and that is said."""
        async with opened(home, notebook, "never") as system:
            desk = Desk(system, notebook.of(home))
            await grown(desk, workshop, yes)
            assert desk.labels() == set()
            plan = await system.plan_rollback(NAME)
            assert plan.data is not None
            assert (plan.data.must_choose, plan.data.has_checkpoint) == (True, False)
            with pytest.raises(NoCheckpoint):
                await system.rollback(NAME, data="restore")
            with pytest.raises(DataUndecided, match=r"0\.2\.0 has migrated it"):
                await system.rollback(NAME, data=None)
            await system.rollback(NAME, data="keep")
            assert await desk.count() == 4


class TestRollback:
    """Code goes back with the data of then, or with the data of now."""

    async def test_with_data(self, desk: Desk, workshop: Workshop, yes: Approve) -> None:
        """Everything is what it was when the version was replaced; and it can be undone."""
        await grown(desk, workshop, yes)
        now = await desk.data()
        assert now == (3, "3", b"0.1.0")
        await desk.system.rollback(NAME, data="restore")
        assert await desk.system.send(NAME, b"v") == b"0.1.0"
        assert await desk.data() == (2, "2", None)
        await desk.settled()
        first, second = desk.system.info(NAME).versions
        assert first.checkpoint is None
        assert second.checkpoint is not None
        await desk.count()
        await desk.count()
        await desk.system.rollback(NAME, "0.2.0", data="restore")
        assert await desk.system.send(NAME, b"v") == b"0.2.0"
        assert await desk.data() == now
        await desk.system.rollback(NAME, "0.1.0", data="restore")
        assert await desk.data() == (4, "4", None)
        await desk.settled()

    async def test_with_the_data_of_now(self, desk: Desk, workshop: Workshop, yes: Approve) -> None:
        """It stays; the checkpoint stays too, for an operator who then changes his mind."""
        await grown(desk, workshop, yes)
        await desk.system.rollback(NAME)
        assert await desk.data() == (3, "3", b"0.1.0")
        with pytest.raises(VersionActive):
            await desk.system.rollback(NAME, "0.1.0")
        await desk.system.rollback(NAME, "0.1.0", data="restore")
        assert await desk.system.send(NAME, b"v") == b"0.1.0"
        assert await desk.data() == (2, "2", None)
        await desk.settled()
        await desk.system.rollback(NAME, "0.1.0", data="restore")  # the two change places
        assert await desk.data() == (3, "3", b"0.1.0")
        await desk.settled()

    @pytest.mark.parametrize("is_running", [True, False])
    async def test_a_version_that_never_started_takes_over_the_data_then(
        self, desk: Desk, workshop: Workshop, yes: Approve, is_running: bool
    ) -> None:
        """It was replaced before its first start; the rollback to it ends in that start."""
        await desk.system.install(workshop.package(), approve=yes)
        await desk.count()
        await desk.system.stop(NAME)
        await desk.system.update(workshop.package("0.2.0"))
        await desk.system.update(workshop.package("0.3.0"))
        await desk.system.rollback(NAME, "0.1.0", data=None)
        if is_running:
            await desk.system.start(NAME)
        await desk.system.rollback(NAME, "0.2.0", data=None)
        if not is_running:
            assert await desk.data() == (1, "1", None)
            await desk.system.start(NAME)
        assert await desk.data() == (1, "1", b"0.1.0")
        assert await desk.system.send(NAME, b"v") == b"0.2.0"
        await desk.system.rollback(NAME, "0.1.0", data="restore")
        assert await desk.data() == (1, "1", None)
        await desk.system.rollback(NAME, "0.2.0", data="restore")  # only once
        assert await desk.data() == (1, "1", b"0.1.0")
        with pytest.raises(DataUndecided):
            await desk.system.rollback(NAME, "0.3.0", data=None)
        await desk.settled()

    @pytest.mark.parametrize(("migrates", "event"), [(True, "migrated"), (False, "started")])
    async def test_the_history_says_whether_a_first_start_migrated(
        self, desk: Desk, workshop: Workshop, yes: Approve, migrates: bool, event: str
    ) -> None:
        """A version that came while its component did not run takes over data at its start."""
        wasm = None if migrates else workshop.plain("0.2.0")
        await desk.system.install(workshop.package(), approve=yes)
        await desk.count()
        await desk.system.stop(NAME)
        await desk.system.update(workshop.package("0.2.0", wasm=wasm))
        await desk.system.start(NAME)
        events = [each.act for each in await desk.system.history.read(NAME)]
        assert event in events
        assert len({"migrated", "started"} & {*events}) == 1

    async def test_the_format_goes_with_the_data(
        self, desk: Desk, workshop: Workshop, yes: Approve
    ) -> None:
        """Not with the version: that may have worked on the data of a later one."""
        first = workshop.package(wasm=workshop.plain("0.1.0"))
        await desk.system.install(first, approve=yes)
        await desk.system.update(workshop.package("0.2.0", wasm=workshop.plain("0.2.0")))
        await desk.system.update(workshop.package("0.3.0"))
        await desk.system.rollback(NAME, "0.2.0", data="keep")
        for migrated_by in ("", "0.3.0"):
            await desk.system.rollback(NAME, "0.2.0", data="restore")  # the two change places
            plan = await desk.system.plan_rollback(NAME, "0.1.0")
            assert plan.data is not None
            assert plan.data.migrated_by == migrated_by
            assert plan.data.must_choose is bool(migrated_by)
        with pytest.raises(DataUndecided):
            await desk.system.rollback(NAME, "0.1.0", data=None)
        await desk.settled()

    async def test_it_is_said_before_it_is_done(
        self, desk: Desk, workshop: Workshop, yes: Approve
    ) -> None:
        """How much differs, how many messages were handled since, and what waits and stays."""
        await grown(desk, workshop, yes)
        await desk.system.send(NAME, b"v")
        plan = (await desk.system.plan_rollback(NAME)).data
        assert plan is not None
        assert (plan.must_choose, plan.migrated_by, plan.has_checkpoint) == (True, "0.2.0", True)
        assert (plan.handled, plan.handled_is_least) == (2, False)
        found = {d.noun: (d.added, d.changed, d.removed) for d in plan.differences}
        assert {"key": (1, 1, 0), "note": (0, 1, 0)}.items() <= found.items()
        assert (plan.waiting, plan.timers, plan.unkept) == (0, 0, ())
        await desk.system.restart(NAME)
        plan = (await desk.system.plan_rollback(NAME)).data
        assert plan is not None
        assert (plan.handled, plan.handled_is_least) == (0, True)

    async def test_a_version_behind_a_migration_needs_a_choice(
        self, desk: Desk, workshop: Workshop, yes: Approve
    ) -> None:
        """The error has both commands. Between versions of one format the data simply stays."""
        await grown(desk, workshop, yes)
        with pytest.raises(DataUndecided) as caught:
            await desk.system.rollback(NAME, data=None)
        assert caught.value.hint is not None
        for flag in ("--with-data", "--keep-data"):
            assert f"airswasm rollback {NAME} --to 0.1.0 {flag}" in caught.value.hint

    @pytest.mark.parametrize("write", [1, 2])
    async def test_a_change_that_cannot_be_written_changes_nothing(
        self,
        desk: Desk,
        workshop: Workshop,
        yes: Approve,
        write: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Neither the data of now nor that of then, although the old version has begun to write."""
        eager = workshop.guest("0.1.0", eager=1)  # it writes when it is instantiated
        await desk.system.install(workshop.package(wasm=eager), approve=yes)
        await desk.count()
        then = await desk.data()
        await desk.system.update(workshop.package("0.2.0"))
        await desk.count()
        now = await desk.data()
        assert now != then
        writes, put = itertools.count(1), desk.system._registry.put

        async def failing(*records: ComponentRecord, **beside: Any) -> None:
            if next(writes) == write:
                raise OSError("no space left")
            await put(*records, **beside)

        monkeypatch.setattr(desk.system._registry, "put", failing)
        with pytest.raises(UpdateFailed, match="no space left") as caught:
            await desk.system.rollback(NAME, data="restore")
        assert caught.value.step == ("keep the data", "write the change")[write - 1]
        monkeypatch.undo()
        assert await desk.data() == now
        assert await desk.system.send(NAME, b"v") == b"0.2.0"
        await desk.settled()
        await desk.system.rollback(NAME, data="restore")
        assert await desk.data() == (48, then[1], None)  # it has begun to write again

    async def test_a_stopped_component_and_a_home_without_a_host(
        self, home: Path, notebook: Any, desk: Desk, workshop: Workshop, yes: Approve
    ) -> None:
        """The data is that of the version that starts next."""
        await grown(desk, workshop, yes)
        await desk.system.stop(NAME)
        await desk.system.rollback(NAME, data="restore")
        assert await desk.data() == (2, "2", None)
        await desk.settled()
        await desk.system.__aexit__(None, None, None)
        async with opened(home, notebook, mode="offline") as system:
            away = Desk(system, desk.notebook)
            await system.rollback(NAME, "0.2.0", data="restore")
            assert await away.data() == (3, "3", b"0.1.0")
            await away.settled()
        async with opened(home, notebook) as system:
            await system.start(NAME)
            assert await system.send(NAME, b"c") == b"\x04"

    async def test_messages_wait_and_are_not_lost(
        self, desk: Desk, workshop: Workshop, yes: Approve
    ) -> None:
        """Every message that is sent meanwhile is answered, by one version or the other."""
        await grown(desk, workshop, yes)
        answers: list[bytes | None] = []
        is_over = False

        async def keep_sending() -> None:
            while not is_over:
                answers.append(await desk.system.send(NAME, b"v"))
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(keep_sending)
            for version in ("0.1.0", "0.2.0", "0.1.0"):
                await desk.system.rollback(NAME, version, data="restore")
            is_over = True
        assert set(answers) == {b"0.1.0", b"0.2.0"}
        await desk.settled()

    async def test_it_is_in_the_audit_log(
        self, home: Path, desk: Desk, workshop: Workshop, yes: Approve
    ) -> None:
        """What was set aside, before it was; and whether data was restored."""
        await grown(desk, workshop, yes)
        await desk.system.rollback(NAME, data="restore")
        lines = [each for each in read_audit(home / "audit" / "audit.jsonl") if NAME in str(each)]
        kinds = [each["kind"] for each in lines]
        assert "checkpoint" in kinds
        assert kinds[-1] == "rollback"
        assert "restored" in str(lines[-1])


class TestKeeping:
    """A copy is there as long as its version, and no longer."""

    async def test_always(
        self, home: Path, notebook: Any, workshop: Workshop, yes: Approve
    ) -> None:
        """Every update copies the data, beside the component that goes on, also a rollback."""
        async with opened(home, notebook, "always") as system:
            desk = Desk(system, notebook.of(home))
            await system.install(workshop.package(), approve=yes)
            await desk.count()
            await system.update(workshop.package("0.2.0", wasm=workshop.plain("0.2.0")))
            await desk.count()
            assert system.info(NAME).versions[0].checkpoint is not None
            plan = await system.plan_rollback(NAME)
            assert plan.data is not None
            assert not plan.data.must_choose
            await system.rollback(NAME, data=None)
            assert await desk.data() == (2, "2", None)
            assert system.info(NAME).versions[1].checkpoint is not None
            await desk.settled()

    async def test_they_go_with_their_versions(
        self, desk: Desk, workshop: Workshop, yes: Approve
    ) -> None:
        """With the oldest that is not retained, with the component, and with a purge."""
        await desk.system.install(workshop.package(), approve=yes)
        await desk.count()
        for number in range(2, 9):
            await desk.system.update(workshop.package(f"0.{number}.0"))
            await desk.settled()
        retained = len(desk.system.info(NAME).versions)
        assert len(desk.recorded()) == retained - 1
        await desk.system.uninstall(NAME)
        await desk.settled()
        assert desk.labels() == set()

    async def test_two_updates_in_quick_succession(
        self, desk: Desk, workshop: Workshop, yes: Approve
    ) -> None:
        """One after the other; and a rollback during an update waits for its end."""
        await desk.system.install(workshop.package(), approve=yes)
        await desk.count()

        async def go_back() -> None:
            await until(lambda: desk.system._registry.get(NAME).active != "0.1.0")
            await desk.system.rollback(NAME, "0.1.0", data="restore")

        async with anyio.create_task_group() as group:
            group.start_soon(desk.system.update, workshop.package("0.2.0"))
            await until(lambda: NAME in desk.system._names)
            group.start_soon(desk.system.update, workshop.package("0.3.0"))
            group.start_soon(go_back)
        version = await desk.system.send(NAME, b"v")
        assert (await desk.data())[:2] == (1, "1")
        assert ((await desk.data())[2] is None) == (version == b"0.1.0")
        await desk.settled()

    async def test_an_update_that_is_cancelled_leaves_nothing(
        self, desk: Desk, workshop: Workshop, yes: Approve
    ) -> None:
        """Wherever it was: the old version goes on, with its data."""
        await desk.system.install(workshop.package(), approve=yes)
        await desk.count()
        steps = 0
        while await self._cancelled_at(desk, steps + 1, workshop):
            steps += 1
            await desk.settled()
            assert await desk.system.send(NAME, b"v") == b"0.1.0"
            assert (await desk.data())[1:] == ("1", None)
        assert steps >= 3
        await desk.settled()
        assert await desk.system.send(NAME, b"v") == b"0.2.0"
        assert (await desk.data())[1:] == ("1", b"0.1.0")

    async def _cancelled_at(self, desk: Desk, step: int, workshop: Workshop) -> bool:
        passed = itertools.count(1)
        with anyio.CancelScope() as scope:

            def cancel(_step: str) -> None:
                if next(passed) == step:
                    scope.cancel()

            desk.system._data._step = cancel
            await desk.system.update(workshop.package("0.2.0"))
        return scope.cancelled_caught


async def test_a_purge_during_a_rollback_waits_and_leaves_nothing(
    desk: Desk, workshop: Workshop, yes: Approve
) -> None:
    """Neither data nor a copy of it, in any block."""
    await grown(desk, workshop, yes)

    async def go_back() -> None:
        await desk.system.rollback(NAME, data="restore")

    async with anyio.create_task_group() as group:
        group.start_soon(go_back)
        await until(lambda: NAME in desk.system._names)
        await desk.system.uninstall(NAME, purge=True)
    await desk.settled()
    assert desk.labels() == set()
    assert NAME not in desk.system._store.namespaces()


async def test_the_next_host_puts_back_what_a_killed_one_left_aside(
    home: Path, notebook: Any, workshop: Workshop, yes: Approve
) -> None:
    """Before the component starts, and it says so."""
    async with opened(home, notebook) as system:
        desk = Desk(system, notebook.of(home))
        await system.install(workshop.package(), approve=yes)
        await desk.count()
        await system._data._copy(NAME, "working", None, anyio.lowlevel.checkpoint)
        await system._data._set_aside(NAME, "working", "aside")
        await system._store.namespace(NAME).set("count", b"c")
        desk.notebook.write(NAME, "half migrated")
    async with opened(home, notebook) as system:
        desk = Desk(system, notebook.of(home))
        assert await desk.data() == (1, "1", None)
        said = "".join(entry.message for entry in system.logs.recent(NAME))
        assert "the data is again what 0.1.0 has left" in said
        await desk.settled()


async def test_changes_of_one_name_exclude_each_other(home: Path) -> None:
    """Also the second that waits, and one that comes when the first has just ended."""
    async with System(home, mode="offline") as system:
        inside = 0

        async def change() -> None:
            nonlocal inside
            async with system._alone(NAME):
                inside += 1
                assert inside == 1
                for _ in range(3):
                    await anyio.lowlevel.checkpoint()
                inside -= 1

        async with anyio.create_task_group() as group:
            for number in range(12):
                group.start_soon(change)
                for _ in range(number):
                    await anyio.lowlevel.checkpoint()
        assert system._names == {}


async def test_a_block_without_the_methods_is_named(home: Path) -> None:
    """When the home opens, not at the first update."""
    bad = Blocks.find().joined(Block(name="bad", summary="-", snapshots=lambda _services: object()))
    with pytest.raises(ProviderFailed, match=r"bad.*lacks methods of Snapshots"):
        async with System(home, blocks=bad):
            pass
