"""Describes what the host offers to guests, and what a host function sees of its caller.

A host function is a plain Python function `fn(caller, *arguments)`. It returns
its value, or a `Pending` that the host completes later, or it is `async def`.
The three are one thing to the guest, which just calls. `Pending` is the fast
one: a waiting guest is then an entry in a table of the host's, without a task, which
is how 10,000 of them fit on one thread. An `async def` is awaited by the task
that awaits the guest, where there is one (`Instance.call`); for guests of a
scheduler the engine starts a task.

Functions get a `Caller` first because every tenant shares them: whatever a
function must know about the guest (its name, its grants, its namespace) is
there and nowhere else, so nothing can reach the wrong tenant.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from types import CoroutineType, MappingProxyType
from typing import TYPE_CHECKING, TypeVar, cast

import anyio

from ._account import Account
from ._limits import Limits
from ._scopes import OpenScopes, asyncio_task, drop_cancellation, is_cancelled_by_scope
from .errors import ScopeLeftOpen

if TYPE_CHECKING:
    from ._instance import Instance
    from .wasi._builtin import WasiState

T = TypeVar("T")

HostFunction = Callable[..., object]
"""`fn(caller, *arguments)`: plain, plain returning a `Pending`, or `async def`."""

Note = Callable[[object, BaseException | None], None]
"""Is told the value that a host function returned, or the exception that it raised."""

_NO_RESOURCES: Mapping[str, HostResource] = MappingProxyType({})
_NO_EFFECTS: Mapping[str, Effect] = MappingProxyType({})


def _keep(_value: object) -> None:
    """Drop nothing: the Python object dies with its last reference."""


@dataclass(frozen=True, slots=True)
class HostResource:
    """A resource type that the host defines; any Python object can be one.

    Attributes:
        drop: called with the object once the guest has dropped its handle, and
            for each remaining one when the instance ends.
    """

    drop: Callable[[object], None] = _keep


class Effect(Enum):
    """The effect of a host function, for a host that tries a component without one.

    What tries a component does not call a function of which nothing is declared: it notes the call.
    """

    NONE = "none"
    """It changes nothing, and its answer depends on its arguments and the instance alone."""
    READS = "reads"
    """It changes nothing, and its answer may be another one each time: a clock, a file."""
    WAITS = "waits"
    """It changes nothing, and returns a pollable for a moment of the clock."""
    DATA = "data"
    """It acts on nothing but what is kept under `Caller.kept_as`."""
    LOGS = "logs"
    """It writes lines for people."""
    OUTSIDE = "outside"
    """Anything else."""


@dataclass(frozen=True, slots=True)
class HostInterface:
    """The host's side of one imported WIT interface.

    Attributes:
        name: as in WIT, such as `airswasm:component/storage@0.1.0`. It serves
            every import whose version is semver-compatible. Empty for the functions
            that a world imports itself.
        functions: by their names in WIT; methods of resources are
            `[method]connection.send`, constructors `[constructor]connection`,
            statics `[static]connection.open`.
        resources: by their names in WIT.
        effects: by the names of functions; `OUTSIDE` where one is missing.
    """

    name: str
    functions: Mapping[str, HostFunction]
    resources: Mapping[str, HostResource] = field(default_factory=lambda: _NO_RESOURCES)
    effects: Mapping[str, Effect] = field(default_factory=lambda: _NO_EFFECTS)

    def effect(self, function: str) -> Effect:
        """Return the declared effect of a function."""
        return self.effects.get(function, Effect.OUTSIDE)


class Pending:
    """A host operation that its maker completes later; it costs no task.

    Only for the event loop's thread. The first completion counts; later ones
    are ignored, because the guest may have been cancelled meanwhile.

    Attributes:
        on_cancel: called when the guest's call ends before this was completed.
    """

    __slots__ = ("_done", "_exception", "_listener", "_value", "on_cancel")

    def __init__(self, on_cancel: Callable[[], object] | None = None) -> None:
        self.on_cancel: Callable[[], object] | None = on_cancel
        self._done = False
        self._value: object = None
        self._exception: BaseException | None = None
        self._listener: Callable[[], None] | None = None

    @property
    def is_done(self) -> bool:
        """Whether it was completed or cancelled."""
        return self._done

    def resolve(self, value: object = None) -> None:
        """Complete the operation: the guest's call returns `value`."""
        self._complete(value, None)

    def fail(self, exception: BaseException) -> None:
        """Complete the operation with a bug or misuse: the guest's call faults.

        What a guest is meant to handle is a value (`Err`), passed to `resolve`.
        """
        self._complete(None, exception)

    def _complete(self, value: object, exception: BaseException | None) -> None:
        if self._done:
            return
        self._done, self._value, self._exception = True, value, exception
        listener, self._listener = self._listener, None
        if listener is not None:
            listener()

    async def _complete_with(
        self, work: Coroutine[object, object, object], is_own_task: bool = False
    ) -> None:
        """Await a host function and complete this, whatever happens.

        A cancellation that no scope has asked for, nor the one who cancels the caller's task, is
        an error of the host function: a library gave up a future that it awaited.
        """
        if self._done:  # its call ended before this had its first turn
            work.close()
            return
        scope = anyio.CancelScope()
        self.on_cancel = scope.cancel
        task = asyncio_task()
        requests = 0 if task is None else task.cancelling()
        try:
            with scope:
                self.resolve(await _in_its_scopes(work))
        except KeyboardInterrupt as interrupt:  # the program's, wherever it lands
            self.fail(interrupt)
            raise
        except anyio.get_cancelled_exc_class() as cancelled:
            self.fail(cancelled)
            is_requested = task is not None and task.cancelling() > requests and not is_own_task
            if is_requested or is_cancelled_by_scope():
                raise
        except BaseException as failure:
            self.fail(failure)
        if is_own_task and task is not None and not is_cancelled_by_scope():
            await drop_cancellation(task, requests)

    def _listen(self, listener: Callable[[], None]) -> None:
        self._listener = listener

    def _noted(self, note: Note) -> Pending:
        """Return a pending that completes as this does, after `note` was called."""
        noted = Pending(on_cancel=self._cancel)

        def completed() -> None:
            note(self._value, self._exception)
            noted._complete(self._value, self._exception)

        if self._done:
            completed()
        else:
            self._listen(completed)
        return noted

    def _cancel(self) -> None:
        if self._done:
            return
        self._done, self._listener = True, None
        if self.on_cancel is not None:
            self.on_cancel()


def noting(outcome: object, note: Note) -> object:
    """Return the outcome of a host function unchanged, and tell `note` its value when it is there.

    Nothing is told of a call that ends before its function does.
    """
    if isinstance(outcome, Pending):
        return outcome._noted(note)
    if isinstance(outcome, CoroutineType):
        return _noting(cast("Coroutine[object, object, object]", outcome), note)
    note(outcome, None)
    return outcome


async def _noting(work: Coroutine[object, object, object], note: Note) -> object:
    try:
        value = await work
    except Exception as error:
        note(None, error)
        raise
    note(value, None)
    return value


async def _in_its_scopes(work: Coroutine[object, object, object]) -> object:
    scopes = OpenScopes()
    try:
        value = await work
    except BaseException:
        scopes.leave_others()
        raise
    if scopes.leave_others():
        raise ScopeLeftOpen("the function")
    return value


class Caller:
    """The caller of a host function: one instance, as its embedder describes it.

    Attributes:
        name: such as `local/hello`.
        kept_as: the name under which host functions keep its data. It is another than `name`
            where the instance is tried on a copy.
        data: the embedder's own; whatever its host functions need.
        message: what the instance works on now; the embedder sets it per call.
        instance: the running instance; None until it is instantiated.
        message_bytes: the most bytes that a host function should answer with: beyond them
            the guest's allocator cannot be relied on, and the guest would trap. A function
            that has more to say answers with an error of its interface.
    """

    __slots__ = (
        "_account",
        "_closing",
        "_kept",
        "_make_wasi",
        "_wasi",
        "data",
        "instance",
        "kept_as",
        "message",
        "message_bytes",
        "name",
    )

    def __init__(self, name: str, data: object = None, *, kept_as: str | None = None) -> None:
        self.name: str = name
        self.kept_as: str = name if kept_as is None else kept_as
        self.data: object = data
        self.message: object = None
        self._account: Account | None = None
        self.message_bytes: int = sys.maxsize  # until there is an instance
        self.instance: Instance = None  # type: ignore[assignment]  # set before any call
        self._make_wasi: Callable[[Caller], WasiState] | None = None
        self._wasi: WasiState | None = None
        self._kept: dict[object, object] | None = None
        self._closing: list[Callable[[], object]] | None = None

    def __repr__(self) -> str:
        return f"Caller({self.name!r})"

    @property
    def is_on_copy(self) -> bool:
        """Whether its data is a copy, on which it is tried."""
        return self.kept_as != self.name

    @property
    def wasi(self) -> WasiState:
        """The instance's side of WASI, made when it is first needed."""
        if self._wasi is None:
            if self._make_wasi is None:
                raise LookupError(f"{self.name} is not instantiated")
            self._wasi = self._make_wasi(self)
        return self._wasi

    @property
    def is_instantiated(self) -> bool:
        """Whether there is an instance: not for a function that is called without a guest."""
        return self._make_wasi is not None

    @property
    def account(self) -> Account:
        """The account of what the host keeps for the instance, made with its first entry.

        A function that keeps something beyond its call takes the bytes first
        (`account.hold(size_bytes)`), and what it keeps holds the `Holding`.
        """
        if self._account is None:
            if not self.is_instantiated:
                return Account(Limits().host_memory_bytes)
            instance = self.instance
            self._account = Account(
                instance.limits.host_memory_bytes,
                instance.engine.host_memory,
                name=self.name,
                handles=instance._handles,
            )
        return self._account

    def charge(self, fuel: int) -> None:
        """Charge the guest for work whose size its input decides, before doing it.

        Each call is charged for itself and for each byte that it carries. What takes longer
        than that (a search, a match, a list that the host holds) is charged here, with some
        1,600 fuel for a microsecond, and always the same for the same input.

        Raises:
            FuelExhausted: the guest cannot pay for it; let it pass.
        """
        if self.is_instantiated and self.instance._call is not None:
            self.instance._call._charge(fuel)

    def keep(self, key: type[T], make: Callable[[], T]) -> T:
        """Return the `key` of this instance, made at the first call: state for host functions."""
        if self._kept is None:
            self._kept = {}
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = make()
        return found  # type: ignore[return-value]  # stored under its own type

    def on_close(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the instance ends, latest first.

        What it raises reaches the code that closes the instance, after all others ran;
        when a fault ended it, it becomes a note of that fault.
        """
        if self._closing is None:
            self._closing = []
        self._closing.append(callback)

    def _close(self) -> None:
        if self._account is not None:
            self._account.close()
        closing, self._closing, self._kept = self._closing, None, None
        if closing is None:
            self._end_lines()
            return
        with ExitStack() as stack:  # latest first, each whatever the others raise
            for callback in closing:
                stack.callback(callback)
            stack.callback(self._end_lines)

    def _end_lines(self) -> None:
        """Pass on what was printed without a line end: a call is over."""
        if self._wasi is not None:
            self._wasi.end_lines()
