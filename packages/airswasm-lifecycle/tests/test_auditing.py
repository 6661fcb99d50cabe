"""The audit log of a home: what a host keeps of it, what it compares, and what it records."""

from pathlib import Path

import anyio
import pytest
from airswasm.actor import ActorSystem, Context, MailboxFull, MailboxSpec, Message, NoRoute
from airswasm.lifecycle import Configuration, HomeReader, System, edit_configuration
from airswasm.runtime import HealthSources
from airswasm.security import (
    AuditBroken,
    AuditSettings,
    AuditSinkUnusable,
    AuditUnavailable,
    query_audit,
)

pytestmark = pytest.mark.anyio


def log_of(home: Path) -> Path:
    return home / "audit" / "audit.jsonl"


def cut(path: Path, lines: int) -> None:
    content = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(content[:-lines]))


def forget_mark(path: Path) -> None:
    path.with_name(f".{path.name}.mark").unlink()


def kinds(home: Path) -> list[str]:
    return [each.kind for each in query_audit(log_of(home))]


@pytest.mark.parametrize("lines", [1, 2])
async def test_the_store_knows_where_the_log_of_an_orderly_stop_ends(
    tmp_path: Path, lines: int
) -> None:
    """Without the mark too, a cut of the last lines is found by who reads the stopped home."""
    async with System(tmp_path, mode="offline") as system:
        system.note("one")
        system.note("two")
    with HomeReader(tmp_path) as reader:
        report = reader.audit.verify()
        assert report.head == reader.audit.kept == reader.audit.head
    forget_mark(log_of(tmp_path))
    cut(log_of(tmp_path), lines)
    with HomeReader(tmp_path) as reader:
        with pytest.raises(AuditBroken, match=r"missing at its end.* in the host's store"):
            reader.audit.verify()


async def test_a_host_that_finds_a_cut_says_so_until_it_is_accepted(tmp_path: Path) -> None:
    """In the log, in its health, and in what verifying says; the next starts too."""
    async with System(tmp_path, mode="offline") as system:
        system.note("one")
    forget_mark(log_of(tmp_path))
    cut(log_of(tmp_path), 1)
    for _ in range(2):
        async with System(tmp_path) as system:
            with pytest.raises(AuditBroken, match="cut or replaced"):
                system.audit.verify()
    assert kinds(tmp_path).count("cut") == 1
    async with System(tmp_path) as system:
        system.audit.accept_cuts("the disk was restored")
        assert system.audit.verify().lines
    async with System(tmp_path) as system:
        found = list(system.services.get(HealthSources).findings())
        assert [each for each in found if each.subject == "audit"] == []


async def test_the_health_tells_of_a_cut(tmp_path: Path) -> None:
    """An operator who looks at `/healthz` learns of it."""
    async with System(tmp_path, mode="offline") as system:
        system.note("one")
    cut(log_of(tmp_path), 1)
    async with System(tmp_path) as system:
        found = list(system.services.get(HealthSources).findings())
        assert any("cut or replaced" in each.text for each in found)
        system.audit.accept_cuts("it was me")
        found = list(system.services.get(HealthSources).findings())
        assert not any("cut or replaced" in each.text for each in found)


async def test_a_running_host_finds_a_cut_of_any_line(tmp_path: Path) -> None:
    """It knows the newest line, whatever lies on the disk."""
    async with System(tmp_path, mode="offline") as system:
        system.note("one")
        assert system.audit.verify().head == system.audit.head
        forget_mark(log_of(tmp_path))
        cut(log_of(tmp_path), 1)
        with pytest.raises(AuditBroken, match=r"missing at its end, .* kept by the host"):
            system.audit.verify()


async def test_heads_are_kept_while_the_host_runs(tmp_path: Path) -> None:
    """Every so many lines or seconds, and not only at the end."""
    settings = AuditSettings(head_lines=1, head_seconds=0.001)
    async with System(tmp_path, configuration=Configuration.of(settings)) as system:
        system.note("one")
        with anyio.fail_after(60):
            while system.audit.kept != system.audit.head:  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.01)


async def test_settings_that_changed_have_a_line(tmp_path: Path) -> None:
    """By the command and by hand: the key, and the value only where it cannot be a secret."""
    edit_configuration(tmp_path, "limits.memory", "64 MiB")
    async with System(tmp_path, mode="offline"):
        pass
    config = tmp_path / "config.toml"
    config.write_text(config.read_text() + "[security.deny.storage]\nread = ['hunter2/**']\n")
    for _ in range(2):
        async with System(tmp_path, mode="offline") as system:
            await system.configure("install.retain", "4")
    lines = [each for each in query_audit(log_of(tmp_path)) if each.kind == "config"]
    assert [dict(each.detail) for each in lines] == [
        {"act": "set", "key": "limits.memory", "value": '"64 MiB"'},
        {"limits.memory": 'default -> "64 MiB"'},
        {"security.deny": "(not shown) -> (not shown)"},
        {"act": "set", "key": "install.retain", "value": "4"},
        {"install.retain": "5 -> 4"},
        {"act": "set", "key": "install.retain", "value": "4"},
    ]
    everything = b"".join(path.read_bytes() for path in (tmp_path / "audit").iterdir())
    assert b"hunter2" not in everything


async def test_a_setting_is_not_changed_without_a_line(tmp_path: Path) -> None:
    """A log that cannot be opened keeps the file as it was."""
    (tmp_path / "audit").mkdir(parents=True)
    log_of(tmp_path).symlink_to("/dev/null")
    with pytest.raises(AuditUnavailable):
        edit_configuration(tmp_path, "limits.memory", "64 MiB")
    assert not (tmp_path / "config.toml").exists()


class Plain:
    """Answers with the payload, or raises."""

    def receive(self, message: Message, _context: Context) -> object:
        if message.payload == b"raise":
            raise ValueError("as it was told")
        return message.payload


async def test_a_line_for_each_message(tmp_path: Path) -> None:
    """In a log of their own, which leaves the decisions where they are."""
    configuration = Configuration.of(AuditSettings(messages=True))
    async with System(tmp_path, configuration=configuration) as system:
        actor = system.services.get(ActorSystem).spawn(Plain(), name="shop/echo")
        for payload in (b"echo", b"raise", b"echo"):
            actor.tell(payload)
        await anyio.wait_all_tasks_blocked()
    with HomeReader(tmp_path) as reader:
        lines = list(reader.audited_messages.query())
        assert reader.audited_messages.verify().head == reader.audited_messages.kept
    assert [(each.component, each.outcome) for each in lines[:2]] == [
        ("shop/echo", "done"),
        ("shop/echo", "failed"),
    ]
    assert lines[0].detail["bytes"].startswith("4 ")
    assert "message" not in kinds(tmp_path)


async def test_a_line_for_each_message_that_was_not_handled(tmp_path: Path) -> None:
    """One that the sender could not send, and one that died unread; each once."""
    configuration = Configuration.of(AuditSettings(messages=True))
    async with System(tmp_path, configuration=configuration) as system:
        actors = system.services.get(ActorSystem)
        bounds = MailboxSpec(capacity=1)
        ref = actors.spawn(Plain(), name="shop/echo", mailbox=bounds)
        await actors.started(ref)
        ref.pause()
        actors.broker.tell("shop/echo", b"first", sender="shop/till")
        for target, error in (("shop/echo", MailboxFull), ("shop/absent", NoRoute)):
            with pytest.raises(error):
                actors.broker.tell(target, b"next", sender="shop/till")
            with pytest.raises(error):
                await actors.broker.ask(target, b"next", sender="shop/till")
        await actors.stop(ref)
        await anyio.wait_all_tasks_blocked()
    with HomeReader(tmp_path) as reader:
        lines = list(reader.audited_messages.query())
    found = [(each.component, each.detail["outcome"], each.reason) for each in lines]
    assert sorted(found) == [
        ("shop/absent", "rejected", "NoRoute"),
        ("shop/absent", "rejected", "NoRoute"),
        ("shop/echo", "rejected", "MailboxFull"),
        ("shop/echo", "rejected", "MailboxFull"),
        ("shop/echo", "stopped", ""),
    ]
    assert {each.detail["sender"] for each in lines} == {"shop/till"}
    assert {each.outcome for each in lines} == {"failed"}


async def test_a_sink_that_is_misspelt_stops_the_start(tmp_path: Path) -> None:
    """And a home that is only changed does without its sinks."""
    configuration = Configuration.of(AuditSettings(sinks=("sylog",)))
    with pytest.raises(AuditSinkUnusable, match="sylog"):
        async with System(tmp_path, configuration=configuration):
            pass
    async with System(tmp_path, mode="offline", configuration=configuration):
        pass
