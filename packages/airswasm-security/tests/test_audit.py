"""The audit log: a chain that shows what was done to it."""

import errno
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from subprocess import run
from typing import Any

import anyio
import anyio.from_thread
import pytest
from airswasm.security import (
    AuditBroken,
    AuditEvent,
    AuditHead,
    AuditLocked,
    AuditLog,
    AuditUnavailable,
    read_audit,
    verify_audit,
)
from airswasm.security._auditing import log as log_module
from hypothesis import given, settings
from hypothesis import strategies as st


def filled(path: Path, lines: int, **options: object) -> AuditHead:
    with AuditLog(path, durability="os", clock=lambda: 12.5, **options) as log:  # type: ignore[arg-type]
        for number in range(lines):
            log.record(
                AuditEvent("decision", "local/hello", "deny", "storage:read", f"key-{number}")
            )
        return log.head


def lose_power(path: Path) -> None:
    """The mark of another start of the machine counts for nothing."""
    path.with_name(f".{path.name}.mark").unlink()


def test_a_log_verifies_and_reads_back(tmp_path: Path) -> None:
    """Every line is there, in order, with its fields."""
    head = filled(tmp_path / "audit.jsonl", 3)
    report = verify_audit(tmp_path / "audit.jsonl", expected_head=head)
    assert (report.lines, report.head) == (3, head)
    last = list(read_audit(tmp_path / "audit.jsonl"))[-1]
    assert (last["n"], last["time"], last["resource"], last["outcome"]) == (
        3,
        12.5,
        "key-2",
        "deny",
    )


def test_an_empty_or_missing_log_verifies(tmp_path: Path) -> None:
    """Nothing happened, nothing to doubt."""
    assert verify_audit(tmp_path / "audit.jsonl").lines == 0


def test_the_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Opening the log again continues it."""
    for _ in range(3):
        filled(tmp_path / "audit.jsonl", 2)
    assert verify_audit(tmp_path / "audit.jsonl").lines == 6


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_line_can_be_changed_dropped_swapped_or_doubled(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """With the head kept elsewhere, every edit of the file shows."""
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    head = filled(path, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    index = data.draw(st.integers(0, 4))
    edited = list(lines)
    match data.draw(st.sampled_from(["change", "drop", "swap", "double", "cut"])):
        case "change":
            edited[index] = edited[index].replace(b'"deny"', b'"allow"')
        case "drop":
            del edited[index]
        case "swap":
            edited[index], edited[index - 1] = edited[index - 1], edited[index]
        case "double":
            edited.insert(index, edited[index])
        case "cut":
            edited = edited[:index]
    path.write_bytes(b"".join(edited))
    with pytest.raises(AuditBroken):
        verify_audit(path, expected_head=head)


def test_rotation_keeps_the_chain(tmp_path: Path) -> None:
    """The log spans its files; a file missing in between shows."""
    path = tmp_path / "audit.jsonl"
    head = filled(path, 50, max_bytes=2_000)
    report = verify_audit(path, expected_head=head)
    kinds = Counter(line["kind"] for line in read_audit(path))
    assert kinds == {"decision": 50, "segment": len(report.files) - 1}
    assert len(report.files) > 3
    report.files[1].unlink()
    with pytest.raises(AuditBroken, match="missing"):
        verify_audit(path)


def test_old_files_go_and_stay_counted(tmp_path: Path) -> None:
    """`keep_files` bounds the log; what is left verifies, and counts what went."""
    path = tmp_path / "audit.jsonl"
    head = filled(path, 100, max_bytes=2_000, keep_files=2)
    report = verify_audit(path, expected_head=head)
    assert len(report.files) == 3
    assert report.first_line == head.line - report.lines + 1 > 1
    kept = list(read_audit(path))
    start = kept[0]
    assert start["kind"] == "segment"
    counted = start["detail"]
    assert isinstance(counted, dict)
    assert int(counted["lines"]) == report.first_line - 1
    kinds = Counter(line["kind"] for line in kept)
    assert int(counted["decision/deny"]) + kinds["decision"] == 100


def test_a_log_that_keeps_everything_keeps_everything(tmp_path: Path) -> None:
    """Without a number of files nothing goes."""
    path = tmp_path / "audit.jsonl"
    filled(path, 100, max_bytes=2_000)
    assert verify_audit(path).first_line == 1


@given(st.integers(1, 200))
@settings(max_examples=40, deadline=None)
def test_a_torn_last_line_is_dropped(
    tmp_path_factory: pytest.TempPathFactory, missing: int
) -> None:
    """After a crash the log opens again, says what it dropped, and verifies."""
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    filled(path, 5)
    whole = path.read_bytes()
    path.write_bytes(whole[: -min(missing, len(whole))])
    lose_power(path)
    filled(path, 1)
    kinds = [line["kind"] for line in read_audit(path)]
    assert kinds.count("decision") >= 1
    verify_audit(path)


def test_a_torn_line_after_a_rotation_does_not_break_the_chain(tmp_path: Path) -> None:
    """An empty newest file takes its place in the chain from the file before."""
    path = tmp_path / "audit.jsonl"
    filled(path, 20, max_bytes=1_000)
    path.write_bytes(b'{"n":')
    filled(path, 1)
    with pytest.raises(AuditBroken):  # the lines that were cut with it
        verify_audit(path, expected_head=AuditHead(20, "0" * 64))


def test_one_process_writes(tmp_path: Path) -> None:
    """A second writer is refused, the first one's end lets the next in."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path):
        with pytest.raises(AuditLocked):
            AuditLog(path)
    AuditLog(path).close()


def test_a_killed_writer_loses_nothing(tmp_path: Path) -> None:
    """What `record` returned from is in the file, even when the process dies at once."""
    path = tmp_path / "audit.jsonl"
    code = (
        "import os, sys\n"
        "from airswasm.security import AuditEvent, AuditLog\n"
        "log = AuditLog(sys.argv[1], durability='os')\n"
        "for _ in range(100): log.record(AuditEvent('x'))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    run([sys.executable, "-c", code, str(path)], check=False, timeout=60)
    assert verify_audit(path).lines == 100
    filled(path, 1)


TEXTS = [
    '\n{"n":1}',
    "\x1b]52;c;AAAA\x07",
    "\u202egnp.exe",
    "\x7f",
    "\x9b31m",
    "\ud800",
    "x" * 100_000,
]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_cannot_forge_lines_or_steer_a_terminal(tmp_path: Path, text: str) -> None:
    """One event is one line of printable ASCII, of bounded length."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path) as log:
        log.record(
            AuditEvent(
                text,
                text,
                "deny",
                text,
                text,
                text,
                {text: text} | {str(n): text for n in range(99)},
            )
        )
    content = path.read_bytes()
    assert content.count(b"\n") == 1
    assert content[:-1].decode("ascii").isprintable()
    assert len(content) < 300_000
    verify_audit(path)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_the_file_is_private_and_no_link_is_followed(tmp_path: Path) -> None:
    """0600, and a link in its place is refused."""
    filled(tmp_path / "audit.jsonl", 1)
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "audit.jsonl")
    with pytest.raises(AuditUnavailable):
        AuditLog(tmp_path / "link.jsonl")


def test_a_closed_log_refuses(tmp_path: Path) -> None:
    """No event is taken and forgotten."""
    log = AuditLog(tmp_path / "audit.jsonl")
    log.close()
    log.close()
    with pytest.raises(AuditUnavailable, match="closed"):
        log.record(AuditEvent("x"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_to_the_caller(tmp_path: Path) -> None:
    """An event that could not be written raises, and the next one does not continue a torn line."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, durability="os") as log:
        log.record(AuditEvent("before"))
        kept = os.dup(log._descriptor)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, log._descriptor)
        with pytest.raises(AuditUnavailable, match="space"):
            log.record(AuditEvent("lost"))
        os.dup2(kept, log._descriptor)
        log.record(AuditEvent("after"))
        os.close(full)
        os.close(kept)
    assert [line["kind"] for line in read_audit(path)] == ["before", "after"]
    verify_audit(path)


@pytest.mark.anyio
async def test_a_disk_that_fails_later_refuses_lines_until_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the wait for the disk fails, the owner's task goes on and lines are refused."""
    is_broken = True
    sync = os.fsync

    def fails(descriptor: int) -> None:
        if is_broken:
            raise OSError(errno.EIO, "Input/output error")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fails)
    with AuditLog(tmp_path / "audit.jsonl", durability="batch") as log:
        async with anyio.create_task_group() as group:
            group.start_soon(log.keep_synced, 0.001)
            with anyio.fail_after(30):
                while accepts(log):  # noqa: ASYNC110 - the disk sets no event
                    await anyio.sleep(0.001)
                assert log.failure
                is_broken = False
                while not accepts(log):  # noqa: ASYNC110
                    await anyio.sleep(0.001)
            assert log.failure is None
            group.cancel_scope.cancel()
    verify_audit(tmp_path / "audit.jsonl")


def accepts(log: AuditLog) -> bool:
    try:
        log.record(AuditEvent("x"))
    except AuditUnavailable:
        return False
    return True


@pytest.mark.parametrize("content", [b"garbage\n", b"[]\n", b'{"n":"x","prev":"","kind":""}\n'])
def test_what_is_no_log_is_not_continued(tmp_path: Path, content: bytes) -> None:
    """A complete last line that is none of ours stops the host instead of being buried."""
    (tmp_path / "audit.jsonl").write_bytes(content)
    with pytest.raises(AuditBroken):
        AuditLog(tmp_path / "audit.jsonl")
    assert (tmp_path / "audit.jsonl").read_bytes() == content


@pytest.mark.anyio
async def test_a_batch_reaches_the_disk(tmp_path: Path) -> None:
    """`keep_synced` brings what was written to the disk, and can be cancelled at any time."""
    with AuditLog(tmp_path / "audit.jsonl", durability="batch") as log:
        async with anyio.create_task_group() as group:
            group.start_soon(log.keep_synced, 0.001)
            log.record(AuditEvent("x"))
            with anyio.fail_after(30):
                while log.has_unsynced:  # noqa: ASYNC110 - the disk sets no event
                    await anyio.sleep(0.001)
            group.cancel_scope.cancel()
    assert json.loads((tmp_path / "audit.jsonl").read_bytes())["kind"] == "x"


def sizes(folder: Path) -> list[int]:
    return [each.stat().st_size for each in folder.glob("audit.jsonl*")]


@pytest.mark.anyio
async def test_a_kept_log_changes_files_off_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes its time holds up no one: `record` waits for it only at twice the size."""
    path, loop, waited = tmp_path / "audit.jsonl", threading.get_ident(), list[int]()
    sync = os.fsync

    def noted(descriptor: int) -> None:
        waited.append(threading.get_ident())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    with AuditLog(path, max_bytes=10_000) as log:
        async with anyio.create_task_group() as group:
            group.start_soon(log.keep_synced, 0.001)
            await anyio.wait_all_tasks_blocked()  # it keeps the log from here on
            with anyio.fail_after(30):
                for wanted in (1, 2, 3):
                    for _ in range(17):
                        log.record(AuditEvent("decision", resource="k" * 500))
                    while len(sizes(tmp_path)) <= wanted:
                        await anyio.lowlevel.checkpoint()
            assert waited
            assert loop not in waited
            for _ in range(100):  # faster than any disk
                log.record(AuditEvent("decision", resource="k" * 500))
            assert max(sizes(tmp_path)) <= 20_000
            group.cancel_scope.cancel()
    assert verify_audit(path).lines == log.head.line


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "t", str(folder)]
    if sys.platform != "linux" or run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root on Linux")
    yield folder
    run(["umount", "-l", str(folder)], check=True)


@pytest.mark.anyio
@pytest.mark.parametrize("is_kept", [True, False])
async def test_a_full_disk_denies_and_drops_nothing(small_disk: Path, is_kept: bool) -> None:
    """No line goes early to make room; each refusal says why; with room the log goes on."""
    path = small_disk / "audit.jsonl"
    with AuditLog(path, durability="os", max_bytes=30_000, keep_files=20) as log:
        async with anyio.create_task_group() as group:
            if is_kept:
                group.start_soon(log.keep_synced, 0.001)
            written = 0
            while accepts(log):
                written += 1
                assert written < 100_000
                await anyio.lowlevel.checkpoint()
            assert "space" in str(log.failure)
            before = log.head
            for _ in range(100):
                assert not accepts(log)
            assert log.head == before
            (small_disk / "audit.jsonl.000000000001").unlink()  # an operator makes room
            with anyio.fail_after(60):
                while not accepts(log):  # noqa: ASYNC110
                    await anyio.sleep(0.001)
            assert log.failure is None
            group.cancel_scope.cancel()
    verify_audit(path, expected_head=before, start_may_be_missing=True)
    assert len(list(read_audit(path))) == log.head.line - first_line_of(path) + 1


@pytest.mark.anyio
async def test_a_file_that_begins_during_a_sync_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sync would find another file in the place of its own, as after a thief."""
    sync = log_module.sync_copy
    with AuditLog(tmp_path / "audit.jsonl", durability="os") as log:

        def begin_another(*arguments: Any) -> None:
            anyio.from_thread.run_sync(log._change_files)
            sync(*arguments)

        assert accepts(log)
        monkeypatch.setattr(log_module, "sync_copy", begin_another)
        await log._sync_in_thread()
        monkeypatch.setattr(log_module, "sync_copy", sync)
        assert log.failure is None
        assert accepts(log)
        await log._sync_in_thread()
        assert log.failure is None
        (tmp_path / "audit.jsonl").rename(tmp_path / "stolen")
        assert accepts(log)
        await log._sync_in_thread()
        assert log.failure is not None


def test_a_file_that_cannot_begin_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk without room for another name; with room the log goes on."""
    path = tmp_path / "audit.jsonl"
    open_to_append = log_module.open_to_append

    def refuse(_path: Path) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with AuditLog(path, durability="os", max_bytes=1_000) as log:
        while path.stat().st_size < 900:
            assert accepts(log)
        monkeypatch.setattr(log_module, "open_to_append", refuse)
        assert [accepts(log) for _ in range(10)][-1] is False
        assert "space" in str(log.failure)
        monkeypatch.setattr(log_module, "open_to_append", open_to_append)
        assert accepts(log)
        assert log.failure is None
    verify_audit(path)


def first_line_of(path: Path) -> int:
    number = next(iter(read_audit(path)))["n"]
    assert isinstance(number, int)
    return number
