"""wasi:io: streams and what a guest waits for.

Everything a guest can wait for is a `Pollable` with two methods: is it ready,
and tell me when it is. `poll` and `[method]pollable.block` are the only places
where a guest waits, and they wait by a `Pending` that the pollable completes:
no task, no thread, and a guest that is cancelled meanwhile unhooks itself.
A task for each waiting guest was rejected: ten thousand sleepers would be ten
thousand tasks.

Streams are Python objects with non-blocking `read` or `write`; the blocking
forms of WASI are made of them and their pollable here, once. A stream whose
work needs a thread (files) may answer with an awaitable instead; its pollable
is then always ready.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import anyio

from .._host import Caller, HostFunction, HostInterface, HostResource, Pending
from .._timers import Timers
from .._values import Case, Err, Ok
from ..errors import Trapped

WRITE_PERMIT_BYTES = 64 * 1024
"""The number that `check-write` offers where nothing narrower applies."""

BLOCKING_WRITE_BYTES = 4096
"""WASI's own bound for one `blocking-write-and-flush`."""

READ_AT_MOST_BYTES = 1024 * 1024
"""A guest may ask for 2**64 bytes; it gets at most this many at a time."""

POLLABLES_AT_MOST = 512
"""Pollables in one `poll`: each is lifted, watched, and looked at whenever one of them wakes.

So many take the host a millisecond. A component has 256 files and sockets at most by default."""

WATCH_BYTES = 512
"""Of a pollable that is watched: a timer, or an entry at what it waits for, and a closure."""

LONGEST_WAIT_S = 365 * 24 * 3600.0
"""Event loops fail on longer ones; no instance lives to tell the difference."""

Unwatch = Callable[[], None]


class Pollable(Protocol):
    """Something a guest can wait for."""

    def is_ready(self) -> bool:
        """Return whether waiting would end at once."""
        ...

    def watch(self, wake: Callable[[], None]) -> Unwatch:
        """Call `wake` on the loop's thread once this may be ready.

        Returns:
            A function that ends the watch; calling it twice is harmless.
        """
        ...


class Always:
    """Ready, always."""

    __slots__ = ()

    def is_ready(self) -> bool:
        """Return True."""
        return True

    def watch(self, wake: Callable[[], None]) -> Unwatch:
        """Wake at once."""
        wake()
        return _nothing


class Signal:
    """Ready once the host says so, and until it takes that back."""

    __slots__ = ("_is_set", "_watchers")

    def __init__(self, *, is_set: bool = False) -> None:
        self._is_set = is_set
        self._watchers: dict[object, Callable[[], None]] = {}

    def is_ready(self) -> bool:
        """Return whether `set` was called since the last `clear`."""
        return self._is_set

    def set(self) -> None:
        """Make it ready and wake its watchers. Only for the loop's thread."""
        self._is_set = True
        for wake in list(self._watchers.values()):
            wake()

    def clear(self) -> None:
        """Make it unready again."""
        self._is_set = False

    def watch(self, wake: Callable[[], None]) -> Unwatch:
        """Call `wake` at each `set` until the watch ends."""
        key = object()
        self._watchers[key] = wake
        return lambda: _discard(self._watchers, key)


class Deadline:
    """Ready from a moment of the guest's monotonic clock on.

    The timer exists only while it is watched, so that a guest which makes
    pollables and never waits costs the host nothing. Once the timer has fired
    the deadline counts as passed whatever the clock says: the two may disagree
    by a rounding, and a guest must not spin on that.
    """

    __slots__ = ("_at_ns", "_clock", "_has_passed", "_timers")

    def __init__(self, at_ns: int, clock: Callable[[], int], timers: Timers) -> None:
        self._at_ns = at_ns
        self._clock = clock
        self._timers = timers
        self._has_passed = False

    def is_ready(self) -> bool:
        """Return whether the moment has come."""
        return self._has_passed or self._clock() >= self._at_ns

    def watch(self, wake: Callable[[], None]) -> Unwatch:
        """Set a timer for the moment."""

        def fire() -> None:
            self._has_passed = True
            wake()

        remaining_s = max(0, self._at_ns - self._clock()) / 1e9
        return self._timers.after(min(remaining_s, LONGEST_WAIT_S), fire).cancel


@dataclass(slots=True)
class IoError:
    """The `error` resource: what went wrong with a stream.

    Attributes:
        text: for people.
        filesystem_code: the case of wasi:filesystem's `error-code`, if a file was behind it.
        http_code: the `Case` of wasi:http's `error-code`, if a request was behind it.
        network_code: the case of wasi:sockets' `error-code`, if a socket was behind it.
    """

    text: str
    filesystem_code: str | None = None
    http_code: object = None
    network_code: str | None = None


class StreamClosed(Exception):
    """Nothing more will come, or be taken."""


class StreamFailed(Exception):
    """The last operation of a stream failed.

    Attributes:
        error: what the guest is told.
    """

    def __init__(self, error: IoError) -> None:
        super().__init__(error.text)
        self.error = error


@runtime_checkable
class InputStream(Protocol):
    """A stream that a guest reads from."""

    def read(self, max_bytes: int) -> bytes | Awaitable[bytes]:
        """Return what is there now, at most `max_bytes`; empty if nothing is there yet.

        Raises:
            StreamClosed: at the end.
            StreamFailed: the source failed.
        """
        ...

    def pollable(self) -> Pollable:
        """Return one that is ready when `read` would answer something, or has ended."""
        ...


@runtime_checkable
class OutputStream(Protocol):
    """A stream that a guest writes to."""

    @property
    def waits(self) -> bool:
        """Whether writing or flushing may have to wait; if not, `flush` has nothing to do."""
        ...

    def permit_bytes(self) -> int:
        """Return how much `write` takes now.

        Raises:
            StreamClosed: it takes no more.
            StreamFailed: an earlier write failed.
        """
        ...

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Take all of `data`, which is at most what was permitted."""
        ...

    def flush(self) -> Awaitable[None] | None:
        """Start to pass everything on; `permit_bytes` is 0 until that is done."""
        ...

    def pollable(self) -> Pollable:
        """Return one that is ready when `permit_bytes` is not 0, or has something to raise."""
        ...


class BytesInput:
    """An input stream over bytes that are all there.

    Args:
        data: the bytes.
        holding: what keeps them on an account, if anything does.
    """

    __slots__ = ("_data", "_holding", "_position")

    def __init__(self, data: bytes = b"", holding: object = None) -> None:
        self._data = data
        self._holding = holding
        self._position = 0

    def read(self, max_bytes: int) -> bytes:
        """Return the next bytes; the end raises `StreamClosed`."""
        if self._position >= len(self._data):
            raise StreamClosed
        chunk = self._data[self._position : self._position + max_bytes]
        self._position += len(chunk)
        return chunk

    def pollable(self) -> Pollable:
        """Return one that is always ready."""
        return Always()


def misuse(caller: Caller, function: str, problem: str) -> Trapped:
    """Return what ends a guest that breaks a rule of WASI for which WASI itself says "trap"."""
    return Trapped(caller.name, function, problem)


def wait_for(pollables: Sequence[Pollable], answer: Callable[[list[int]], object]) -> object:
    """Answer now if one of the pollables is ready, or by a `Pending` when one is.

    Args:
        pollables: at least one.
        answer: gets the indices of the ready ones and makes the result.

    Returns:
        What `answer` returned, or a `Pending` that will be completed with it.
    """
    ready = _ready_among(pollables)
    return answer(ready) if ready else _Wait(pollables, answer).pending


class _Wait:
    """One guest's wait for any of several pollables."""

    __slots__ = ("_answer", "_is_over", "_pollables", "_unwatch", "pending")

    def __init__(
        self, pollables: Sequence[Pollable], answer: Callable[[list[int]], object]
    ) -> None:
        self._pollables = pollables
        self._answer = answer
        self._is_over = False
        self.pending = Pending(on_cancel=self._end)
        self._unwatch = [pollable.watch(self._wake) for pollable in pollables]
        if self._is_over:
            self._end()

    def _wake(self) -> None:
        if self._is_over or not (ready := _ready_among(self._pollables)):
            return
        self._end()
        try:
            self.pending.resolve(self._answer(ready))
        except Exception as failure:  # it belongs to the waiting guest, not to what woke it
            self.pending.fail(failure)

    def _end(self) -> None:
        self._is_over = True
        for unwatch in getattr(self, "_unwatch", ()):
            unwatch()


def _ready_among(pollables: Sequence[Pollable]) -> list[int]:
    return [index for index, pollable in enumerate(pollables) if pollable.is_ready()]


def _nothing() -> None:
    """Do nothing: the unwatch of something never watched."""


def _discard(watchers: dict[object, Callable[[], None]], key: object) -> None:
    watchers.pop(key, None)


# wasi:io/poll


def _poll(caller: Caller, pollables: Sequence[Pollable]) -> object:
    if not pollables:
        raise misuse(caller, "wasi:io/poll#poll", "an empty list would wait for ever")
    if len(pollables) > POLLABLES_AT_MOST:
        problem = f"{len(pollables):,} pollables are more than {POLLABLES_AT_MOST:,}"
        raise misuse(caller, "wasi:io/poll#poll", problem)
    held = caller.account.hold(WATCH_BYTES * len(pollables))

    def answer(ready: list[int]) -> list[int]:
        held.release()
        return ready

    return wait_for(pollables, answer)


def _block(_caller: Caller, pollable: Pollable) -> object:
    return wait_for((pollable,), lambda _: None)


def _ready(_caller: Caller, pollable: Pollable) -> bool:
    return pollable.is_ready()


# wasi:io/streams


def _settled(operation: Callable[[], object]) -> object:
    """Run a stream operation and map its outcome to a WIT result."""
    try:
        value = operation()
    except StreamClosed:
        return Err(Case("closed"))
    except StreamFailed as failure:
        return Err(Case("last-operation-failed", failure.error))
    return _settled_later(value) if inspect.isawaitable(value) else Ok(value)


async def _settled_later(value: Awaitable[object]) -> object:
    try:
        return Ok(await value)
    except StreamClosed:
        return Err(Case("closed"))
    except StreamFailed as failure:
        return Err(Case("last-operation-failed", failure.error))


def _when_ready(pollable: Pollable, operation: Callable[[], object]) -> object:
    return wait_for((pollable,), lambda _: _settled(operation))


def _read(_caller: Caller, stream: InputStream, length: int) -> object:
    return _settled(lambda: stream.read(min(length, READ_AT_MOST_BYTES)))


def _blocking_read(caller: Caller, stream: InputStream, length: int) -> object:
    pollable = stream.pollable()
    if pollable.is_ready():  # the common case, and the only one in which a read may be awaitable
        return _read(caller, stream, length)
    return _when_ready(pollable, lambda: stream.read(min(length, READ_AT_MOST_BYTES)))


def _counted(data: bytes | Awaitable[bytes]) -> object:
    if inspect.isawaitable(data):
        return _counted_later(data)
    return len(data)


async def _counted_later(data: Awaitable[bytes]) -> int:
    return len(await data)


def _skip(_caller: Caller, stream: InputStream, length: int) -> object:
    return _settled(lambda: _counted(stream.read(min(length, READ_AT_MOST_BYTES))))


def _blocking_skip(caller: Caller, stream: InputStream, length: int) -> object:
    pollable = stream.pollable()
    if pollable.is_ready():
        return _skip(caller, stream, length)
    return _when_ready(pollable, lambda: _counted(stream.read(min(length, READ_AT_MOST_BYTES))))


def _check_write(_caller: Caller, stream: OutputStream) -> object:
    return _settled(stream.permit_bytes)


def _write(caller: Caller, stream: OutputStream, data: bytes) -> object:
    return _settled(lambda: _write_permitted(caller, stream, data))


def _write_permitted(caller: Caller, stream: OutputStream, data: bytes) -> object:
    permit_bytes = stream.permit_bytes()
    if len(data) > permit_bytes:
        raise misuse(
            caller,
            "wasi:io/streams#[method]output-stream.write",
            f"{len(data):,} bytes were written where check-write permits {permit_bytes:,}",
        )
    return stream.write(data)


def _flush(_caller: Caller, stream: OutputStream) -> object:
    return _settled(stream.flush)


def _blocking_flush(caller: Caller, stream: OutputStream) -> object:
    return _blocking_write_and_flush(caller, stream, b"")


def _blocking_write_and_flush(caller: Caller, stream: OutputStream, data: bytes) -> object:
    if len(data) > WRITE_PERMIT_BYTES:
        raise misuse(
            caller,
            "wasi:io/streams#[method]output-stream.blocking-write-and-flush",
            f"{len(data):,} bytes are more than {WRITE_PERMIT_BYTES:,}; "
            f"WASI allows {BLOCKING_WRITE_BYTES:,}",
        )
    if stream.waits:
        return _settled_later(_write_all(stream, data))
    return _settled(lambda: stream.write(data))


async def _write_all(stream: OutputStream, data: bytes) -> None:
    """Write as permits come, then flush."""
    while data:
        await until_ready(stream.pollable())
        permit_bytes = stream.permit_bytes()
        await _finish(stream.write(data[:permit_bytes]))
        data = data[permit_bytes:]
    await _finish(stream.flush())
    await until_ready(stream.pollable())
    stream.permit_bytes()  # raises what went wrong while it was flushed


async def _finish(value: Awaitable[None] | None) -> None:
    if value is not None:
        await value


async def until_ready(pollable: Pollable) -> None:
    """Wait in a task; host functions use `wait_for`, which needs none."""
    while not pollable.is_ready():
        event = anyio.Event()
        unwatch = pollable.watch(event.set)
        try:
            await event.wait()
        finally:
            unwatch()


def _zeroes(caller: Caller, length: int) -> bytes:
    if length > WRITE_PERMIT_BYTES:
        raise misuse(
            caller,
            "wasi:io/streams#[method]output-stream.write-zeroes",
            f"{length:,} bytes are more than check-write ever permits",
        )
    return bytes(length)


def _write_zeroes(caller: Caller, stream: OutputStream, length: int) -> object:
    return _write(caller, stream, _zeroes(caller, length))


def _blocking_write_zeroes(caller: Caller, stream: OutputStream, length: int) -> object:
    return _blocking_write_and_flush(caller, stream, _zeroes(caller, length))


async def _splice(
    _caller: Caller, target: OutputStream, source: InputStream, length: int
) -> object:
    return await _settled_later(_moved(target, source, length))


async def _blocking_splice(
    _caller: Caller, target: OutputStream, source: InputStream, length: int
) -> object:
    await until_ready(target.pollable())
    await until_ready(source.pollable())
    return await _settled_later(_moved(target, source, length))


async def _moved(target: OutputStream, source: InputStream, length: int) -> int:
    data = source.read(min(length, target.permit_bytes(), READ_AT_MOST_BYTES))
    chunk = await data if inspect.isawaitable(data) else data
    await _finish(target.write(chunk))
    return len(chunk)


def _subscribe(_caller: Caller, stream: InputStream | OutputStream) -> Pollable:
    return stream.pollable()


def _debug_string(_caller: Caller, error: IoError) -> str:
    return error.text


def close_if_possible(resource: object) -> None:
    """Close what a guest has dropped, if it is of a kind that can be closed."""
    close = getattr(resource, "close", None)
    if callable(close):
        close()


CLOSED_ON_DROP = HostResource(drop=close_if_possible)

_INPUT: dict[str, HostFunction] = {
    "read": _read,
    "blocking-read": _blocking_read,
    "skip": _skip,
    "blocking-skip": _blocking_skip,
    "subscribe": _subscribe,
}
_OUTPUT: dict[str, HostFunction] = {
    "check-write": _check_write,
    "write": _write,
    "blocking-write-and-flush": _blocking_write_and_flush,
    "flush": _flush,
    "blocking-flush": _blocking_flush,
    "subscribe": _subscribe,
    "write-zeroes": _write_zeroes,
    "blocking-write-zeroes-and-flush": _blocking_write_zeroes,
    "splice": _splice,
    "blocking-splice": _blocking_splice,
}


def methods(resource: str, functions: dict[str, HostFunction]) -> dict[str, HostFunction]:
    """Name functions as the methods of a resource."""
    return {f"[method]{resource}.{name}": function for name, function in functions.items()}


def interfaces(version: str) -> Iterable[HostInterface]:
    """Offer wasi:io: error, poll and streams."""
    return (
        HostInterface(
            f"wasi:io/error@{version}",
            {"[method]error.to-debug-string": _debug_string},
            {"error": CLOSED_ON_DROP},
        ),
        HostInterface(
            f"wasi:io/poll@{version}",
            {"poll": _poll, **methods("pollable", {"ready": _ready, "block": _block})},
            {"pollable": CLOSED_ON_DROP},
        ),
        HostInterface(
            f"wasi:io/streams@{version}",
            {**methods("input-stream", _INPUT), **methods("output-stream", _OUTPUT)},
            {"input-stream": CLOSED_ON_DROP, "output-stream": CLOSED_ON_DROP},
        ),
    )
