"""Blocks of lines under one hash, and lines that wait: what is written, and when."""

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import run

import anyio
import pytest
from airswasm.security import (
    AuditBroken,
    AuditEvent,
    AuditHead,
    AuditLog,
    AuditUnavailable,
    Decision,
    DecisionLines,
    query_audit,
    read_audit,
    verify_audit,
)
from hypothesis import given, settings
from hypothesis import strategies as st

READ, WRITE = "storage:read", "storage:write"
texts = st.text(max_size=8) | st.text(max_size=3).map(lambda text: text * 600)


def decision(resource: str, capability: str = READ, *, allowed: bool = True) -> Decision:
    return Decision(allowed, "a/b", capability, resource, "users/**")


decisions = st.builds(Decision, st.booleans(), texts, st.sampled_from([READ, WRITE]), texts, texts)
events = st.builds(
    AuditEvent,
    st.sampled_from(["decision", "trust", "install"]),
    texts,
    st.sampled_from(["allow", "deny", "done", ""]),
    detail=st.dictionaries(texts, texts, max_size=3),
)
batches = st.lists(st.lists(decisions | events, min_size=1, max_size=9), min_size=1, max_size=6)


def as_event(said: AuditEvent | Decision) -> AuditEvent:
    if isinstance(said, AuditEvent):
        return said
    outcome = "allow" if said.is_allowed else "deny"
    detail = {} if said.is_allowed else {"layer": said.layer}
    return AuditEvent(
        "decision", said.component, outcome, said.capability, said.resource, said.reason, detail
    )


@given(batches)
@settings(max_examples=60, deadline=None)
def test_a_batch_says_what_single_lines_say(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[AuditEvent | Decision]]
) -> None:
    """Together or one by one, as a decision or as the event of it: the same records."""
    folder = tmp_path_factory.mktemp("audit")
    with AuditLog(folder / "together", durability="os") as log:
        for batch in batches:
            log.record_all([(12.5, each) for each in batch])
        head = log.head
    with AuditLog(folder / "single", durability="os", clock=lambda: 12.5) as log:
        for each in (each for batch in batches for each in batch):
            log.record(as_event(each))
    assert list(query_audit(folder / "together")) == list(query_audit(folder / "single"))
    report = verify_audit(folder / "together", expected_head=head)
    assert report.lines == report.head.line == sum(map(len, batches))


def edited(lines: list[bytes], at: int) -> None:
    line = bytearray(lines[at])
    line[len(line) // 2] ^= 1
    lines[at] = bytes(line)


def dropped(lines: list[bytes], at: int) -> None:
    del lines[at]


def swapped(lines: list[bytes], at: int) -> None:
    lines[at], lines[at - 1] = lines[at - 1], lines[at]


def parted(lines: list[bytes], at: int) -> None:
    """Begin a block of one's own, so that nothing before it is covered."""
    lines[at] = lines[at].replace(b"}\n", b',"prev":"' + b"a" * 64 + b'"}\n')


def joined(lines: list[bytes], at: int) -> None:
    """Take the hash out of a line, so that it belongs to the block before."""
    fields = json.loads(lines[at])
    fields["prev"] = fields.pop("prev", "")
    fields.pop("prev")
    lines[at] = json.dumps(fields, separators=(",", ": ")).encode() + b"\n"


def added(lines: list[bytes], at: int) -> None:
    lines.insert(at, b'{"n":%d,"time":1.5,"kind":"x"}\n' % (at + 1))


@given(st.data(), st.sampled_from([edited, dropped, swapped, parted, joined, added]))
@settings(max_examples=120, deadline=None)
def test_no_line_of_a_block_can_be_altered(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    attack: Callable[[list[bytes], int], None],
) -> None:
    """First, inner, last line; of the first, an inner, the last block; the mark knows the end."""
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    with AuditLog(path, durability="os") as log:
        for size in sizes:
            log.record_all([(12.5, decision(str(number))) for number in range(size)])
    verify_audit(path)
    lines = path.read_bytes().splitlines(keepends=True)
    before = list(lines)
    attack(lines, data.draw(st.integers(0, len(lines) - 1)))
    if lines == before:
        return
    path.write_bytes(b"".join(lines))
    with pytest.raises(AuditBroken):
        verify_audit(path)


@given(st.integers(1, 12), st.integers(1, 900))
@settings(max_examples=60, deadline=None)
def test_a_block_that_a_power_loss_cut_goes_on(
    tmp_path_factory: pytest.TempPathFactory, size: int, lost: int
) -> None:
    """What is left of it is a shorter block; a head of before still holds."""
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    with AuditLog(path, durability="os") as log:
        log.record_all([(1.5, decision("before")), (1.5, decision("too"))])
        kept, least = log.head, path.stat().st_size
        log.record_all([(2.5, decision(str(number))) for number in range(size)])
    os.truncate(path, max(least, path.stat().st_size - lost))
    path.with_name(f".{path.name}.mark").unlink()  # it counts for one start of the machine
    with AuditLog(path, durability="os") as log:
        assert log.compare(kept, "in the host's store") is None
        log.record_all([(3.5, decision("after")), (3.5, decision("later"))])
        head = log.head
    assert verify_audit(path, expected_head=kept, heads={"store": head}).head == head


def test_a_block_is_bounded(tmp_path: Path) -> None:
    """A writer finds the start of the newest block in the tail of a file of any size."""
    path = tmp_path / "audit.jsonl"
    detail = {f"{number}": "\0" * 256 for number in range(64)}
    largest = AuditEvent(
        "k" * 1024, "\0" * 1024, "deny", "\0" * 1024, "\0" * 1024, "\0" * 1024, detail
    )
    for _ in range(2):
        with AuditLog(path, durability="os", max_bytes=2**30) as log:
            log.record_all([(1.5, largest)] * 40)
            head = log.head
    assert verify_audit(path, expected_head=head).lines == 80


def test_a_log_of_before_verifies_and_goes_on(tmp_path: Path) -> None:
    """Where each line has the hash of the one before, each line is a block."""
    path, previous = tmp_path / "audit.jsonl", "0" * 64
    for number in range(1, 6):
        line = f'{{"n":{number},"time":1.500000,"kind":"trust","prev":"{previous}"}}'
        previous = hashlib.sha256(line.encode()).hexdigest()
        with path.open("a") as file:
            file.write(line + "\n")
    before = AuditHead(5, previous)
    assert verify_audit(path, expected_head=before).head == before
    with AuditLog(path) as log:
        assert log.head == before
        log.record_all([(2.5, decision("u")), (2.5, decision("v"))])
    assert verify_audit(path, expected_head=before).lines == 7


def lines_in(path: Path) -> list[str]:
    return [str(line.get("resource", "")) for line in read_audit(path)]


async def make_busy(log: AuditLog) -> None:
    with anyio.fail_after(30):
        while not log.is_busy:
            for _ in range(200):
                log.record(AuditEvent("x"))
            await anyio.sleep(0.001)


@pytest.mark.anyio
async def test_lines_wait_only_while_the_log_is_busy(tmp_path: Path) -> None:
    """A quiet log writes each line; a busy one writes soon; every other line takes them along."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, durability="batch", wait_seconds=0.005) as log:
        log.record_soon(decision("quiet"))
        assert lines_in(path) == ["quiet"]
        async with anyio.create_task_group() as group:
            group.start_soon(log.keep_synced)
            await make_busy(log)
            log.record_soon(decision("first"))
            log.record_soon(decision("second"))
            assert "first" not in lines_in(path)
            log.record(decision("written"))
            assert lines_in(path)[-3:] == ["first", "second", "written"]
            log.record_soon(decision("alone"))
            with anyio.fail_after(30):
                while lines_in(path)[-1] != "alone":  # noqa: ASYNC110 - a file sets no event
                    await anyio.sleep(0.001)
                while log.is_busy:  # noqa: ASYNC110
                    await anyio.sleep(0.001)
            log.record_soon(decision("quiet again"))
            assert lines_in(path)[-1] == "quiet again"
            group.cancel_scope.cancel()
    verify_audit(path, expected_head=log.head)


@pytest.mark.parametrize("end", ["close", "sync", "many", "cancel"])
@pytest.mark.anyio
async def test_nothing_that_waits_is_lost(tmp_path: Path, end: str) -> None:
    """Closing, syncing, too many at once and the end of the task write them."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, durability="batch", wait_seconds=1.0) as log:
        async with anyio.create_task_group() as group:
            group.start_soon(log.keep_synced)
            await make_busy(log)
            for number in range(1_000 if end == "many" else 3):
                log.record_soon(decision(str(number)))
            if end == "sync":
                log.sync()
                assert lines_in(path)[-1] == "2"
            elif end == "many":
                assert len(set(lines_in(path))) > 1_000 - 256
            group.cancel_scope.cancel()
        if end == "cancel":
            log.record_soon(decision("after"))
            assert lines_in(path)[-4:] == ["0", "1", "2", "after"]
    assert verify_audit(path).lines == log.head.line
    assert {"0", "1", "2"} <= set(lines_in(path))


def test_durability_of_each_line_lets_none_wait(tmp_path: Path) -> None:
    """`line` waits for the disk before each effect; that of a read as well."""
    with AuditLog(tmp_path / "audit.jsonl", durability="line", wait_seconds=1.0) as log:
        log.record_soon(decision("u"))
        assert not log.has_unsynced


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("capability", [READ, WRITE])
def test_only_denials_and_reads_wait(tmp_path: Path, capability: str, allowed: bool) -> None:
    """What changes something has its line first, and with it what was read for it."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, durability="os", wait_seconds=1.0) as log:
        log._is_busy = True
        lines = DecisionLines(log, reads=frozenset({READ}))
        lines.write(decision("read before"))
        lines.write(decision("this", capability, allowed=allowed))
        waits = capability == READ or not allowed
        assert lines_in(path) == ([] if waits else ["read before", "this"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_denies_from_the_next_decision_on(tmp_path: Path) -> None:
    """What waits stays, in order, and is written when there is room; no more joins it."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, durability="os", wait_seconds=1.0) as log:
        log._is_busy = True
        lines = DecisionLines(log, reads=frozenset({READ}))
        assert lines.write(decision("waits"))
        kept, full = os.dup(log._descriptor), os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, log._descriptor)
        with pytest.raises(AuditUnavailable, match="space"):
            log.write_waiting()
        for number in range(9):
            assert not lines.write(decision(f"{number}"))
        os.dup2(kept, log._descriptor)
        assert lines.write(decision("room"))
        assert log.failure is None
        os.close(full)
        os.close(kept)
    assert lines_in(path) == ["waits", "room"]
    verify_audit(path)


KILLED = """
import os, sys
from pathlib import Path
from airswasm.security import AuditLog, Decision, DecisionLines

def die_after(steps, folder):
    def counted(call):
        def made(*arguments, **named):
            nonlocal steps
            steps -= 1
            if steps < 0:
                os._exit(9)
            return call(*arguments, **named)
        return made
    for name in ("write", "pwrite", "rename", "open", "close", "fsync"):
        setattr(os, name, counted(getattr(os, name)))
    log = AuditLog(folder / "audit.jsonl", durability="os", max_bytes=2_000, wait_seconds=1.0)
    log._is_busy = True
    lines = DecisionLines(log, reads=frozenset({"storage:read"}))
    effects = os.open(folder / "effects", os.O_CREAT | os.O_WRONLY)
    for number in range(1_000):
        for capability in ("storage:read", "storage:write"):
            name = f"{capability} {number}"
            if lines.write(Decision(True, "a/b", capability, name, "**")):
                if capability == "storage:write":
                    os.write(effects, name.encode() + b"\\n")

for steps in range(120):
    if os.fork() == 0:
        folder = Path(sys.argv[1], str(steps))
        folder.mkdir()
        die_after(steps, folder)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 9
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the child forks")
def test_no_kill_leaves_an_effect_without_its_line(tmp_path: Path) -> None:
    """The process ends before each call of the operating system, in a busy log."""
    run([sys.executable, "-c", KILLED, tmp_path], check=True, timeout=300)
    seen = 0
    for steps in range(120):
        folder = tmp_path / str(steps)
        verify_audit(folder / "audit.jsonl")
        written = lines_in(folder / "audit.jsonl")
        effects = folder / "effects"
        done = effects.read_text().splitlines() if effects.exists() else []
        for name in done:
            assert name in written
            assert name.replace("write", "read") in written
        seen += len(done)
    assert seen
