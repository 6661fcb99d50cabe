"""One component of each language, written against the bindings, on the real runtime.

Each makes the same tour: it calls every host function once and answers with what each gave. So
the host sees the same calls, and the answers are the same text, whatever the language.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from airswasm.wit import check_component, contract, names

if TYPE_CHECKING:
    from airswasm.runtime import Instance

runtime = pytest.importorskip("airswasm.runtime", reason="pip install airswasm-runtime")

pytestmark = pytest.mark.anyio

TOUR = (
    "send ok;request 7;call C;cancel true;publish 3;retain 4;broadcast ok round;"
    "envelope id c 2 9 t cbor 1 r true;subscribe ok;unsubscribe invalid no;"
    "later 9;every invalid no;end false;"
    "get none;set ok;get v;exists true;delete true;scan x=y next x;back x=y;"
    "ttl 8;expiring ok;swap s;batch 1;full 1 2 3 4 5 6;prefix 2 true;usage 1 2 3;check true;"
    "list storage:read=**;read data;write ok;append ok;remove not-found f;mkdir ok;ls n file;"
    "stat directory 5 6;run 3 out err;connect;receive tcp;send ok;exchange U;"
    "resolve 1.2.3.4 ::1;http 200 c=d page;trace 00-a-b-01"
)


CALLS = [
    ("log", "warn", "message from local/asker"),
    ("send", "local/other", b"s"),
    ("request", "local/other", b"r", 5),
    ("call", "local/other", b"c", 6),
    ("cancel", 2**64 - 1),
    ("publish", "a.b", b"p"),
    ("publish-retained", "a.b", b"p"),
    ("broadcast", ["a/a", "b/b"], b"x"),
    ("envelope",),
    ("subscribe", "a.**"),
    ("unsubscribe", "a.**"),
    ("send-later", "local/other", b"l", 2**64 - 1, True),
    ("send-every", "local/other", b"e", 11, False),
    ("cancel", 2**64 - 1),
    ("get", "k"),
    ("set", "k", b"v"),
    ("get", "k"),
    ("exists", "k"),
    ("delete", "k"),
    ("scan-prefix", "", "a", 10),
    ("scan", "p", None, 3, True),
    ("ttl", "k"),
    ("set-with-ttl", "k", b"v", 9),
    ("compare-and-set", "k", b"o", b"n", None),
    ("batch", "p/", ["a", "c"], [1, 2], b"122", ["b"]),
    ("batch", "", [], [], b"", []),
    ("delete-prefix", "p/"),
    ("usage",),
    ("check", "storage:read", "k"),
    ("list",),
    ("read", "f", 1, 9),
    ("write", "f", b"w"),
    ("append", "f", b"a"),
    ("remove", "f"),
    ("create-directory", "d"),
    ("list-directory", "d"),
    ("stat", "f"),
    ("run", "echo", ["a", "b"], b"in", 7),
    ("connect", "h:1", 8),
    ("[method]connection.receive", "connection", 9),
    ("[method]connection.send", "connection", b"x"),
    ("drop", "connection"),
    ("exchange", "h:2", b"u", 9),
    ("resolve", "h", 9),
    ("request", "GET", "http://h/", [("a", "b")], b"body", 10),
    ("current",),
    ("set-attribute", "k", "v"),
    ("add-event", "e", 1),
]


ENVELOPE = {
    "id": "id",
    "correlation": "c",
    "hops": 2,
    "remaining_ms": 9,
    "traceparent": "t",
    "codec": "cbor",
    "attempt": 1,
    "replay_of": "r",
    "retained": True,
}


class Host:
    """Offers every interface with one fixed answer for each function, and notes the calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.stored: bytes | None = None

    def interfaces(self) -> list[object]:
        ok, err, case = runtime.Ok, runtime.Err, runtime.Case
        done = ok(None)
        return [
            self._offer("airswasm:component/logging@0.1.0", {"log": None}),
            self._offer(
                "airswasm:component/messaging@0.1.0",
                {
                    "send": done,
                    "request": ok(7),
                    "call": ok(b"C"),
                    "cancel": True,
                    "publish": ok(3),
                    "publish-retained": ok(4),
                    "broadcast": ok([done, err(case("too-many-hops", "round"))]),
                    "envelope": ENVELOPE,
                    "subscribe": done,
                    "unsubscribe": err(case("invalid", "no")),
                },
            ),
            self._offer(
                "airswasm:component/timers@0.1.0",
                {"send-later": ok(9), "send-every": err(case("invalid", "no")), "cancel": False},
            ),
            self._storage(),
            self._offer(
                "airswasm:component/capabilities@0.1.0",
                {"check": True, "list": [{"capability": "storage:read", "pattern": "**"}]},
            ),
            *self._doors(),
            self._offer("airswasm:component/dns@0.1.0", {"resolve": ok(["1.2.3.4", "::1"])}),
            self._offer(
                "airswasm:component/tracing@0.1.0",
                {"current": "00-a-b-01", "set-attribute": None, "add-event": None},
            ),
        ]

    def _storage(self) -> object:
        ok, err, case = runtime.Ok, runtime.Err, runtime.Case
        quota = {
            "used_bytes": 1, "needed_bytes": 2, "quota_bytes": 3,
            "used_keys": 4, "needed_keys": 5, "quota_keys": 6,
        }  # fmt: skip
        batches = iter([ok(1), err(case("quota-exceeded", quota))])
        offered = {
            "get": lambda: ok(self.stored),
            "set": lambda: setattr(self, "stored", b"v") or ok(None),
            "delete": lambda: ok(True),
            "exists": lambda: ok(True),
            "scan-prefix": lambda: ok({"entries": [{"key": "x", "value": b"y"}], "next": "x"}),
            "scan": lambda: ok({"entries": [{"key": "x", "value": b"y"}], "next": None}),
            "ttl": lambda: ok(8),
            "set-with-ttl": lambda: ok(None),
            "compare-and-set": lambda: err(case("conflict", b"s")),
            "batch": lambda: next(batches),
            "delete-prefix": lambda: ok({"keys": 2, "more": True}),
            "usage": lambda: ok({"used_bytes": 1, "keys": 2, "quota_bytes": 3, "quota_keys": None}),
        }
        functions = {name: self._noting(name, answer) for name, answer in offered.items()}
        return runtime.HostInterface("airswasm:component/storage@0.1.0", functions)

    def _doors(self) -> list[object]:
        ok, err, case = runtime.Ok, runtime.Err, runtime.Case
        done, info = ok(None), {"kind": "file", "size_bytes": 5, "modified_ns": 6}
        openers = ("read", "write", "update", "create", "replace")
        received = iter([ok({"sender": "1.2.3.4:2", "data": b"D"}), err(case("timed-out"))])
        return [
            self._offer(
                "airswasm:component/filesystem@0.1.0",
                {
                    "read": ok(b"data"),
                    "write": done,
                    "append": done,
                    "remove": err(case("not-found", "f")),
                    "rename": done,
                    "create-directory": done,
                    "list-directory": ok([{"name": "n", "kind": "file"}]),
                    "list-page": ok([{"name": "b", "kind": "file"}]),
                    "stat": ok({"kind": "directory", "size_bytes": 5, "modified_ns": 6}),
                    **{f"open-to-{each}": ok("open-file") for each in openers},
                    "[method]open-file.read": ok(b"data"),
                    "[method]open-file.write": done,
                    "[method]open-file.append": ok(9),
                    "[method]open-file.set-size": done,
                    "[method]open-file.sync": done,
                    "[method]open-file.info": ok(info),
                    "[method]open-file.commit": done,
                },
                "open-file",
            ),
            self._offer(
                "airswasm:component/process@0.1.0",
                {
                    "run": ok({"exit_code": 3, "stdout": b"out", "stderr": b"err"}),
                    "spawn": ok("child"),
                    "[method]child.read-stdout": ok(b"out"),
                    "[method]child.read-stderr": ok(b"err"),
                    "[method]child.write-stdin": done,
                    "[method]child.close-stdin": None,
                    "[method]child.signal": done,
                    "[method]child.wait": ok(-9),
                    "[method]child.kill": None,
                },
                "child",
            ),
            self._offer(
                "airswasm:component/tcp@0.1.0",
                {
                    "connect": ok("connection"),
                    "[method]connection.receive": ok(b"tcp"),
                    "[method]connection.send": done,
                    "[method]connection.finish": done,
                    "[method]connection.peer": "1.2.3.4:1",
                    "listen": ok("listener"),
                    "[method]listener.address": "127.0.0.1:7",
                    "[method]listener.accept": ok("connection"),
                },
                "connection",
                "listener",
            ),
            self._offer(
                "airswasm:component/udp@0.1.0",
                {
                    "exchange": ok(b"U"),
                    "bind": ok("socket"),
                    "[method]socket.address": "127.0.0.1:8",
                    "[method]socket.send": done,
                    "[method]socket.receive": lambda: next(received),
                },
                "socket",
            ),
            self._offer(
                "airswasm:component/http@0.1.0",
                {
                    "request": ok({"status": 200, "headers": [("c", "d")], "body": b"page"}),
                    "open": ok("request-body"),
                    "[method]request-body.write": done,
                    "[method]request-body.finish": ok("response-body"),
                    "[method]response-body.status": 418,
                    "[method]response-body.headers": [("e", "f")],
                    "[method]response-body.read": ok(b"part"),
                    "[method]response-body.trailers": [("g", "h")],
                },
                "request-body",
                "response-body",
            ),
        ]

    def _offer(self, name: str, answers: dict[str, object], *resources: str) -> object:
        functions = {
            function: self._noting(
                function, answer if callable(answer) else lambda answer=answer: answer
            )
            for function, answer in answers.items()
        }
        dropped = {
            each: runtime.HostResource(lambda value: self.calls.append(("drop", value)))
            for each in resources
        }
        return runtime.HostInterface(name, functions, dropped)

    def _noting(self, name: str, answer: Callable[[], object]) -> Callable[..., object]:
        def function(caller: object, *arguments: object) -> object:
            self.calls.append((name, *arguments))
            return answer()

        return function

    def logged(self) -> list[object]:
        return [call[2] for call in self.calls if call[0] == "log"]


@pytest.fixture(params=["c", "rust", "python", "javascript"])
def tour(request: pytest.FixtureRequest) -> bytes:
    wasm = request.getfixturevalue(f"tour_{request.param}")
    assert isinstance(wasm, bytes)
    return wasm


async def started(engine: object, wasm: bytes, host: Host) -> "Instance":
    component = await engine.load(wasm)  # type: ignore[attr-defined]
    limits = runtime.Limits(memory_bytes=64 * 1024 * 1024, fuel=2_000_000_000, timeout=60.0)
    linked = component.link(host.interfaces())
    return await linked.instantiate(limits=limits, caller=runtime.Caller("local/tour"))


async def test_every_interface_works(
    anyio_backend: str, tour: bytes, engine_config: object
) -> None:
    """The component passes the check, and each of its calls reaches the host and returns."""
    report = check_component(tour, offered={*contract().host_interfaces, *runtime.WASI_INTERFACES})
    report.raise_for_problems()
    assert set(report.exports) == set(names.GUEST_INTERFACES)
    assert set(report.imports) == set(contract().host_interfaces)
    host = Host()
    async with runtime.Engine(engine_config) as engine:
        instance = await started(engine, tour, host)
        answer = await instance.call(names.HANDLE_MESSAGE, "local/asker", None, b"tour")
        assert answer == runtime.Ok(TOUR.encode())
        *called, (name, event, attributes) = host.calls
        assert [*called, (name, event, len(attributes))] == CALLS
        assert [(each.key, each.value) for each in attributes] == [("k", "v")]
        instance.close()


CODED = [
    *((number, b"content") for number in (0, 0x50, 0x51, 0x55, 0x7F, 0x80, 0x0200, 0x0201)),
    *((number, b"") for number in (0x300000, 0x300001, 2**53 - 1)),
]
UNCODED = [b"", b"\x80", b"\xd1\x00", b"\xff" * 12]


async def test_every_language_reads_and_writes_prefixes(
    anyio_backend: str, tour: bytes, engine_config: object
) -> None:
    """Unsigned varints, as the host has them; cut, padded and endless ones are none."""

    def varint(number: int) -> bytes:
        return (
            bytes((number,)) if number < 128 else bytes((number & 127 | 128,)) + varint(number >> 7)
        )

    host = Host()
    async with runtime.Engine(engine_config) as engine:
        instance = await started(engine, tour, host)

        async def answer(payload: bytes) -> object:
            return await instance.call(names.HANDLE_MESSAGE, "a/b", "codec", payload)

        for number, content in CODED:
            host.calls.clear()
            assert await answer(varint(number) + content) == runtime.Ok(varint(number) + content)
            assert host.logged()[-1] == f"codec {number}"
        for payload in UNCODED:
            assert await answer(payload) == runtime.Ok(b"none")
        instance.close()


async def test_every_export_works(anyio_backend: str, tour: bytes, engine_config: object) -> None:
    """Each guest function takes its arguments and gives its results as the contract has it."""
    ok, err, case = runtime.Ok, runtime.Err, runtime.Case
    host = Host()
    async with runtime.Engine(engine_config) as engine:
        instance = await started(engine, tour, host)
        call = instance.call
        assert await call(names.INIT, "{}") == ok(None)
        assert await call(names.INIT, "[]") == err("bad config []")
        assert await call(names.HANDLE_MESSAGE, "host", "a.b", b"") == ok(b"a.b")
        assert await call(names.HANDLE_MESSAGE, "host", None, b"quiet") == ok(None)
        refused = await call(names.HANDLE_MESSAGE, "host", None, "für".encode())
        assert refused == err("unknown command für")
        assert await call(names.HEALTH_CHECK) == err("unwell")
        assert await call(names.MIGRATE, "0.0.9") == ok(None)
        for outcome in (ok(b"yes"), ok(None), err(case("timed-out")), err(case("failed", "bad"))):
            await call(names.HANDLE_CALLBACK, 2**63, outcome)
        await call(names.SHUTDOWN)
        instance.close()
    tail = [f"callback {2**63} {said}" for said in ("yes", "none", "timed-out")]
    logged = host.logged()
    assert [line for line in logged if str(line).startswith("callback")][:3] == tail
    assert "bad" in str([line for line in logged if str(line).startswith("callback")][3])
    assert "migrate 0.0.9" in logged
    assert logged[-1] == "shutdown"


async def test_c_frees_what_a_message_took(
    anyio_backend: str, build_c: Callable[[str], bytes], engine_config: object
) -> None:
    """Ten times the memory limit passes through a C component without filling it."""
    limit, payload = 512 * 1024, b"x" * 10_000
    async with runtime.Engine(engine_config) as engine:
        component = await engine.load(build_c("echo"))
        instance = await component.link([]).instantiate(
            limits=runtime.Limits(memory_bytes=limit), caller=runtime.Caller("local/echo")
        )
        for _ in range(10 * limit // len(payload)):
            assert await instance.call(names.HANDLE_MESSAGE, "host", None, payload) == runtime.Ok(
                payload
            )
        instance.close()


@pytest.fixture(scope="session")
def engine_config(tmp_path_factory: pytest.TempPathFactory) -> object:
    """One compile cache for all tests: the Python guest takes seconds to compile."""
    return runtime.EngineConfig(cache_folder=tmp_path_factory.mktemp("compiled"))


DOORS = (
    "rename ok;page b;open ok;open ok;open ok;open ok;open ok;read data;write ok;append 9;"
    "size ok;sync ok;info 5;commit ok;spawn ok;out out;err err;in ok;signal ok;wait 9;finish ok;"
    "peer 1.2.3.4:1;listen 127.0.0.1:7;accept ok;bind 127.0.0.1:8;to ok;from 1.2.3.4:2 D;late true;"
    "open ok;body ok;answer 418 e=f part g=h"
)


async def test_c_opens_every_door(
    anyio_backend: str, build_c: Callable[[str], bytes], engine_config: object
) -> None:
    """Each function of a resource takes and gives what the WIT says, and each is dropped once."""
    host = Host()
    async with runtime.Engine(engine_config) as engine:
        instance = await started(engine, build_c("doors"), host)
        answer = await instance.call(names.HANDLE_MESSAGE, "local/asker", None, b"")
        assert answer == runtime.Ok(DOORS.encode())
        instance.close()
    opened = ["open-file"] * 5 + ["child", "connection", "connection", "listener", "socket"]
    opened += ["request-body", "response-body"]
    assert [call[1] for call in host.calls if call[0] == "drop"] == opened
    assert ("[method]open-file.read", "open-file", 2**64 - 1, 7) in host.calls
    spawned = ("spawn", "/bin/x", ["a", "b"], "/", [("K", "v")], 9)
    assert spawned in host.calls
    assert ("[method]child.signal", "child", "continue") in host.calls
