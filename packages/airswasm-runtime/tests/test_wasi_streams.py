"""The functions of wasi:io/streams over any stream: what comes through, in what order, how much."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable

import anyio
import anyio.lowlevel
import pytest
from airswasm.runtime import Caller, Case, Err, Ok, Trapped
from airswasm.runtime._host import Pending
from airswasm.runtime.wasi._io import (
    READ_AT_MOST_BYTES,
    WRITE_PERMIT_BYTES,
    BytesInput,
    InputStream,
    IoError,
    OutputStream,
    Pollable,
    Signal,
    StreamClosed,
    StreamFailed,
    interfaces,
)

pytestmark = pytest.mark.anyio
FUNCTIONS = next(each for each in interfaces("0.2.12") if "/streams@" in each.name).functions
CLOSED = Err(Case("closed"))
CALLER = Caller("test/streams")


class Source:
    """An input stream to which a test adds chunks; it may answer by an awaitable, as files do."""

    def __init__(self, *chunks: bytes | Exception, is_late: bool = False) -> None:
        self.chunks = list(chunks)
        self.is_late = is_late
        self.asked: list[int] = []
        self.signal = Signal(is_set=bool(chunks))

    def add(self, chunk: bytes | Exception) -> None:
        self.chunks.append(chunk)
        self.signal.set()

    def read(self, max_bytes: int) -> bytes | Awaitable[bytes]:
        self.asked.append(max_bytes)
        if self.is_late:
            return self._later(max_bytes)
        return self._next(max_bytes)

    async def _later(self, max_bytes: int) -> bytes:
        await anyio.lowlevel.checkpoint()
        return self._next(max_bytes)

    def _next(self, max_bytes: int) -> bytes:
        if not self.chunks:
            self.signal.clear()
            return b""
        chunk = self.chunks.pop(0)
        if isinstance(chunk, Exception):
            raise chunk
        if chunk[max_bytes:]:
            self.chunks.insert(0, chunk[max_bytes:])
        return chunk[:max_bytes]

    def pollable(self) -> Pollable:
        return self.signal


class Sink:
    """An output stream that takes `room` bytes until it is emptied."""

    def __init__(self, room: int = WRITE_PERMIT_BYTES, *, waits: bool = False) -> None:
        self.room = room
        self.waits = waits
        self.taken = b""
        self.log: list[str] = []
        self.failure: Exception | None = None
        self.signal = Signal(is_set=bool(room))

    def make_room(self, room: int) -> None:
        self.room = room
        self.signal.set()

    def permit_bytes(self) -> int:
        if self.failure is not None:
            raise self.failure
        return self.room

    def write(self, data: bytes) -> Awaitable[None] | None:
        assert len(data) <= self.room
        self.log.append(f"write {len(data)}")
        self.taken += data
        self.room -= len(data)
        if self.waits and not self.room:
            self.signal.clear()
        return self._done() if self.waits else None

    def flush(self) -> Awaitable[None] | None:
        self.log.append("flush")
        return self._done() if self.waits else None

    async def _done(self) -> None:
        await anyio.lowlevel.checkpoint()

    def pollable(self) -> Pollable:
        return self.signal


def call(name: str, *arguments: object) -> object:
    kind = "input-stream" if f"[method]input-stream.{name}" in FUNCTIONS else "output-stream"
    return FUNCTIONS[f"[method]{kind}.{name}"](CALLER, *arguments)


async def settled(answer: object) -> object:
    """What a guest gets in the end, as an answer, an awaitable or a `Pending`."""
    if isinstance(answer, Pending):
        assert answer.is_done, "it still waits"
        return answer._value
    return await answer if inspect.isawaitable(answer) else answer


def failed(text: str) -> StreamFailed:
    return StreamFailed(IoError(text))


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("name", ["read", "blocking-read", "skip", "blocking-skip"])
async def test_reading_gives_what_is_there_and_then_how_it_ended(name: str, is_late: bool) -> None:
    """Bytes for a read and their number for a skip; the end and a failure are values."""
    broken = failed("torn")
    source: InputStream = Source(b"abc", broken, StreamClosed(), is_late=is_late)
    answers = [await settled(call(name, source, 2)) for _ in range(4)]
    got: list[object] = [b"ab", b"c"] if name.endswith("read") else [2, 1]
    error = Err(Case("last-operation-failed", broken.error))
    assert answers == [*map(Ok, got), error, CLOSED]


@pytest.mark.parametrize("name", ["read", "blocking-read", "skip", "blocking-skip"])
async def test_a_guest_that_asks_for_all_gets_a_bounded_part(name: str) -> None:
    """It may ask for 2**64 bytes."""
    source = Source(b"x")
    await settled(call(name, source, 2**64 - 1))
    assert source.asked == [READ_AT_MOST_BYTES]


@pytest.mark.parametrize(("name", "answer"), [("blocking-read", b"now"), ("blocking-skip", 3)])
async def test_a_blocking_read_waits_until_there_is_something(name: str, answer: object) -> None:
    """It is not answered before, and not with nothing."""
    source = Source()
    pending = call(name, source, 10)
    assert isinstance(pending, Pending)
    assert not pending.is_done
    assert source.asked == []
    source.add(b"now")
    assert await settled(pending) == Ok(answer)
    assert source.read(1) == b""
    ended = call(name, source, 10)
    assert isinstance(ended, Pending)
    source.add(StreamClosed())
    assert await settled(ended) == CLOSED


async def test_writing_takes_what_was_permitted_and_no_more() -> None:
    """More than `check-write` said ends the guest: WASI says so."""
    sink: OutputStream = Sink(5)
    assert await settled(call("check-write", sink)) == Ok(5)
    assert await settled(call("write", sink, b"abc")) == Ok(None)
    assert await settled(call("check-write", sink)) == Ok(2)
    with pytest.raises(Trapped, match="3 bytes were written where check-write permits 2"):
        call("write", sink, b"def")
    assert await settled(call("write-zeroes", sink, 2)) == Ok(None)
    assert isinstance(sink, Sink)
    assert sink.taken == b"abc\0\0"


@pytest.mark.parametrize("name", ["blocking-write-and-flush", "blocking-write-zeroes-and-flush"])
@pytest.mark.parametrize("waits", [False, True])
async def test_a_blocking_write_passes_all_on(name: str, waits: bool) -> None:
    """In as many parts as there is room for, and then flushed where that means something."""
    sink = Sink(WRITE_PERMIT_BYTES, waits=waits)
    data: object = b"\0" * 10 if name == "blocking-write-and-flush" else 10
    if not waits:
        assert await settled(call(name, sink, data)) == Ok(None)
        assert sink.log == ["write 10"]
        return
    sink.room, answers = 4, []

    async def write() -> None:
        answers.append(await settled(call(name, sink, data)))

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        assert (sink.log, answers) == (["write 4"], [])
        sink.make_room(6)
        await anyio.wait_all_tasks_blocked()
        assert sink.log == ["write 4", "write 6", "flush"]
        assert answers == []  # the flush is over when there is room again
        sink.make_room(1)
    assert answers == [Ok(None)]
    assert sink.taken == bytes(10)


async def test_a_failure_while_flushing_is_that_of_the_write() -> None:
    """It comes to light when the stream is ready again."""
    sink = Sink(3, waits=True)
    answers: list[object] = []

    async def write() -> None:
        answers.append(await settled(call("blocking-write-and-flush", sink, b"abc")))

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        sink.failure = broken = failed("reset")
        sink.make_room(1)
    assert answers == [Err(Case("last-operation-failed", broken.error))]


@pytest.mark.parametrize("waits", [False, True])
async def test_flushing_writes_nothing(waits: bool) -> None:
    """The blocking form waits for it, the other one only begins it."""
    sink = Sink(waits=waits)
    assert await settled(call("flush", sink)) == Ok(None)
    assert await settled(call("blocking-flush", sink)) == Ok(None)
    assert sink.log == (["flush", "flush"] if waits else ["flush", "write 0"])
    assert sink.taken == b""


@pytest.mark.parametrize(
    "name", ["write-zeroes", "blocking-write-zeroes-and-flush", "blocking-write-and-flush"]
)
async def test_what_no_stream_ever_permits_is_refused_before_it_is_made(name: str) -> None:
    """A guest asks for 2**63 zeroes, or has written too much at once."""
    data: object = 2**63 if "zeroes" in name else bytes(WRITE_PERMIT_BYTES + 1)
    sink = Sink()
    with pytest.raises(Trapped, match="more than"):
        call(name, sink, data)
    assert sink.log == []


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize(
    ("room", "asked", "moved"), [(10, 3, 3), (2, 10, 2), (10, 10, 6), (0, 10, 0), (10, 0, 0)]
)
async def test_splicing_moves_what_both_sides_allow(
    room: int, asked: int, moved: int, is_late: bool
) -> None:
    """No more than there is, than is asked for, and than there is room for; nothing is lost."""
    source, sink = Source(b"abcdef", is_late=is_late), Sink(room)
    assert await settled(call("splice", sink, source, asked)) == Ok(moved)
    assert sink.taken == b"abcdef"[:moved]
    assert b"".join(part for part in source.chunks if isinstance(part, bytes)) == b"abcdef"[moved:]


async def test_a_blocking_splice_waits_for_both_sides() -> None:
    """For room, and then for something to move."""
    source, sink = Source(), Sink(0)
    answers: list[object] = []

    async def splice() -> None:
        answers.append(await settled(call("blocking-splice", sink, source, 100)))

    async with anyio.create_task_group() as group:
        group.start_soon(splice)
        await anyio.wait_all_tasks_blocked()
        sink.make_room(2)
        await anyio.wait_all_tasks_blocked()
        assert answers == []
        source.add(b"abc")
    assert answers == [Ok(2)]
    assert sink.taken == b"ab"


async def test_a_splice_tells_how_either_side_ended() -> None:
    """The end of the source, and a failure of the target."""
    assert await settled(call("splice", Sink(), BytesInput(), 1)) == CLOSED
    sink = Sink()
    sink.failure = broken = failed("full")
    assert await settled(call("splice", sink, Source(b"x"), 1)) == Err(
        Case("last-operation-failed", broken.error)
    )


async def test_a_stream_is_waited_for_by_its_own_pollable() -> None:
    """`subscribe` hands it out."""
    source, sink = Source(), Sink()
    subscribe = FUNCTIONS["[method]output-stream.subscribe"]
    assert call("subscribe", source) is source.signal
    assert subscribe(CALLER, sink) is sink.signal
