"""A component's log: safe to read, bounded, and followed live."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest
from airswasm.actor import ActorSystem, Envelope, Message
from airswasm.lifecycle import LogBook, LogEntry, LogLimits, LogQuery
from airswasm.lifecycle._home import log_sinks
from airswasm.runtime import Caller, Meters
from airswasm.security import AuditSinkUnusable
from airswasm.wit import Metric
from hypothesis import given
from hypothesis import strategies as st

NAME = "local/hello"


class Clock:
    """A clock that moves when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(tmp_path: Path, clock: Clock) -> Iterator[LogBook]:
    book = LogBook(tmp_path, clock=clock)
    yield book
    book.close()


def messages(book: LogBook, count: int = 100) -> list[str]:
    return [entry.message for entry in book.recent(NAME, count)]


def test_lines_come_back_from_disk(book: LogBook, tmp_path: Path) -> None:
    """After a restart of the host the file has them."""
    book.write(NAME, "info", "one")
    book.write(NAME, "error", "two", source="supervisor", fields={"reason": "trap"})
    book.close()
    again = LogBook(tmp_path)
    assert again.recent(NAME) == book.recent(NAME)
    assert messages(again) == ["one", "two"]
    assert messages(again, 1) == ["two"]


@pytest.mark.parametrize(
    "attack", ["\x1b]52;c;AAAA\x07", '\n{"level":"info"}', "\u202eevil", "\r", "\x9b31m", "\ud800"]
)
def test_known_attacks_stay_one_json_line(book: LogBook, tmp_path: Path, attack: str) -> None:
    """One call is one line of the file, whatever is in it."""
    book.write(NAME, "info", attack)
    lines = (tmp_path / f"{NAME}.jsonl").read_text().splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["message"].isprintable()


def test_a_long_line_is_cut_and_marked(tmp_path: Path) -> None:
    """100 MB in one line would be 100 MB on disk."""
    book = LogBook(tmp_path, LogLimits(message_chars=10))
    book.write(NAME, "info", "x" * 25)
    assert messages(book) == ["xxxxxxxxxx… [15 characters cut]"]
    book.close()


def test_a_flood_is_dropped_and_counted(book: LogBook, clock: Clock) -> None:
    """The next line that passes says how many did not; other components do not notice."""
    book.set_rate(NAME, 3)
    book.meters = Meters([Metric("log_lines_dropped_total", "Dropped.")])
    written = [book.write(NAME, "info", str(number)) for number in range(10)]
    assert written == [True] * 3 + [False] * 7
    assert book.write("local/other", "info", "fine")
    clock.now += 1
    book.write(NAME, "info", "later")
    assert list(book.meters.samples("log_lines_dropped_total")) == [(NAME, 7.0)]
    assert messages(book) == ["0", "1", "2", "7 lines dropped: the limit is 3 a second", "later"]


@pytest.mark.parametrize("end", ["note", "close"])
def test_a_count_of_dropped_lines_waits_for_no_other_line(book: LogBook, end: str) -> None:
    """A component that is silent after a flood has its count in the log all the same."""
    book.set_rate(NAME, 2)
    for number in range(5):
        book.write(NAME, "info", str(number))
    for _ in range(2):
        (book.note_dropped if end == "note" else book.close)()
    assert messages(book) == ["0", "1", "3 lines dropped: the limit is 2 a second"]


def test_the_supervisor_is_never_dropped(book: LogBook) -> None:
    """A component cannot silence what is said about it."""
    book.set_rate(NAME, 1)
    for _ in range(5):
        book.write(NAME, "info", "noise")
    assert book.write(NAME, "error", "crashed", source="supervisor")
    assert messages(book)[-1] == "crashed"


def test_files_rotate_and_stay_bounded(tmp_path: Path) -> None:
    """However much is written, no more than `files` files of `file_bytes` stay."""
    limits = LogLimits(file_bytes=1000, files=3, lines_per_second=10_000)
    book = LogBook(tmp_path, limits)
    for number in range(200):
        book.write(NAME, "info", f"line {number}")
    files = list((tmp_path / "local").iterdir())
    assert len(files) <= 3
    assert all(path.stat().st_size < 1200 for path in files)
    assert messages(book, 10) == [f"line {number}" for number in range(190, 200)]
    book.close()


def test_the_last_lines_are_found_from_the_end(tmp_path: Path) -> None:
    """A file longer than what is read at once, lines of any length, and a file that was rotated."""
    limits = LogLimits(file_bytes=300_000, lines_per_second=10_000, message_chars=50_000)
    book = LogBook(tmp_path, limits)
    for number in range(500):
        book.write(NAME, "info", f"{number} " + "x" * (number * 97 % 5000))
    for count in (1, 7, 40, 100):
        texts = [text.split()[0] for text in messages(book, count)]
        assert texts == [str(number) for number in range(500 - count, 500)]
    assert messages(book, 0) == []
    book.close()


def test_few_files_are_open_for_many_components(tmp_path: Path) -> None:
    """Ten thousand components must not need ten thousand descriptors."""
    book = LogBook(tmp_path, LogLimits(open_files=4))
    for number in range(50):
        book.write(f"local/n{number}", "info", "x")
    for number in range(50):
        book.write(f"local/n{number}", "info", "y")
    assert len(book._files._open) <= 4
    assert all(len(book.recent(f"local/n{number}")) == 2 for number in range(50))
    book.close()


def test_stdio_of_a_guest_is_logged(book: LogBook) -> None:
    """It is a log sink of the engine."""
    book.line(Caller(NAME), "stdout", "printed\n")
    book.line(Caller(NAME), "stderr", "complained")
    assert [(entry.source, entry.level, entry.message) for entry in book.recent(NAME)] == [
        ("stdout", "info", "printed"),
        ("stderr", "warn", "complained"),
    ]


def test_the_interface_logs_in_the_callers_name(book: LogBook) -> None:
    """`airswasm:component/logging` writes where the caller belongs."""
    log = book.interface().functions["log"]
    log(Caller(NAME), "debug", "hello")
    assert book.recent(NAME)[0].level == "debug"


@pytest.mark.anyio
async def test_a_follower_gets_earlier_lines_and_then_new_ones(book: LogBook) -> None:
    """In order, and only of the component it follows."""
    book.write(NAME, "info", "before")
    seen: list[str] = []

    async def follow() -> None:
        async for entry in book.follow(NAME, recent=10):
            seen.append(entry.message)

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        book.write("local/other", "info", "not mine")
        book.write(NAME, "info", "after")
        await anyio.wait_all_tasks_blocked()
        book.close()
    assert seen == ["before", "after"]


@pytest.mark.anyio
async def test_a_slow_follower_is_told_what_it_missed(tmp_path: Path) -> None:
    """Following never slows the host down and never grows without bound."""
    book = LogBook(tmp_path, LogLimits(follower_lines=2))
    follower = book.follow()
    seen: list[LogEntry] = []

    async def read() -> None:
        async for entry in follower:
            seen.append(entry)

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        for number in range(10):
            book.write(NAME, "info", str(number))
        await anyio.wait_all_tasks_blocked()
        book.write(NAME, "info", "last")
        await anyio.wait_all_tasks_blocked()
        book.close()
    texts = [entry.message for entry in seen]
    assert texts[-1] == "last"
    assert "lines are missing here" in texts[-2]


@pytest.mark.anyio
@pytest.mark.parametrize("length", [10, 8_000])
async def test_a_slow_follower_takes_so_many_bytes(tmp_path: Path, length: int) -> None:
    """A thousand lines of emoji would be 32 MB for each follower, at a component's will."""
    limits = LogLimits(follower_bytes=100_000, lines_per_second=10_000)
    book = LogBook(tmp_path, limits)
    follower = book.follow()
    seen: list[LogEntry] = []

    async def read() -> None:
        async for entry in follower:
            seen.append(entry)

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            for _ in range(1_000):
                book.write(NAME, "info", "\U0001f600" * length)
            (waiting,) = book._followers
            assert waiting.waiting_bytes <= 100_000
            await anyio.wait_all_tasks_blocked()
            assert waiting.waiting_bytes == 0
        book.close()
    lines = [entry for entry in seen if entry.source == "component"]
    assert 3 * 1 <= len(lines) <= 3 * 100_000 // (256 + 4 * length)
    assert "lines are missing here" in "".join(entry.message for entry in seen)


def test_a_torn_line_is_skipped(book: LogBook, tmp_path: Path) -> None:
    """A power cut leaves half a line; the rest is still readable."""
    book.write(NAME, "info", "whole")
    with (tmp_path / f"{NAME}.jsonl").open("a") as file:
        file.write('{"time": 1, "comp')
    assert [entry.message for entry in LogBook(tmp_path).recent(NAME)] == ["whole"]


def test_forgetting_with_purge_removes_the_files(book: LogBook, tmp_path: Path) -> None:
    """And without it they stay."""
    book.write(NAME, "info", "x")
    book.forget(NAME)
    assert messages(book) == ["x"]
    book.forget(NAME, purge=True)
    assert not list(tmp_path.rglob("*.jsonl"))


def test_lines_that_the_disk_refuses_are_counted(tmp_path: Path) -> None:
    """A log must not stop a host; that lines are missing must not go unnoticed either."""
    (tmp_path / "logs").write_text("a file where the folder should be")
    book = LogBook(tmp_path / "logs")
    assert book.write(NAME, "info", "one")
    assert book.write(NAME, "info", "two")
    assert book.lost_lines == 2


# -- which lines -----------------------------------------------------------------------------------

LEVELS = ("trace", "debug", "info", "warn", "error")
entries = st.builds(
    LogEntry,
    time=st.integers(0, 20).map(float),
    component=st.just(NAME),
    level=st.sampled_from(LEVELS),
    source=st.just("component"),
    message=st.text("abC", max_size=4),
    fields=st.sampled_from([{}, {"trace_id": "aa11"}, {"trace_id": "bb22"}]),
)
queries = st.builds(
    LogQuery,
    since=st.none() | st.integers(0, 20).map(float),
    until=st.none() | st.integers(0, 20).map(float),
    level=st.sampled_from(("", *LEVELS)),
    text=st.text("abc", max_size=2),
    trace=st.sampled_from(["", "aa", "bb22", "c"]),
)


@given(st.lists(entries, max_size=60), queries, st.integers(1, 20))
def test_a_query_finds_the_last_lines_that_it_is_about(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[LogEntry],
    query: LogQuery,
    count: int,
) -> None:
    """Over all files of the component, in the order of writing."""
    clock = Clock()
    limits = LogLimits(file_bytes=700, files=100)
    book = LogBook(tmp_path_factory.mktemp("logs"), limits, clock=clock)
    written = sorted(written, key=lambda each: each.time)
    for each in written:
        clock.now = each.time
        book.write(NAME, each.level, each.message, source="supervisor", fields=each.fields)

    expected = [
        each
        for each in written
        if (query.since is None or each.time >= query.since)
        and (query.until is None or each.time < query.until)
        and LEVELS.index(each.level) >= LEVELS.index(query.level or "trace")
        and query.text in each.message.lower()
        and str(each.fields.get("trace_id", "")).startswith(query.trace)
    ][-count:]
    found = book.recent(NAME, count, query)
    book.close()

    assert [(each.time, each.level, each.message) for each in found] == [
        (each.time, each.level, each.message) for each in expected
    ]


@pytest.mark.anyio
async def test_a_follower_gets_the_lines_of_its_query(book: LogBook) -> None:
    book.write(NAME, "error", "before")
    book.write(NAME, "info", "before, and of no weight")
    seen: list[str] = []
    async with aclosing(book.follow(NAME, recent=10, query=LogQuery(level="warn"))) as lines:
        async for entry in lines:
            seen.append(entry.message)
            if len(seen) == 2:
                break
            book.write(NAME, "debug", "no")
            book.write(NAME, "error", "after")
    assert seen == ["before", "after"]


# -- what a killed host leaves, and how long files are kept ----------------------------------------


@pytest.mark.parametrize("torn", [b'{"time":1.0,"comp', b"\xff\xfe", b"{}", b'{"time":1'])
def test_a_torn_line_takes_no_other_with_it(tmp_path: Path, torn: bytes) -> None:
    """A kill leaves half a line; what is written after it begins one of its own."""
    book = LogBook(tmp_path)
    book.write(NAME, "info", "before")
    book.close()
    with (tmp_path / f"{NAME}.jsonl").open("ab") as file:
        file.write(torn)

    again = LogBook(tmp_path)
    again.write(NAME, "info", "after")
    assert messages(again) == ["before", "after"]
    again.close()


def test_a_file_begins_anew_after_its_age(tmp_path: Path, clock: Clock) -> None:
    """Also one of an earlier start of the host: its first line says when it began."""
    limits = LogLimits(file_age=100.0)
    for text in ("first", "second"):
        book = LogBook(tmp_path, limits, clock=clock)
        book.write(NAME, "info", text)
        book.close()
        clock.now += 60
    book = LogBook(tmp_path, limits, clock=clock)
    book.write(NAME, "info", "third")
    assert messages(book) == ["first", "second", "third"]
    assert len((tmp_path / f"{NAME}.jsonl").read_text().splitlines()) == 1
    book.close()


@pytest.mark.anyio
async def test_old_files_are_removed(tmp_path: Path, clock: Clock) -> None:
    """By the time of their last lines; a component that goes on writing keeps its file."""
    clock.now = 1_000_000.0
    book = LogBook(tmp_path, LogLimits(age=500.0), clock=clock)
    for name in ("local/quiet", "local/busy"):
        book.write(name, "info", "x")
        os.utime(tmp_path / f"{name}.jsonl", (clock.now, clock.now))
    clock.now += 600
    os.utime(tmp_path / "local/busy.jsonl", (clock.now, clock.now))
    await book.tidy()
    assert [path.name for path in (tmp_path / "local").iterdir()] == ["busy.jsonl"]
    book.write("local/quiet", "info", "again")
    assert [each.message for each in book.recent("local/quiet")] == ["again"]
    book.close()


# -- traces ----------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_line_has_the_ids_of_its_trace(book: LogBook) -> None:
    """Of the message in hand, as the span that is made of it has them."""
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    async with ActorSystem() as system:
        book.tracing = system.tracing
        caller = Caller(NAME)
        book.interface().functions["log"](caller, "info", "outside")
        caller.message = Message(b"", envelope=Envelope("m", traceparent=f"00-{trace}-{parent}-01"))
        context = system.tracing.context_of(caller.message, NAME)  # type: ignore[arg-type]
        book.interface().functions["log"](caller, "info", "inside")
        book.line(caller, "stdout", "printed")

    outside, inside, printed = book.recent(NAME)
    assert outside.fields == {}
    assert context is not None
    for entry in (inside, printed):
        assert entry.fields == {"trace_id": trace, "span_id": context.span_id}
    assert book.recent(NAME, 10, LogQuery(trace=trace[:8])) == (inside, printed)


# -- other programs --------------------------------------------------------------------------------


def received(server: socket.socket, count: int) -> list[bytes]:
    server.settimeout(30)
    return [server.recv(65_536) for _ in range(count)]


def test_syslog_gets_each_line_with_its_level(tmp_path: Path) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    limits = LogLimits(sinks=(f"syslog:127.0.0.1:{server.getsockname()[1]}",))
    book = LogBook(tmp_path, limits)
    book.ship()
    book.write(NAME, "error", "broken\n<0>forged")
    book.write(NAME, "info", "fine")
    first, second = received(server, 2)
    book.close()
    server.close()

    daemon = 3 << 3
    assert first.startswith(f"<{daemon | 3}>airswasm[".encode())
    assert second.startswith(f"<{daemon | 6}>airswasm[".encode())
    assert b"\n" not in first.rstrip(b"\n\0")
    assert json.loads(first[first.index(b"{") :].rstrip(b"\0"))["component"] == NAME


def test_the_journal_gets_each_line_as_fields(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line of a component is one entry, and no other field of it."""
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind("journal")
    book = LogBook(tmp_path_factory.mktemp("logs"), LogLimits(sinks=("journald:journal",)))
    book.ship()
    fields = {"trace_id": "aa", "span_id": "bb"}
    book.write(NAME, "warn", "odd\nPRIORITY=0\x00", fields=fields)
    (entry,) = received(server, 1)
    book.close()
    server.close()

    assert entry.decode().splitlines() == [
        f"MESSAGE={NAME}: odd\\nPRIORITY=0\\x00",
        "PRIORITY=4",
        "SYSLOG_IDENTIFIER=airswasm",
        f"AIRSWASM_COMPONENT={NAME}",
        "AIRSWASM_SOURCE=component",
        "AIRSWASM_TRACE_ID=aa",
        "AIRSWASM_SPAN_ID=bb",
    ]


def test_a_file_elsewhere_gets_the_same_lines(tmp_path: Path) -> None:
    book = LogBook(tmp_path, LogLimits(sinks=(f"file:{tmp_path}/copy",)))
    book.ship()
    book.write(NAME, "info", "hello")
    book.close()
    assert (tmp_path / "copy").read_bytes() == (tmp_path / f"{NAME}.jsonl").read_bytes()


def test_standard_output_gets_lines_of_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = LogBook(tmp_path, LogLimits(sinks=("stdout",)))
    book.ship()
    book.write(NAME, "info", "hello")
    book.close()
    assert json.loads(capsys.readouterr().out)["message"] == "hello"


@pytest.mark.parametrize("sink", ["journald:/nowhere", "nonsense", "file:"])
def test_a_sink_that_cannot_be_opened_is_refused(tmp_path: Path, sink: str) -> None:
    """At the start, and when settings are taken over; the present ones stay then."""
    book = LogBook(tmp_path)
    with pytest.raises(AuditSinkUnusable):
        book.prepare(LogLimits(sinks=(sink,)))
    with pytest.raises(AuditSinkUnusable):
        log_sinks.open_sinks(LogLimits(sinks=(sink,)))
    book.write(NAME, "info", "goes on")
    assert messages(book) == ["goes on"]
    book.close()


def test_a_sink_that_hangs_loses_lines_and_says_so(tmp_path: Path) -> None:
    """The component does not wait, and the queue has a bound."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    limits = LogLimits(sinks=(f"file:{pipe}",), sink_lines=10, lines_per_second=100_000)
    book = LogBook(tmp_path, limits)
    book.ship()
    for _ in range(2000):
        book.write(NAME, "info", "x" * 500)
    (finding,) = book.findings()
    assert "lines were lost" in finding.text
    assert f"log sink file:{pipe}" in finding.text
    os.close(reader)
    book.close()


def test_other_sinks_take_over(tmp_path: Path) -> None:
    book = LogBook(tmp_path, LogLimits(sinks=(f"file:{tmp_path}/one",)))
    book.ship()
    book.write(NAME, "info", "1")
    book.prepare(LogLimits(sinks=(f"file:{tmp_path}/two",)))()
    book.write(NAME, "info", "2")
    book.close()
    assert json.loads((tmp_path / "one").read_text())["message"] == "1"
    assert json.loads((tmp_path / "two").read_text())["message"] == "2"


@pytest.mark.parametrize(
    "wrong", [{"age": -1.0}, {"file_age": float("nan")}, {"sink_lines": 0}, {"files": 0}]
)
def test_limits_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LogLimits(**wrong)  # type: ignore[arg-type]


def test_a_level_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="loud"):
        LogQuery(level="loud")
