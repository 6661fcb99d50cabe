"""A component's log: safe to read, bounded, and followed live."""

import json
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from airswasm.lifecycle import LogBook, LogEntry, LogLimits
from airswasm.runtime import Caller

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
    written = [book.write(NAME, "info", str(number)) for number in range(10)]
    assert written == [True] * 3 + [False] * 7
    assert book.write("local/other", "info", "fine")
    clock.now += 1
    book.write(NAME, "info", "later")
    assert messages(book) == ["0", "1", "2", "7 lines dropped: the limit is 3 a second", "later"]


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
