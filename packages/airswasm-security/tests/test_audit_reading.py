"""Queries of a log, and readers that follow it."""

from contextlib import aclosing
from pathlib import Path

import anyio
import pytest
from airswasm.security import (
    AuditEvent,
    AuditHead,
    AuditLog,
    AuditQuery,
    AuditRecord,
    audit_head,
    follow_audit,
    query_audit,
)
from hypothesis import given, settings
from hypothesis import strategies as st

KINDS, NAMES, OUTCOMES = ("decision", "install"), ("a/b", 'c/"d'), ("allow", "deny")
CAPABILITIES = ("storage:read", "")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


events = st.builds(
    AuditEvent,
    st.sampled_from(KINDS),
    st.sampled_from(NAMES),
    st.sampled_from(OUTCOMES),
    st.sampled_from(CAPABILITIES),
    st.sampled_from(["k1", "k2", '"kind":"install"']),
)
queries = st.builds(
    AuditQuery,
    st.sampled_from(["", *KINDS]),
    st.sampled_from(["", *NAMES]),
    st.sampled_from(["", "storage.read", "storage:read"]),
    st.sampled_from(["", *OUTCOMES]),
    st.sampled_from(["", "k1", "nothing"]),
    st.none() | st.integers(0, 40).map(float),
    st.none() | st.integers(0, 40).map(float),
)


@given(st.lists(events, max_size=30), queries, st.none() | st.integers(1, 10))
@settings(max_examples=80, deadline=None)
def test_a_query_finds_what_reading_everything_finds(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[AuditEvent],
    query: AuditQuery,
    last: int | None,
) -> None:
    """No file is passed over and no line is overlooked, over changes of files too."""
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    with AuditLog(path, durability="os", max_bytes=700, clock=Clock()) as log:
        for event in written:
            log.record(event)
    everything = [each for each in query_audit(path) if query.matches(each)]
    assert list(query_audit(path, query, last=last)) == everything[-(last or 10**6) :]


def test_the_newest_line_can_be_read_without_a_writer(tmp_path: Path) -> None:
    """The head of a log on the disk is that of its writer; a torn line is none."""
    path = tmp_path / "audit.jsonl"
    assert audit_head(path) == AuditHead()
    with AuditLog(path) as log:
        log.record(AuditEvent("x"))
        head = log.head
    assert audit_head(path) == head
    with path.open("ab") as file:
        file.write(b'{"n":2')
    assert audit_head(path) == head
    assert AuditHead.parse(f"{head}\n") == head


@pytest.mark.parametrize(
    "text", ["", "1", "1:abc", "x:" + "0" * 64, "1:" + "G" * 64, "-1:" + "0" * 64]
)
def test_what_is_no_head_is_refused(text: str) -> None:
    """A slip must not pass for a head that the log has."""
    with pytest.raises(ValueError, match="NUMBER:SHA256"):
        AuditHead.parse(text)


@pytest.mark.anyio
async def test_a_follower_loses_no_line_over_changes_of_files(tmp_path: Path) -> None:
    """It sees each line once, in order, while hosts start, stop and change files."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path) as log:
        log.record(AuditEvent("x", resource="before"))

    async def write() -> None:
        for start in range(0, 60, 20):
            with AuditLog(path, durability="os", max_bytes=600) as log:
                for number in range(start, start + 20):
                    log.record(AuditEvent("x", resource=str(number)))
                    await anyio.lowlevel.checkpoint()

    seen: list[AuditRecord] = []
    async with anyio.create_task_group() as group, aclosing(follow_audit(path, last=1)) as records:
        with anyio.fail_after(60):
            async for record in records:
                if not seen:
                    group.start_soon(write)
                seen.append(record)
                if record.resource == "59":
                    break
    assert [each.n for each in seen] == list(range(1, seen[-1].n + 1))
    found = [each.resource for each in seen if each.kind == "x"]
    assert found == ["before", *(str(number) for number in range(60))]


@pytest.mark.anyio
async def test_a_follower_waits_for_a_log_that_does_not_exist_yet(tmp_path: Path) -> None:
    """A home without a host has none; its first line comes as any other."""
    path = tmp_path / "audit" / "audit.jsonl"
    numbers: list[int] = []
    async with anyio.create_task_group() as group:

        async def follow() -> None:
            async with aclosing(follow_audit(path)) as records:
                async for record in records:
                    numbers.append(record.n)
                    group.cancel_scope.cancel()

        group.start_soon(follow)
        with anyio.fail_after(60):
            with AuditLog(path) as log:
                while True:
                    log.record(AuditEvent("x"))
                    await anyio.sleep(0.01)
    assert numbers


@pytest.mark.anyio
async def test_a_follower_that_is_behind_goes_on_after_files_that_went(tmp_path: Path) -> None:
    """What was removed is missing from its numbers; it neither stops nor repeats."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, durability="os", max_bytes=600, keep_files=1) as log:
        log.record(AuditEvent("x", resource="first"))
        async with aclosing(follow_audit(path, last=1)) as records:
            with anyio.fail_after(60):
                assert (await anext(records)).resource == "first"
                for number in range(50):
                    log.record(AuditEvent("x", resource=str(number)))
                numbers: list[int] = []
                async for record in records:
                    numbers.append(record.n)
                    if record.n == log.head.line:
                        break
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 2


@pytest.mark.anyio
async def test_a_follower_filters(tmp_path: Path) -> None:
    """Earlier lines and new ones, by the same query."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, durability="os") as log:
        for number in range(6):
            log.record(AuditEvent("x" if number % 2 else "y", resource=str(number)))
        async with aclosing(follow_audit(path, AuditQuery(kind="x"), last=2)) as records:
            with anyio.fail_after(60):
                assert [(await anext(records)).resource for _ in range(2)] == ["3", "5"]
                log.record(AuditEvent("y"))
                log.record(AuditEvent("x", resource="new"))
                assert (await anext(records)).resource == "new"
