"""An event loop on a thread of its own, for programs that have none.

Flask, Django, Celery and scripts call functions and wait for what they return. The
engine lives on an event loop, so one is run beside them, once for the process, and
each call crosses over to it and back. What runs on the loop is any asynchronous
context manager: this block puts an `Engine` there, others what is built on one.

The thread is a daemon and closes at exit by itself. `anyio.from_thread` has the same
with a thread that the interpreter waits for at its end, for ever where the program
does not close it; a web application has no place to do so.

A process that forks after the thread was started has no loop in its child: a forked
child says so, instead of waiting for ever. Start one in each worker.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from types import TracebackType
from typing import Generic, NoReturn, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from ._scopes import OpenScopes, asyncio_task, drop_cancellation, is_cancelled_by_scope
from .errors import NotRunning, ScopeLeftOpen

T = TypeVar("T")
R = TypeVar("R")


class LoopThread(Generic[T]):
    """Holds an asynchronous context manager open on a thread, and calls into it.

    Every thread of the process may use it. Starting twice and closing twice is fine.

    Args:
        make: makes what is entered on the loop, such as `Engine`.
        backend: `asyncio` or `trio`.
    """

    def __init__(
        self, make: Callable[[], AbstractAsyncContextManager[T]], *, backend: str = "asyncio"
    ) -> None:
        self._make = make
        self._backend = backend
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process = 0
        self._portal: BlockingPortal | None = None
        self._stopping: anyio.Event
        self._value: T
        self._failure: BaseException | None = None

    @property
    def value(self) -> T:
        """The value that was entered on the loop.

        Raises:
            NotRunning: it was not started, was closed, or this process was forked since.
        """
        self._open_portal()
        return self._value

    @property
    def is_running(self) -> bool:
        """Whether it was started in this process and not closed since."""
        return self._portal is not None and self._process == os.getpid()

    def start(self) -> None:
        """Start the thread and enter what it holds.

        Raises:
            Exception: whatever entering it raises.
        """
        if self._process not in (0, os.getpid()):  # another thread of the parent may hold it
            self._lock = threading.Lock()
        with self._lock:
            if self.is_running:
                return
            entered: Future[None] = Future()
            self._portal = None  # after a fork: the parent's
            self._process, self._failure = os.getpid(), None
            self._thread = threading.Thread(
                target=self._run, args=(entered,), name="airswasm-loop", daemon=True
            )
            self._thread.start()
            entered.result()
            atexit.register(self.close)

    def close(self) -> None:
        """Leave what it holds and end the thread; calls in progress end with `NotRunning`.

        Raises:
            Exception: whatever leaving it raises; the thread has ended.
        """
        if not self.is_running:
            return
        self._open_portal()  # refuses its own thread
        with self._lock:
            portal, self._portal = self._portal, None
            if portal is None or self._thread is None:
                return
            with suppress(RuntimeError):  # the loop has ended by itself
                portal.call(self._stopping.set)
            self._thread.join()
        atexit.unregister(self.close)
        if self._failure is not None:
            raise self._failure

    def run(self, function: Callable[..., Awaitable[R]], *arguments: object) -> R:
        """Run an asynchronous function on the loop and wait for what it returns.

        What interrupts the wait, such as Ctrl-C, cancels it there.

        Raises:
            NotRunning: it was not started, was closed, or this process was forked since.
            CancelledError: what the function awaited was cancelled by others; the one of
                `concurrent.futures`.
            Exception: whatever the function raises.
        """
        portal, job = self._open_portal(), _Job(function, arguments)
        outcome: Callable[[], R]
        try:
            outcome = portal.start_task_soon(job.run).result()
        except CancelledError:
            raise NotRunning("it was closed during the call") from self._failure
        except RuntimeError as problem:  # the portal's: those of the function are its outcome
            raise NotRunning("its loop has ended") from (self._failure or problem)
        except BaseException:
            job.abandon(portal)
            raise
        return outcome()

    def __enter__(self) -> LoopThread[T]:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open_portal(self) -> BlockingPortal:
        portal = self._portal
        if portal is None:
            raise NotRunning("it is not started: use `with`, or call `start`") from self._failure
        if self._process != os.getpid():
            raise NotRunning(
                "this process was forked after it was started: start one in each process "
                "(Celery's worker_process_init, gunicorn's post_fork)"
            )
        if self._thread is threading.current_thread():
            raise NotRunning(
                "this is its own thread, which would wait for itself: a host function awaits "
                "the engine's own methods"
            )
        return portal

    def _run(self, entered: Future[None]) -> None:
        try:
            anyio.run(self._serve, entered, backend=self._backend)
        except BaseException as failure:
            self._failure = failure
            if not entered.done():
                entered.set_exception(failure)
        finally:
            self._portal = None

    async def _serve(self, entered: Future[None]) -> None:
        failure: BaseException | None = None
        async with BlockingPortal() as portal:
            try:
                async with self._make() as value:
                    self._value, self._stopping = value, anyio.Event()
                    self._portal = portal
                    entered.set_result(None)
                    await self._stopping.wait()
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as problem:  # raised below, as it is: the portal would group it
                failure = self._failure = problem
            self._portal = None
            await portal.stop(cancel_remaining=True)
        if failure is not None:
            raise failure


class _Job(Generic[R]):
    """One function that runs on the loop for a thread that waits.

    The thread may be interrupted at any time, even before it knows that the function
    was started; so what cancels it is here, and not in what starting it returns.
    """

    def __init__(
        self, function: Callable[..., Awaitable[R]], arguments: tuple[object, ...]
    ) -> None:
        self._function = function
        self._arguments = arguments
        self._scope: anyio.CancelScope | None = None
        self._is_abandoned = False

    async def run(self) -> Callable[[], R]:
        """Run the function and return its outcome, to be had in the thread that asked.

        `SystemExit` and its like, from a host function, are for the caller: on the loop
        they would end it for all others. So are a cancellation that no scope has asked
        for, and a scope that the function leaves open.
        """
        task = asyncio_task()
        with anyio.CancelScope() as self._scope:
            if self._is_abandoned:
                self._scope.cancel()
            scopes = OpenScopes()
            try:
                value = await self._function(*self._arguments)
                if scopes.leave_others():
                    raise ScopeLeftOpen("the function")
            except BaseException as failure:
                scopes.leave_others()
                is_cancelled = isinstance(failure, anyio.get_cancelled_exc_class())
                if is_cancelled and is_cancelled_by_scope():
                    raise
                return partial(_raise, _as_stray(failure) if is_cancelled else failure)
            finally:
                if task is not None and not is_cancelled_by_scope():
                    await drop_cancellation(task, 0)
            return lambda: value
        return partial(_raise, CancelledError())  # no thread waits for it any more

    def abandon(self, portal: BlockingPortal) -> None:
        """Cancel it, on the loop: its thread waits no more. Without effect when it is done."""
        self._is_abandoned = True
        with suppress(RuntimeError):  # the loop has ended
            portal.start_task_soon(self._cancel)

    def _cancel(self) -> None:
        if self._scope is not None:
            self._scope.cancel()


def _as_stray(cancelled: BaseException) -> CancelledError:
    """Return what a thread gets for a cancellation of something that its function awaited."""
    error = CancelledError("what the function awaited was cancelled, and not by its caller")
    error.__cause__ = cancelled
    return error


def _raise(failure: BaseException) -> NoReturn:
    raise failure
