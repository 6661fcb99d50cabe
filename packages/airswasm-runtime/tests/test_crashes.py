"""Every way that is known to crash the process, tried in a process of its own.

The rows are those of the table in the README. Each attack must end as a typed
error, and the process with exit code 0: a segfault or an abort is its signal.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PRELUDE = """
import asyncio, sys, threading
import anyio
from airswasm.runtime import *
probe, abyss = (open(path, "rb").read() for path in sys.argv[1:3])

def host(**functions):
    offered = {"wait": lambda c, ms: ms, "reflect": lambda c, d: d, "note": lambda c, t: None}
    return HostInterface("test:probe/host", {**offered, **functions})

async def start(engine, wasm=probe, limits=Limits(), **functions):
    component = await engine.load(wasm)
    interfaces = [host(**functions)] if wasm is probe else []
    return await component.link(interfaces).instantiate(caller=Caller("x"), limits=limits)

CONFIG = EngineConfig(cache_folder=__import__("pathlib").Path(sys.argv[3]))
def run(main): anyio.run(main)
"""

ATTACKS = {
    "exceptions-leave-host-functions": """
async def main():
    async with Engine(CONFIG) as engine:
        for raised in (
            asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit, RecursionError,
            MemoryError, ValueError, BaseException,
        ):
            def fail(caller, *arguments):
                raise raised()
            for call in (("#shout", "x"), ("#nap", 1), ("#relay", b"x")):
                instance = await start(engine, wait=fail, reflect=fail, note=fail)
                try:
                    await instance.call(*call)
                except HostFunctionFailed as fault:
                    assert type(fault.__cause__) is raised, fault
                except BaseException as fault:
                    assert type(fault) is raised, fault
                else:
                    raise AssertionError("nothing was raised")
                assert instance.is_closed
""",
    "exceptions-stay-with-their-tenant": """
def tenant(number, wrong):
    async def main():
        class Mine(Exception): pass
        def fail(caller, text): raise Mine(number)
        async with Engine(CONFIG) as engine:
            for _ in range(200):
                instance = await start(engine, note=fail)
                try:
                    await instance.call("#shout", "x")
                    wrong.append("no exception")
                except HostFunctionFailed as fault:
                    if type(fault.__cause__) is not Mine:
                        wrong.append(repr(fault.__cause__))
    anyio.run(main)

async def main():
    wrong = []
    threads = [threading.Thread(target=tenant, args=(n, wrong)) for n in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert not wrong, wrong[:3]
""",
    "impossible-text-goes-down": """
async def main():
    async with Engine(CONFIG) as engine:
        instance = await start(engine)
        for text in ("\\ud800", "a\\udfff", "\\udc80" * 1000):
            try: await instance.call("#shout", text)
            except ValueMismatch: pass
            else: raise AssertionError(text)
        handler = "test:probe/handler#handle-message"
        assert await instance.call(handler, "\\0", "\\U0010ffff", b"\\0") == Ok(b"\\0")
""",
    "integers-wrap": """
async def main():
    async with Engine(CONFIG) as engine:
        instance = await start(engine)
        for number in (2**32, 2**40, -1, 2**64, -(2**63)):
            try: await instance.call("#add", number, 0)
            except ValueMismatch: pass
            else: raise AssertionError(number)
        broken = await start(engine, wait=lambda caller, ms: 2**40)
        try: await broken.call("#nap", 1)
        except HostFunctionFailed as fault: assert isinstance(fault.__cause__, ValueMismatch)
        else: raise AssertionError
""",
    "core-modules-with-v128": """
async def main():
    import wasmtime
    texts = (
        '(module (func (export "f") (param v128)))',
        '(module (func (export "f") (result v128) unreachable))',
        '(module (func (export "f") (param externref)))',
    )
    async with Engine(CONFIG) as engine:
        for text in texts:
            module = wasmtime.wat2wasm(text)
            for wasm in (module, module[:9], b"", b"\\0asm", b"\\0asm\\x0d\\0\\1\\0" + module[8:]):
                try: await engine.load(bytes(wasm))
                except InvalidComponent: pass
                else: raise AssertionError(text)
""",
    "recursion-on-a-small-thread": """
async def recurse():
    async with Engine(CONFIG) as engine:
        for _ in range(3):
            instance = await start(engine, abyss)
            try: await instance.call("#fall", 0)
            except StackOverflowed: pass
            else: raise AssertionError
            instance = await start(engine, abyss)
            call = instance.start(instance.function("#fall"), (0,), lambda call: None)
            while await call.poll_in_thread() is not CallState.DONE: pass
            try: call.result()
            except StackOverflowed: pass
            else: raise AssertionError

async def main():
    failed = []
    def body():
        try: anyio.run(recurse)
        except BaseException as problem: failed.append(problem)
    threading.stack_size(256 * 1024)
    thread = threading.Thread(target=body)
    thread.start(); thread.join()
    assert not failed, failed
""",
    "use-after-a-trap": """
async def main():
    async with Engine(CONFIG) as engine:
        for _ in range(50):
            instance = await start(engine)
            function = instance.function("#add")
            try: await instance.call("#trap")
            except Trapped: pass
            for attempt in (lambda: instance.call(function, 1, 2), lambda: function(1, 2)):
                try: await attempt()
                except InstanceClosed: pass
                else: raise AssertionError
            instance.close()
""",
    "a-guest-enters-itself": """
async def main():
    async with Engine(CONFIG) as engine:
        def again(caller, text):
            call = caller.instance.start(caller.instance.function("#shout"), (text,), print)
            call.poll()
        instance = await start(engine, note=again)
        try: await instance.call("#shout", "x")
        except HostFunctionFailed as fault: assert isinstance(fault.__cause__, InstanceBusy)
        else: raise AssertionError
        closes = await start(engine, note=lambda caller, text: caller.instance.close())
        try: await closes.call("#shout", "x")
        except (InstanceClosed, GuestFault): pass
        else: raise AssertionError
        assert closes.is_closed
""",
    "results-are-freed-once": """
async def main():
    async with Engine(CONFIG) as engine:
        instance = await start(engine)
        handler = "test:probe/handler#handle-message"
        for size in (0, 1, 31, 32, 33, 4096, 100_000):
            for _ in range(20):
                data = bytes(size)
                assert await instance.call(handler, "s", None, data) == Ok(data)
                assert await instance.call("#relay", data) == data
""",
    "instances-are-forgotten": """
async def main():
    import gc
    async with Engine(CONFIG) as engine:
        component = await engine.load(probe)
        def wait(caller, ms): return Pending()
        linked = component.link([host(wait=wait)])
        for _ in range(300):
            instance = await linked.instantiate(caller=Caller("x"))
            call = instance.start(instance.function("#nap"), (1,), lambda call: None)
            call.poll()
            del instance, call
        gc.collect()
        for _ in range(300):
            await linked.instantiate(caller=Caller("x"))
        gc.collect()
""",
    "cancel-anywhere": """
async def main():
    async with Engine(CONFIG) as engine:
        async def wait(caller, ms):
            await anyio.sleep(ms / 1000)
            return ms
        for delay in (0, 0.001, 0.01, 0.03):
            for call in (("#nap", 20), ("#spin", 10**10), ("#relay", bytes(1000))):
                instance = await start(engine, limits=Limits(fuel=2**60), wait=wait)
                with anyio.move_on_after(delay):
                    await instance.call(*call)
                instance.close()
""",
    "functions-of-another-instance": """
async def main():
    async with Engine(CONFIG) as engine:
        one, two = await start(engine), await start(engine)
        for function in (one.function("#add"), one.function("#shout")):
            try: two.start(function, (1, 2), lambda call: None)
            except NoSuchExport: pass
            else: raise AssertionError
        assert await two.call("#add", 1, 2) == 3
""",
    "the-engine-ends-first": """
async def main():
    async with Engine(CONFIG) as engine:
        instance = await start(engine, wait=lambda caller, ms: Pending())
        call = instance.start(instance.function("#nap"), (1,), lambda call: None)
        assert call.poll() is CallState.WAITING
        idle = await start(engine)
    assert call.poll() is CallState.DONE
    assert instance.is_closed
    try: await idle.call("#add", 1, 2)
    except RuntimeError: pass
    else: raise AssertionError
    idle.close()
""",
    "copies-of-what-owns-memory": """
import copy, gc, pickle
async def main():
    async with Engine(CONFIG) as engine:
        component = await engine.load(probe)
        linked = component.link([host()])
        instance = await linked.instantiate(caller=Caller("x"))
        call = instance.start(instance.function("#add"), (1, 2), lambda call: None)
        single = engine, component, linked, instance, instance.exports, instance._handles, call
        pools = InstancePool(linked), InstanceQueue(instance)
        for thing in (*single, *pools, instance.caller.account):
            for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
                try: attempt(thing)
                except NotCopyable as error: assert error.type_name, error
                else: raise AssertionError((thing, attempt))
            gc.collect()
        assert call.poll() is CallState.DONE
        assert await instance.call("#add", 1, 2) == 3
""",
    "two-threads-on-one-store": """
async def main():
    async with Engine(CONFIG) as engine:
        instance = await start(engine)
        seen = []
        def intrude():
            try: instance.start(instance.function("#add"), (1, 2), lambda call: None).poll()
            except BaseException as problem: seen.append(problem)
        async with anyio.create_task_group() as group:
            group.start_soon(instance.call, "#spin", 30_000_000)
            await anyio.sleep(0.02)
            await anyio.to_thread.run_sync(intrude)
        assert seen and isinstance(seen[0], (InstanceBusy, RuntimeError)), seen
""",
    "signals-while-a-guest-runs": """
import signal
def interrupt(number, frame):
    while frame is not None:
        if frame.f_code is Call.poll.__code__: raise KeyboardInterrupt
        frame = frame.f_back

async def main():
    if not hasattr(signal, "setitimer"): return
    signal.signal(signal.SIGALRM, interrupt)
    for config in (CONFIG, EngineConfig.dense(CONFIG.cache_folder)):
        seen = 0
        async with Engine(config) as engine:
            linked = (await engine.load(probe)).link([host()])
            signal.setitimer(signal.ITIMER_REAL, 0.0007, 0.0007)
            while seen < 20:
                try:
                    instance = await linked.instantiate(caller=Caller("x"))
                    for _ in range(50): await instance.call("#nap", 1)
                except KeyboardInterrupt: seen += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
        assert signal.getsignal(signal.SIGALRM) is interrupt
""",
    "recursion-ends-in-a-host-function": """
def finish(work):
    try: work.send(None)
    except StopIteration as end: return end.value
    raise AssertionError("it waits")

def deep(depth, work):
    return deep(depth - 1, work) if depth else finish(work())

async def main():
    for config in (CONFIG, EngineConfig.dense(CONFIG.cache_folder)):
        async with Engine(config) as engine:
            linked = (await engine.load(probe)).link([host()])
            failed = 0
            for depth in range(sys.getrecursionlimit() - 60, sys.getrecursionlimit()):
                try: instance = deep(depth, lambda: linked.instantiate(caller=Caller("x")))
                except RecursionError: failed += 1
                instance = await linked.instantiate(caller=Caller("x"))
                try: assert deep(depth, lambda: instance.call("#nap", 1)) == 1
                except RecursionError: failed += 1
            assert failed > 20
""",
    "out-of-mappings": """
async def main():
    from airswasm.runtime._process.mappings import mappings_of_process
    counted = mappings_of_process()
    if counted is None or counted[1] > 300_000: return
    import ctypes, mmap
    libc = ctypes.CDLL(None)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    number, page = counted[1] - counted[0] - 4000, mmap.PAGESIZE
    area = mmap.mmap(-1, number * page)
    start_of_it = ctypes.addressof(ctypes.c_char.from_buffer(area))
    for at in range(0, number, 2):
        assert libc.mprotect(start_of_it + at * page, page, mmap.PROT_READ) == 0
    few = EngineConfig(CONFIG.cache_folder)
    many = EngineConfig(CONFIG.cache_folder, memory_reservation_bytes=0, memory_guard_bytes=0)
    for config in (few, many):
        async with Engine(config) as engine:
            linked = (await engine.load(probe)).link([host()])
            living = []
            for turn in range(3):
                try:
                    while len(living) < 3000:
                        living.append(await linked.instantiate(caller=Caller("x")))
                except HostExhausted as problem: assert "vm.max_map_count" in str(problem)
                else: raise AssertionError("it never ended")
                for instance in living[::2]: instance.close()
                living = living[1::2]
                assert await living[0].call("#add", 1, 2) == 3
                await anyio.sleep(0.15)
""",
    "huge-values-cross": """
async def main():
    async with Engine(CONFIG) as engine:
        limits = Limits(host_call_bytes=10_000, memory_bytes=2**24)
        instance = await start(engine, limits=limits)
        try: await instance.call("#relay", bytes(1_000_000))
        except ValueMismatch: pass
        else: raise AssertionError
        instance = await start(engine, limits=limits, reflect=lambda caller, data: data * 100)
        try: await instance.call("#relay", bytes(1_000))
        except HostCallTooLarge: pass
        else: raise AssertionError
""",
}


@pytest.fixture(scope="session")
def victims(tmp_path_factory, probe_wasm, abyss_wasm) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("victims")
    paths = folder / "probe.wasm", folder / "abyss.wasm"
    paths[0].write_bytes(probe_wasm)
    paths[1].write_bytes(abyss_wasm)
    return paths


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_process_survives(attack, victims, cache_folder):
    """The attack ends in the errors that the script expects, and the process does not."""
    script = f"{PRELUDE}\n{ATTACKS[attack]}\nrun(main)\nprint('alive')"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", script, *map(str, victims), str(cache_folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("alive")
