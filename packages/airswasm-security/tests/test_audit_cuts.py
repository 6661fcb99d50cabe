"""Heads that are kept outside of the log: what they find, and that they accuse no honest log."""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from subprocess import run

import pytest
from airswasm.security import (
    AuditBroken,
    AuditEvent,
    AuditHead,
    AuditLog,
    read_audit,
    verify_audit,
)
from hypothesis import given, settings
from hypothesis import strategies as st

LINES = 60


def mark_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.mark")


def write(path: Path, lines: int, keep_files: int | None = None) -> AuditHead:
    with AuditLog(path, durability="os", max_bytes=2_000, keep_files=keep_files) as log:
        for number in range(lines):
            log.record(AuditEvent("decision", "a/b", "deny", "storage:read", f"{number}"))
        return log.head


def files_of(path: Path) -> list[Path]:
    return sorted(each for each in path.parent.glob("audit.jsonl*"))


def truncated(path: Path, draw: Callable[[int], int]) -> str:
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: draw(len(lines) - 1)]))
    return "lines cut off the end of a file"


def cut_within(path: Path, draw: Callable[[int], int]) -> str:
    content = path.read_bytes()
    path.write_bytes(content[: draw(len(content) - 2)])
    return "bytes cut off the end of a file"


def edited(path: Path, draw: Callable[[int], int]) -> str:
    content = bytearray(path.read_bytes())
    place = draw(len(content) - 1)
    content[place] ^= 1
    path.write_bytes(bytes(content))
    return "a bit changed"


def reordered(path: Path, draw: Callable[[int], int]) -> str:
    lines = path.read_bytes().splitlines(keepends=True)
    lines.append(lines.pop(draw(len(lines) - 2)))
    path.write_bytes(b"".join(lines))
    return "lines reordered"


def removed(path: Path, draw: Callable[[int], int]) -> str:
    del draw
    path.unlink()
    return "a file removed"


def emptied(path: Path, draw: Callable[[int], int]) -> str:
    del draw
    path.write_bytes(b"")
    return "a file emptied"


ATTACKS = (truncated, cut_within, edited, reordered, removed, emptied)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_nothing_can_be_done_to_a_file_of_the_log(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A cut, an edit, another order, a file that is gone: found by what lies beside the log."""
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    write(path, LINES, data.draw(st.sampled_from([None, 2])))
    verify_audit(path)
    victim = data.draw(st.sampled_from(files_of(path)))
    attack = data.draw(st.sampled_from(ATTACKS))
    attack(victim, lambda most: data.draw(st.integers(0, most)))
    with pytest.raises(AuditBroken):
        verify_audit(path)


@given(st.integers(1, LINES), st.booleans())
@settings(max_examples=60, deadline=None)
def test_an_older_copy_is_found_by_a_head_from_elsewhere(
    tmp_path_factory: pytest.TempPathFactory, more: int, goes_on: bool
) -> None:
    """An intruder who restores the whole folder is found by a head that was kept elsewhere.

    Also when the host then goes on, and has as many lines as before or more.
    """
    folder = tmp_path_factory.mktemp("home") / "audit"
    path = folder / "audit.jsonl"
    write(path, 10)
    shutil.copytree(folder, folder.with_name("copy"))
    head = write(path, more)
    shutil.rmtree(folder)
    folder.with_name("copy").rename(folder)
    if goes_on:
        write(path, more + 5)
    verify_audit(path)  # what lies in the home was restored with it
    with pytest.raises(AuditBroken, match="kept by you"):
        verify_audit(path, expected_head=head)


@pytest.mark.parametrize("cut", [1, 2, 7])
def test_the_error_says_which_lines_are_missing(tmp_path: Path, cut: int) -> None:
    """The numbers of the lines that are gone, and which head tells."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path) as log:
        for _ in range(9):
            log.record(AuditEvent("x"))
        head = log.head
    content = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(content[:-cut]))
    words = f"lines {10 - cut} to 9 are missing" if cut > 1 else "line 9 is missing"
    with pytest.raises(AuditBroken, match=f"{words} at its end.* beside the log"):
        verify_audit(path)
    mark_of(path).unlink()
    with pytest.raises(AuditBroken, match=f"{words} at its end.* in the host's store"):
        verify_audit(path, heads={"store": head})
    verify_audit(path)  # without any head, it is a shorter log


@pytest.mark.parametrize("cut", [1, 3])
@pytest.mark.parametrize("more", [0, 1, 10])
def test_a_host_that_goes_on_after_a_cut_says_so_until_it_is_accepted(
    tmp_path: Path, cut: int, more: int
) -> None:
    """New lines do not bury a cut: a line tells of it, and an operator has to accept it."""
    path = tmp_path / "audit.jsonl"
    write(path, 5)
    content = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(content[:-cut]))
    write(path, more)
    with pytest.raises(AuditBroken, match="missing at its end"):
        verify_audit(path)
    with AuditLog(path) as log:
        log.accept_cuts("the disk was restored")
    verify_audit(path)
    kinds = Counter(line["kind"] for line in read_audit(path))
    assert (kinds["decision"], kinds["cut"], kinds["accept"]) == (5 - cut + more, 1, 1)


def test_a_head_of_the_store_is_compared_when_a_host_opens(tmp_path: Path) -> None:
    """The mark beside the log may be gone; the head in the store then tells."""
    path = tmp_path / "audit.jsonl"
    head = write(path, 9)
    content = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(content[:-2]))
    mark_of(path).unlink()
    with AuditLog(path) as log:
        assert log.compare(AuditHead(3, "0" * 64), "somewhere") is not None
        assert log.compare(head, "in the host's store") is not None
        assert log.compare(log.head, "in the host's store") is None
    with pytest.raises(AuditBroken, match="in the host's store"):
        verify_audit(path)


KILLED = """
import os, sys
from pathlib import Path
from airswasm.security import AuditEvent, AuditLog

def die_after(steps, path):
    def counted(call):
        def made(*arguments, **named):
            nonlocal steps
            steps -= 1
            if steps < 0:
                os._exit(9)
            return call(*arguments, **named)
        return made
    for name in ("write", "pwrite", "rename", "open", "close", "fsync", "unlink", "ftruncate"):
        setattr(os, name, counted(getattr(os, name)))
    log = AuditLog(path, durability="os", max_bytes=1_000, keep_files=2)
    while True:
        log.record(AuditEvent("decision", "a/b", "deny", "storage:read", "k" * 50))

for steps in range(160):
    if os.fork() == 0:
        die_after(steps, Path(sys.argv[1], str(steps), "audit.jsonl"))
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 9
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the child forks")
def test_no_kill_at_any_point_looks_like_a_cut(tmp_path: Path) -> None:
    """The process ends before each call of the operating system: the log is whole, and goes on."""
    run([sys.executable, "-c", KILLED, tmp_path], check=True, timeout=300)
    retired = 0
    for steps in range(160):
        path = tmp_path / str(steps) / "audit.jsonl"
        path.parent.mkdir(exist_ok=True)
        before = verify_audit(path)
        after = write(path, 2, keep_files=2)
        report = verify_audit(path, expected_head=before.head)
        assert report.head == after
        assert len(report.files) <= 3
        assert "cut" not in [line["kind"] for line in read_audit(path)]
        retired += before.first_line > 1
    assert retired


@given(st.integers(0, 30), st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_a_power_loss_is_no_cut(
    tmp_path_factory: pytest.TempPathFactory, synced: int, lost_bytes: int
) -> None:
    """Lines that never reached the disk are gone, with a mark that did: only a synced head counts.

    The head in the store is that of a log that was synced before.
    """
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    with AuditLog(path, durability="os", max_bytes=10**6) as log:
        for _ in range(synced):
            log.record(AuditEvent("x"))
        log.sync()
        stored, size = log.head, path.stat().st_size if synced else 0
        for _ in range(5):
            log.record(AuditEvent("x"))
    os.truncate(path, max(size, path.stat().st_size - lost_bytes))
    mark = mark_of(path)
    mark.write_bytes(mark.read_bytes().replace(b"-", b"+"))  # of another start of the machine
    verify_audit(path, heads={"store": stored})
    with AuditLog(path) as log:
        assert log.compare(stored, "in the host's store") is None
    verify_audit(path, heads={"store": stored})


def test_a_mark_that_is_torn_counts_for_nothing(tmp_path: Path) -> None:
    """Half of a mark and rubbish count for nothing."""
    path = tmp_path / "audit.jsonl"
    write(path, 3)
    for content in (b"", b"\xff" * 384, b"9 " * 192, mark_of(path).read_bytes()[:100]):
        mark_of(path).write_bytes(content)
        verify_audit(path)
        write(path, 1)
        verify_audit(path)
