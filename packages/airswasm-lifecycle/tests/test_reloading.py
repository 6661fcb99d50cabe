"""config.toml is taken over by a running host: all of it, or nothing."""

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest
from airswasm.actor import ActorFailed, GuestRefused, MailboxFull
from airswasm.lifecycle import (
    Configuration,
    ConfigurationInvalid,
    HostOffline,
    InstallPlan,
    LimitPolicy,
    ReloadReport,
    SettingsGiven,
    System,
)
from airswasm.lifecycle._home.caps import CAPS
from airswasm.lifecycle._home.configuration import read_configuration
from airswasm.runtime import HostInterface, LiveSettings, Services
from airswasm.security import read_audit
from airswasm.wit import Block, Blocks, Section

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"
ALL = 'storage.read = ["everything"]\nstorage.write = ["everything"]'

pytestmark = pytest.mark.anyio


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def system(home: Path) -> AsyncIterator[System]:
    async with System(home) as system:
        yield system


def write(system: System, text: str) -> None:
    system.home.config_file.write_text(text)


def states(report: ReloadReport) -> Mapping[str, str]:
    return {each.name: each.state for each in report.changes}


def config_lines(log: Path) -> list[Mapping[str, Any]]:
    return [each for each in read_audit(log) if each["kind"] == "config"]


class TestReload:
    """The file, the report, the audit log."""

    async def test_nothing_changed(self, system: System) -> None:
        """A file that is missing, empty, or has the defaults changes nothing."""
        assert (await system.reload()).changes == ()
        write(system, '[limits]\nstorage = "64 MiB"\n')
        assert (await system.reload()).changes == ()

    async def test_each_key_is_told_apart(self, system: System) -> None:
        """What holds, what waits and why; and a second reload finds only what waits."""
        write(system, '[limits]\nstorage = "1 MiB"\n[storage]\ndurability = "os"\n')
        report = await system.reload()
        assert states(report) == {"limits.storage": "applied", "storage.durability": "waiting"}
        waiting = next(each for each in report.changes if each.state == "waiting")
        assert waiting.reason == "the store is open with it"
        assert (waiting.before, waiting.after) == ('"sync"', '"os"')
        assert system.configuration.get(LimitPolicy).storage == 2**20
        assert states(await system.reload()) == {"storage.durability": "waiting"}

    async def test_a_file_that_is_written_meanwhile_is_one_file(
        self, system: System, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is checked, taken over and told is the text that was read once."""

        def read(file: Path) -> str:
            text = read_configuration(file)
            file.write_bytes(b'[limits]\nmemory = "3 MiB"\nstorage = \xff')
            return text

        monkeypatch.setattr("airswasm.lifecycle._changes.reloading.read_configuration", read)
        monkeypatch.setenv("AIRSWASM_LIMITS_MEMORY", "20 MiB")
        write(system, '[limits]\nmemory = "1 MiB"\nstorage = "1 MiB"\n')
        report = await system.reload()
        told = {each.name: (each.state, each.after) for each in report.changes}
        assert told["limits.storage"] == ("applied", '"1 MiB"')
        assert told["limits.memory"] == ("overridden", '"1 MiB"')

    async def test_a_dry_run_changes_nothing(self, system: System) -> None:
        """It gives the same report, and leaves the settings, the log and its listeners alone."""
        heard: list[ReloadReport] = []
        system.on_reload(heard.append)
        write(system, '[limits]\nstorage = "1 MiB"\n')
        lines = system.audit.verify().lines
        report = await system.reload(dry_run=True)
        assert states(report) == {"limits.storage": "applied"}
        assert report.is_dry_run
        assert system.policy.limits.storage == 64 * 2**20
        assert system.audit.verify().lines == lines
        assert not heard
        done = await system.reload()
        assert heard == [done]

    @pytest.mark.parametrize(
        ("text", "key", "line"),
        [
            ("[limits]\nstorage = 1\nstorrage = 2\n", "limits.storrage", 3),
            ("[limits]\nstorage = 1\n[security.deny]\nalarm.set = ['*']\n", "security", 3),
            ("[limits]\nstorage = 1\n[roles]\nfile = 'none.toml'\n", "roles", 3),
            ("[limits]\nstorage = 1\n[audit]\nsinks = ['nowhere']\n", "audit", 3),
            ("[limits]\nstorage = 1\n[host]\nmode='production'\n[install]\nunsigned=true\n",
             "install.unsigned", 6),
            ("[limits]\nstorage = 1\n[trust]\nkeys = ['short']\n", "trust", 3),
        ],
    )  # fmt: skip
    async def test_one_mistake_changes_nothing(
        self, system: System, text: str, key: str, line: int
    ) -> None:
        """A wrong key, and a value that only a part of the host can refuse: with file and line."""
        write(system, text)
        with pytest.raises(ConfigurationInvalid) as caught:
            await system.reload()
        (problem,) = caught.value.problems
        assert (problem.key, problem.line) == (key, line)
        assert problem.file == str(system.home.config_file)
        assert system.policy.limits.storage == 64 * 2**20
        (entry,) = config_lines(system.home.audit_log)
        assert entry["outcome"] == "failed"

    async def test_the_audit_log_has_it_before_it_holds(self, system: System) -> None:
        """With the old and the new value; texts are not shown."""
        write(system, f'[limits]\nstorage = "1 MiB"\n[trust]\nkeys = ["{"a" * 64}"]\n')
        await system.reload()
        (entry,) = config_lines(system.home.audit_log)
        assert entry["detail"] == {
            "limits.storage": '"64 MiB" -> "1 MiB"',
            "trust.keys": "(not shown) -> (not shown)",
        }

    async def test_the_history_has_it(self, system: System) -> None:
        """What was applied with both values, and what was refused with its reason."""
        write(system, "[limits]\nstorage = 5\n")
        await system.reload()
        write(system, "[limits]\nstorrage = 5\n")
        with pytest.raises(ConfigurationInvalid):
            await system.reload()
        done, failed = await system.history.read("")
        assert (done.act, done.detail) == ("reload", {"limits.storage": '"64 MiB" -> 5'})
        assert (failed.act, failed.outcome) == ("reload", "failed")
        assert "storrage" in failed.reason

    async def test_the_next_start_finds_no_other_settings(self, home: Path) -> None:
        """The log names a change once: at the reload."""
        async with System(home) as system:
            write(system, '[limits]\nstorage = "1 MiB"\n')
            await system.reload()
        async with System(home) as system:
            assert system.policy.limits.storage == 2**20
        assert len(config_lines(system.home.audit_log)) == 1

    async def test_the_environment_wins(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A key that a variable sets is not changed by the file, and the report names it."""
        monkeypatch.setenv("AIRSWASM_LIMITS_STORAGE", "2 MiB")
        async with System(home) as system:
            write(system, '[limits]\nstorage = "1 MiB"\nstorage_keys = 7\n')
            report = await system.reload()
            assert states(report) == {
                "limits.storage": "overridden",
                "limits.storage_keys": "applied",
            }
            assert "AIRSWASM_LIMITS_STORAGE" in report.changes[0].reason
            assert system.policy.limits.storage == 2 * 2**20

    async def test_only_where_there_is_a_file_and_a_host(self, home: Path) -> None:
        """A home without a host reads it anyway; a program's own settings are not overwritten."""
        async with System(home, mode="offline") as system:
            with pytest.raises(HostOffline):
                await system.reload()
        async with System(home, configuration=Configuration.of(LimitPolicy())) as system:
            with pytest.raises(SettingsGiven):
                await system.reload()


class TestRunning:
    """What it does to a component that runs, in its incarnation."""

    async def test_a_quota_below_the_usage(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """Reads and deletes go on, a write is refused with both numbers; raised, it passes."""
        await system.install(workshop.package(capabilities=ALL), approve=yes)
        await system.send(NAME, b"count")
        for bound in ("storage = 10", "storage_keys = 1"):
            write(system, f"[limits]\n{bound}\n")
            await system.reload()
            with pytest.raises(GuestRefused):
                await system.send(NAME, b"other")
            assert await system.send(NAME, b"count")  # what does not grow passes
        write(system, "[limits]\nstorage = '1 MiB'\n")
        await system.reload()
        await system.send(NAME, b"other")
        assert system.component_status(NAME).restarts == 0

    async def test_a_quota_of_one_name(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """It wins over manifest and policy, lower and higher; another name has the policy's."""
        package = workshop.package(capabilities=ALL, limits='memory = "1 MiB"\nstorage_keys = 1')
        await system.install(package, approve=yes)
        write(system, f'[limits.quotas."{NAME}"]\nstorage = 0\n')
        await system.reload()
        with pytest.raises(GuestRefused):
            await system.send(NAME, b"count")
        write(system, "")
        await system.reload()
        await system.send(NAME, b"count")
        with pytest.raises(GuestRefused):
            await system.send(NAME, b"other")
        write(system, f'[limits]\nstorage_keys = 1\n[limits.quotas."{NAME}"]\nstorage_keys = 2\n')
        await system.reload()
        await system.send(NAME, b"other")
        write(system, "[limits.quotas.hello]\nstorage = 0\n")
        with pytest.raises(ConfigurationInvalid, match="no component's name"):
            await system.reload()

    async def test_a_mailbox(self, system: System, workshop: Workshop, yes: Approve) -> None:
        """Lowered below what waits, it refuses what comes and keeps what is there."""
        await system.install(workshop.package(limits='memory = "1 MiB"\nmailbox = 10'), approve=yes)
        (_, ref, _) = next(iter(system._hosting.running()))
        ref.pause()
        for _ in range(3):
            ref.tell(b"echo")
        write(system, "[limits]\nmailbox = 2\n")
        await system.reload()
        assert ref.mailbox.size == 3
        with pytest.raises(MailboxFull):
            ref.tell(b"echo")
        assert "limits.mailbox is 2 instead of 10" in system.component_status(NAME).held[0]
        write(system, "")
        await system.reload()
        ref.tell(b"echo")
        assert system.component_status(NAME).held == ()
        ref.resume()
        assert await system.send(NAME, b"echo") == b"echo"

    async def test_what_became_forbidden(
        self, system: System, workshop: Workshop, yes: Approve
    ) -> None:
        """A capability that the settings deny, or allow again, is decided anew at the next call."""
        await system.install(workshop.package(capabilities=ALL), approve=yes)
        await system.send(NAME, b"count")
        for table in ("deny", "forbidden"):
            write(system, f"[security.{table}]\nstorage.write = ['everything']\n")
            await system.reload()
            with pytest.raises(GuestRefused, match=r"denied|forbidden|not permitted"):
                await system.send(NAME, b"count")
            write(system, "")
            await system.reload()
            await system.send(NAME, b"count")

    async def test_the_supervisor(self, system: System, workshop: Workshop, yes: Approve) -> None:
        """A lower intensity ends a component that a higher one would start again."""
        package = workshop.package(extra="intensity = 50\nperiod = 60")
        await system.install(package, approve=yes)
        write(system, "[supervision]\nintensity = 1\n")
        await system.reload()
        for _ in range(2):
            with pytest.raises(ActorFailed):
                await system.send(NAME, b"trap")
        with anyio.fail_after(30):
            while system.component_status(NAME).state != "given up":  # noqa: ASYNC110 - no event
                await anyio.sleep(0.001)


@dataclass(frozen=True)
class AlarmSettings:
    """`[alarm]`: a stranger's section.

    Attributes:
        loud: Whether it is loud.
        bell: The bell.
    """

    loud: bool = False
    bell: str = "brass"


async def test_a_stranger_s_block(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its section reloads by the same declaration, and its refusal keeps all others from it."""
    seen: list[AlarmSettings] = []

    def provide(services: Services) -> tuple[HostInterface, ...]:
        def prepare(settings: AlarmSettings) -> Callable[[], object]:
            if settings.bell == "cracked":
                raise ValueError("the bell is cracked")
            return lambda: seen.append(settings)

        services.get(LiveSettings).prepare(AlarmSettings, prepare)
        return ()

    module = ModuleType("acme_alarm")
    vars(module)["AlarmSettings"] = AlarmSettings
    monkeypatch.setitem(sys.modules, "acme_alarm", module)
    section = Section("alarm", "acme_alarm:AlarmSettings", "Alarms.", reads="reload")
    block = Block(name="alarm", summary="Alarms.", provide=provide, sections=(section,))
    async with System(home, blocks=Blocks.find().joined(block)) as system:
        write(system, "[alarm]\nloud = true\n")
        assert states(await system.reload()) == {"alarm.loud": "applied"}
        assert seen == [AlarmSettings(loud=True)]
        write(system, "[alarm]\nbell = 'cracked'\n[limits]\nstorage = 1\n")
        with pytest.raises(ConfigurationInvalid, match="the bell is cracked") as caught:
            await system.reload()
        assert caught.value.problems[0].line == 1
        assert system.policy.limits.storage == 64 * 2**20
        assert len(seen) == 1


ASKED = """
[limits]
host_memory = "4 MiB"
storage = 1_000_000
storage_keys = 10
mailbox_bytes = 1_000_000
message_bytes = 100_000
host_call = 1_000_000
mailbox = 10
weight = 2.0
memory = "1 MiB"
table_elements = 1_000
rates.messages = 10
rates.bytes = 1_000
rates.logs = 10
"""
FURTHER = """intensity = 5
period = 5
revive = 60
shutdown = 5
backoff.maximum = 10
[health]
interval = 10
timeout = 5
"""
TIGHTER: Mapping[str, float] = {
    "limits.memory": 600 * 1024, "limits.host_memory": 2**21, "limits.storage": 1_000,
    "limits.storage_keys": 5, "limits.mailbox_bytes": 1_000, "limits.message_bytes": 5_000,
    "limits.host_call": 100_000, "limits.mailbox": 5, "limits.timeout": 1.0,
    "limits.fuel": 40_000_000, "limits.weight": 1.0, "limits.table_elements": 1_000,
    "limits.messages": 5, "limits.sent_bytes": 500, "limits.logs": 5,
    "supervision.intensity": 1, "supervision.period": 10.0, "supervision.backoff": 1.0,
    "supervision.longest_backoff": 5.0, "supervision.shutdown": 1.0, "supervision.revive": 100.0,
    "health.interval": 20.0, "health.timeout": 1.0,
}  # fmt: skip


async def test_each_bound_holds_what_runs(system: System, workshop: Workshop, yes: Approve) -> None:
    """For every number that the policy bounds: held and let go, in the same incarnation."""
    limits = ASKED.removeprefix("\n[limits]\n")
    await system.install(workshop.package(limits=limits, extra=FURTHER), approve=yes)
    assert system.component_status(NAME).held == ()
    assert {cap.setting for cap in CAPS} == TIGHTER.keys()
    for cap in CAPS:
        section, _, key = cap.setting.partition(".")
        write(system, f"[{section}]\n{key} = {TIGHTER[cap.setting]}\n")
        await system.reload()
        (held,) = system.component_status(NAME).held
        assert held.startswith(f"{cap.key} is "), held
        assert cap.setting in held
        write(system, "")
        await system.reload()
        assert system.component_status(NAME).held == (), cap.setting
    assert await system.send(NAME, b"echo") == b"echo"
    assert system.component_status(NAME).restarts == 0
