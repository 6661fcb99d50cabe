"""The engine behind a thread: every caller's thread, every end, and no loop in sight."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from airswasm.runtime import (
    BlockingEngine,
    Caller,
    DeadlineExceeded,
    Engine,
    EngineConfig,
    HostFunctionFailed,
    HostInterface,
    InstanceClosed,
    Limits,
    LoopThread,
    NotRunning,
    QueueExpired,
    ScopeLeftOpen,
    Trapped,
    UnsafeCacheFolder,
    ValueMismatch,
    in_thread,
)

HANDLE = "test:probe/handler#handle-message"
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@pytest.fixture(params=["asyncio", "trio"])
def blocking(request: pytest.FixtureRequest, config: EngineConfig) -> Iterator[BlockingEngine]:
    with BlockingEngine(config, backend=request.param) as engine:
        yield engine


def host(**functions: object) -> HostInterface:
    usual = {"wait": lambda _c, ms: ms, "reflect": lambda _c, d: d, "note": lambda _c, _t: None}
    return HostInterface("test:probe/host", {**usual, **functions})  # type: ignore[dict-item]


def test_threads_share_an_engine(blocking, probe_wasm):
    """Sixteen threads, one pool, results to whom they belong."""
    linked = blocking.load(probe_wasm).link([host()])
    with blocking.pool(linked, size=3, warm=1) as pool, ThreadPoolExecutor(16) as threads:
        assert pool.statistics.made == 1
        sums = list(threads.map(lambda n: pool.exports.add(n, n), range(300)))
        assert sums == [2 * n for n in range(300)]
        assert pool.statistics.uses == 300
        assert pool.statistics.made <= 3


def test_threads_take_turns_at_one_instance(blocking, probe_wasm):
    """Its host function waits, and no caller is told that it is busy."""

    async def wait(_caller: Caller, ms: int) -> int:
        await anyio.lowlevel.checkpoint()
        return ms

    linked = blocking.load(probe_wasm).link([host(wait=wait)])
    caller = Caller("local/x")
    with blocking.instantiate(linked, caller=caller) as instance, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(instance.exports.nap, range(50))) == list(range(50))
    assert instance.instance.is_closed
    with pytest.raises(InstanceClosed):
        instance.call("#add", 1, 2)


def test_faults_and_misuse_are_the_same_errors(blocking, probe_wasm):
    """Limits hold, and what is raised has the types that `Instance.call` raises."""
    linked = blocking.load(probe_wasm).link([host()])
    with blocking.pool(linked, size=1) as pool:
        with pytest.raises(Trapped):
            pool.call("#trap")
        with pytest.raises(ValueMismatch):
            pool.call("#add", 1, "2")
        assert pool.call("#add", 1, 2) == 3
    with blocking.pool(linked, limits=Limits(timeout=0.05, fuel=2**60)) as pool:
        with pytest.raises(DeadlineExceeded):
            pool.call("#spin", 2**60)


def test_a_host_function_that_blocks_holds_up_no_guest(blocking, probe_wasm):
    """It waits on a thread of its own until another guest, called meanwhile, lets it go."""
    let_go = threading.Event()

    def wait(_caller: Caller, ms: int) -> int:
        assert let_go.wait(60)
        return ms

    linked = blocking.load(probe_wasm).link([host(wait=in_thread(wait))])
    with blocking.pool(linked, size=2) as pool, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.call, "#nap", 7)
        assert pool.call("#add", 1, 2) == 3
        let_go.set()
        assert waiting.result() == 7


def test_a_queue_expires_for_threads_too(blocking, probe_wasm):
    """The deadline is the pool's, whichever thread waits."""
    inside, let_go = threading.Event(), threading.Event()

    def wait(_caller: Caller, ms: int) -> int:
        inside.set()
        assert let_go.wait(60)
        return ms

    linked = blocking.load(probe_wasm).link([host(wait=in_thread(wait))])
    with blocking.pool(linked, size=1, seconds=0) as pool, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.call, "#nap", 7)
        assert inside.wait(60)
        with pytest.raises(QueueExpired):
            pool.call("#add", 1, 2)
        let_go.set()
        assert waiting.result() == 7


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        (SystemExit, HostFunctionFailed),
        (GeneratorExit, HostFunctionFailed),
        (KeyboardInterrupt, KeyboardInterrupt),
    ],
)
def test_what_a_host_function_raises_is_for_its_caller(blocking, probe_wasm, kind, raised):
    """The loop, and with it all other callers, goes on; only Ctrl-C is the program's."""

    def wait(_caller: Caller, _ms: int) -> int:
        raise kind("enough")

    linked = blocking.load(probe_wasm).link([host(wait=wait)])
    with blocking.pool(linked) as pool:
        with pytest.raises(raised, match="enough"):
            pool.call("#nap", 1)
        assert pool.call("#add", 1, 2) == 3


def test_a_host_function_cannot_block_its_own_loop(blocking, probe_wasm):
    """It would wait for itself; the error says what to do."""

    def wait(_caller: Caller, _ms: int) -> object:
        return pool.call("#add", 1, 2)

    linked = blocking.load(probe_wasm).link([host(wait=wait)])
    with blocking.pool(linked) as pool:
        with pytest.raises(HostFunctionFailed) as caught:
            pool.call("#nap", 1)
        assert isinstance(caught.value.__cause__, NotRunning)


@BACKENDS
def test_closing_ends_the_calls_of_other_threads(config, probe_wasm, backend):
    """None waits for ever; closing twice, and what was not started, is fine."""
    inside = threading.Event()

    async def wait(_caller: Caller, _ms: int) -> int:
        inside.set()
        await anyio.sleep_forever()
        raise AssertionError

    engine = BlockingEngine(config, backend=backend)
    engine.close()
    engine.start()
    engine.start()
    pool = engine.pool(engine.load(probe_wasm).link([host(wait=wait)]))
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.call, "#nap", 1)
        assert inside.wait(60)
        engine.close()
        with pytest.raises((InstanceClosed, NotRunning)):
            waiting.result(60)
    engine.close()
    pool.close()
    with pytest.raises(NotRunning, match="start"):
        pool.call("#add", 1, 2)


@BACKENDS
def test_a_start_that_fails_raises_in_the_callers_thread(tmp_path, backend):
    """And leaves nothing behind: a second try fails the same way."""
    tmp_path.chmod(0o777)
    engine = BlockingEngine(EngineConfig(cache_folder=tmp_path), backend=backend)
    for _ in range(2):
        with pytest.raises(UnsafeCacheFolder):
            engine.start()
    assert not any(each.name == "airswasm-loop" for each in threading.enumerate())
    with pytest.raises(NotRunning):
        engine.load(b"")


def test_load_takes_bytes_and_paths(blocking, tmp_path, probe_wasm):
    """A file gives its name to what it holds, unless another is given."""
    path = tmp_path / "plugin.wasm"
    path.write_bytes(probe_wasm)
    names = [
        blocking.load(wasm, name=name).name
        for wasm, name in [
            (path, None),
            (str(path), None),
            (str(path), "local/x"),
            (probe_wasm, None),
            (bytearray(probe_wasm), None),
            (memoryview(probe_wasm), None),
        ]
    ]
    assert names == ["plugin", "plugin", "local/x", "component", "component", "component"]
    with pytest.raises(FileNotFoundError):
        blocking.load(tmp_path / "missing.wasm")


@BACKENDS
def test_a_loop_thread_holds_any_context_manager(backend):
    """What is built on an engine goes there the same way."""
    steps: list[str] = []

    @asynccontextmanager
    async def system():  # type: ignore[no-untyped-def]
        async with Engine() as engine:
            yield engine
        await anyio.lowlevel.checkpoint()
        steps.append("left")

    async def where() -> threading.Thread:
        return threading.current_thread()

    with LoopThread(system, backend=backend) as loop:
        assert isinstance(loop.value, Engine)
        assert loop.run(where) is loop.run(where) is not threading.current_thread()
    assert steps == ["left"]


async def a_stray_cancellation() -> None:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.cancel)
    await future


async def a_cancellation_of_its_own_task() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await anyio.lowlevel.checkpoint()


async def a_scope_left_open() -> None:
    anyio.CancelScope().__enter__().cancel()


async def a_task_group_left_open() -> None:
    group = anyio.create_task_group()
    await group.__aenter__()
    group.start_soon(anyio.sleep_forever)


async def an_exit() -> None:
    raise SystemExit(3)


async def an_end_of_a_generator() -> None:
    raise GeneratorExit


@BACKENDS
@pytest.mark.parametrize(
    ("function", "error"),
    [
        (a_stray_cancellation, CancelledError),
        (a_cancellation_of_its_own_task, CancelledError),
        (a_scope_left_open, ScopeLeftOpen),
        (a_task_group_left_open, ScopeLeftOpen),
        (an_exit, SystemExit),
        (an_end_of_a_generator, GeneratorExit),
    ],
)
def test_a_function_s_fault_is_its_thread_s_alone(backend, function, error):
    """The loop goes on for the other threads."""
    if error is CancelledError and backend == "trio":
        pytest.skip("trio cancels no tasks but by scopes")

    async def answer() -> str:
        return "here"

    with LoopThread(nullcontext, backend=backend) as loop:
        with pytest.raises(error):
            loop.run(function)
        assert loop.run(answer) == "here"


FAILURES = [ValueError("no"), SystemExit(3), GeneratorExit(), ExceptionGroup("two", [ValueError()])]


@BACKENDS
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("at", ["entering", "leaving"])
def test_what_entering_and_leaving_raise_reaches_the_thread_that_asked(backend, failure, at):
    """As it is, and in no group; the thread has ended."""

    @asynccontextmanager
    async def system():  # type: ignore[no-untyped-def]
        if at == "entering":
            raise failure
        yield
        raise failure

    loop = LoopThread(system, backend=backend)
    if at == "leaving":
        loop.start()
    with pytest.raises(type(failure)) as raised:
        loop.start() if at == "entering" else loop.close()
    assert raised.value is failure
    assert not loop.is_running
    assert not any(each.name == "airswasm-loop" for each in threading.enumerate())


@BACKENDS
def test_a_loop_that_ends_by_itself_says_why(backend):
    """As when something in the background fails: callers are told the cause."""

    class Broken(Exception):
        pass

    @asynccontextmanager
    async def system():  # type: ignore[no-untyped-def]
        async with anyio.create_task_group() as tasks:

            async def fail() -> None:
                raise Broken

            yield lambda: tasks.start_soon(fail)
            tasks.cancel_scope.cancel()

    async def hit(value: object) -> None:
        value()  # type: ignore[operator]
        await anyio.sleep_forever()

    loop = LoopThread(system, backend=backend)
    loop.start()
    with pytest.raises(NotRunning) as caught:
        loop.run(hit, loop.value)
    loop._thread.join(60)
    with pytest.raises(NotRunning) as later:
        loop.run(hit, None)
    assert "Broken" in repr(later.value.__cause__)
    assert caught.value.reason != later.value.reason
    loop.close()


def script(tmp_path: Path, wasm: bytes, body: str, **environment: str) -> list[str]:
    """Runs a program in a process of its own and returns the lines that it printed."""
    (tmp_path / "probe.wasm").write_bytes(wasm)
    head = """
    import os, signal, sys, threading
    from airswasm.runtime import *
    functions = {"wait": lambda c, ms: ms, "reflect": lambda c, d: d, "note": lambda c, t: None}
    host = HostInterface("test:probe/host", functions)
    """
    program = textwrap.dedent(head) + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", program],
        cwd=tmp_path,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_program_that_closes_nothing_ends(tmp_path, probe_wasm):
    """A web application has no place to close it in."""
    body = """
    engine = BlockingEngine()
    engine.start()
    pool = engine.pool(engine.load("probe.wasm").link([host]))
    print(pool.exports.add(1, 2))
    """
    assert script(tmp_path, probe_wasm, body) == ["3"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_is_told_and_can_start_its_own(tmp_path, probe_wasm):
    """As under Celery and gunicorn with an application that was loaded before."""
    body = """
    engine = BlockingEngine()
    engine.start()
    pool = engine.pool(engine.load("probe.wasm").link([host]))
    print(pool.exports.add(1, 2), flush=True)
    if (pid := os.fork()) == 0:
        try:
            pool.exports.add(1, 2)
        except NotRunning as problem:
            print("forked" in str(problem), "worker_process_init" in str(problem))
        engine.start()
        pool = engine.pool(engine.load("probe.wasm").link([host]))
        print(pool.exports.add(2, 3))
        engine.close()
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    print(pool.exports.add(3, 4))
    """
    assert script(tmp_path, probe_wasm, body) == ["3", "True True", "5", "7"]


@pytest.mark.skipif(os.name != "posix", reason="raises a signal")
def test_ctrl_c_ends_the_guest_and_not_the_engine(tmp_path, probe_wasm):
    """The thread that waits is interrupted; what it waited for is cancelled on the loop."""
    body = """
    def wait(caller, ms):
        os.kill(os.getpid(), signal.SIGINT)
        return Pending()
    functions["wait"] = wait
    with BlockingEngine() as engine:
        pool = engine.pool(engine.load("probe.wasm").link([host]), size=1)
        try:
            pool.exports.nap(1)
        except KeyboardInterrupt:
            print("interrupted")
        print(pool.exports.add(1, 2), pool.statistics.discarded)
    """
    assert signal.getsignal(signal.SIGINT) is not None
    assert script(tmp_path, probe_wasm, body) == ["interrupted", "3 1"]
