"""Scripts of the component model's kind (.wast), run with the bytes bridge and without it.

`guests/wast` has our own. Set AIRSWASM_WAST to a folder, such as the tests/misc_testsuite/
component-model of a checkout of wasmtime, to run whatever scripts it has.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from airswasm.runtime import (
    Caller,
    Case,
    Component,
    Engine,
    EngineConfig,
    EngineError,
    Err,
    GuestFault,
    HostCallTooLarge,
    HostFunction,
    HostInterface,
    HostResource,
    Instance,
    InstanceClosed,
    InvalidComponent,
    Limits,
    Ok,
    UnsatisfiedImport,
    ValueMismatch,
)

pytestmark = pytest.mark.anyio
OURS = sorted((Path(__file__).parent / "guests" / "wast").glob("*.wast"))
THEIRS = sorted(Path(os.environ.get("AIRSWASM_WAST", "/nowhere")).rglob("*.wast"))
LIMITS = Limits(fuel=20_000_000, memories=16, tables=64, instances=200)
Json = Any


class Unsupported(Exception):
    """A script needs what hosts of ours do not offer; it says what."""


@dataclass(eq=False)
class Numbered:
    """A resource of the host that scripts of the engine's own know."""

    number: int


class KnownHost:
    """What such scripts import as `host`, as far as hosts of ours can offer it."""

    def __init__(self) -> None:
        self.dropped: list[int] = []

    def interfaces(self) -> list[HostInterface]:
        """The functions of the world, and those of `host` with its resources."""
        functions: dict[str, HostFunction] = {
            "return-three": lambda _caller: 3,
            "return-hi": lambda _caller: "hi",
            "[constructor]resource1": lambda _caller, number: Numbered(number),
            "[static]resource1.assert": self.same,
            "[static]resource1.last-drop": lambda _caller: self.dropped[-1],
            "[static]resource1.drops": lambda _caller: len(self.dropped),
            "[method]resource1.simple": self.same,
            "[method]resource1.take-borrow": self.two,
            "[method]resource1.take-own": self.two,
        }
        one = HostResource(drop=lambda it: self.dropped.append(it.number))
        world = {"host-echo-u32": lambda _caller, it: it, "host-return-two": lambda _caller: 2}
        return [
            HostInterface("", world),
            HostInterface("host", functions, {"resource1": one, "resource2": HostResource()}),
        ]

    def same(self, _caller: Caller, it: Numbered, number: int) -> None:
        assert it.number == number

    def two(self, _caller: Caller, one: Numbered, other: Numbered) -> None:
        assert isinstance(one, Numbered)
        assert isinstance(other, Numbered)


@dataclass
class Script:
    """One run of a script.

    Attributes:
        counts: how many commands of each type had the outcome that they state.
        skipped: why others were not run, and how often.
    """

    engine: Engine
    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    definitions: dict[str | None, Component] = field(default_factory=dict)
    instances: dict[str | None, Instance | None] = field(default_factory=dict)
    host: KnownHost = field(default_factory=KnownHost)

    async def run(self, commands: list[Json]) -> None:
        """Runs all; an outcome that is not the stated one is an AssertionError."""
        for command in commands:
            kind = command["type"]
            try:
                await getattr(self, f"_{kind}")(command)
            except Unsupported as missing:
                self.skipped[str(missing)] += 1
            except AssertionError as problem:
                raise AssertionError(f"line {command['line']}: {problem}") from problem
            else:
                self.counts[kind] += 1

    async def _load(self, command: Json) -> Component:
        wasm = (self.folder / command["filename"]).read_bytes()
        return await self.engine.load(wasm, name=f"line {command['line']}")

    async def _start(self, component: Component) -> Instance:
        try:
            linked = component.link(self.host.interfaces())
        except UnsatisfiedImport as missing:
            raise Unsupported(f"no `{missing.function}` of `{missing.interface}`") from missing
        return await linked.instantiate(caller=Caller(component.name), limits=LIMITS)

    async def _module(self, command: Json) -> None:
        self.instances[None] = self.instances[command.get("name")] = None
        component = await self._accepted(command)
        instance = await self._start(component)
        self.instances[None] = self.instances[command.get("name")] = instance
        self.definitions[command.get("name")] = component

    async def _accepted(self, command: Json) -> Component:
        try:
            return await self._load(command)
        except InvalidComponent as refused:  # a proposal that is off, or a core module
            said = refused.reason.splitlines()[-1].partition(" (at offset")[0].strip()
            raise Unsupported(f"refused: {said}") from refused

    async def _module_definition(self, command: Json) -> None:
        self.definitions[command.get("name")] = await self._accepted(command)

    async def _module_instance(self, command: Json) -> None:
        self.instances[None] = self.instances[command.get("instance")] = None
        component = self.definitions.get(command.get("module"))
        if component is None:
            raise Unsupported("a definition that was refused")
        instance = await self._start(component)
        self.instances[None] = self.instances[command.get("instance")] = instance

    async def _action(self, command: Json) -> object:
        action = command["action"]
        instance = self.instances.get(action.get("module"))
        if instance is None:
            raise Unsupported("an instance that was not made")
        path = f"#{action['field']}"
        if not instance.has_export(path):
            raise Unsupported("an export that is no function")
        return await instance.call(path, *(value_of(each) for each in action["args"]))

    async def _assert_return(self, command: Json) -> None:
        try:
            result = await self._action(command)
        except (EngineError, ValueMismatch) as problem:
            raise AssertionError(f"it ended with {type(problem).__name__}: {problem}") from problem
        expected = [value_of(each) for each in command["expected"]]
        assert result == (expected[0] if expected else None)

    async def _assert_trap(self, command: Json) -> None:
        await self._ends(self._action(command), command["text"])

    async def _assert_uninstantiable(self, command: Json) -> None:
        component = await self._accepted(command)
        await self._ends(self._start(component), command["text"])

    async def _ends(self, work: Awaitable[object], text: str) -> None:
        ended = await _raised(work, GuestFault, InstanceClosed)
        if isinstance(ended, InstanceClosed):  # a script may go on with what a trap has ended
            assert "cannot enter" in text, "it was ended already"
        elif not isinstance(ended, HostCallTooLarge):
            assert text in f"{ended} {ended.message}"

    async def _assert_invalid(self, command: Json) -> None:
        if command.get("module_type") == "text":
            raise Unsupported("text that does not parse")
        await _raised(self._load(command), InvalidComponent)

    _assert_malformed = _assert_invalid

    async def _assert_unlinkable(self, _command: Json) -> None:
        raise Unsupported("a link to the reference host")

    async def _register(self, _command: Json) -> None:
        raise Unsupported("instances that import each other")

    async def _thread(self, _command: Json) -> None:
        raise Unsupported("threads")

    _wait = _thread


async def _raised(work: Awaitable[object], *kinds: type[Exception]) -> Exception:
    """The exception that `work` must end with."""
    try:
        result = await work
    except kinds as raised:
        return raised
    raise AssertionError(f"it gave {result!r}")


def value_of(written: Mapping[str, Json]) -> object:
    """A value as the script has it, in Python's terms."""
    kind, value = written["type"], written.get("value")
    match kind:
        case "bool":
            return value in (True, "true")
        case "string":
            return value
        case "char":
            return value
        case "f32" | "f64":
            raise Unsupported("floating-point numbers, which are written as bits")
        case "list":
            items = [value_of(each) for each in value]
            is_bytes = bool(value) and all(each["type"] == "u8" for each in value)
            return bytes(items) if is_bytes else items or Nothing()
        case "tuple":
            return tuple(value_of(each) for each in value)
        case "record":
            return Fields({name: value_of(each) for name, each in value})
        case "variant":
            payload = value.get("payload")
            return Case(value["case"], None if payload is None else value_of(payload))
        case "enum":
            return value
        case "flags":
            return frozenset(value)
        case "option":
            return None if value is None else value_of(value)
        case "result":
            payload = next(iter(value.values()))
            side = Ok if "ok" in {key.lower() for key in value} else Err
            return side(None if payload is None else value_of(payload))
    return int(value)


class Nothing(list[object]):
    """An empty list, which a script does not say of what: also no bytes."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return other in ([], b"") and not isinstance(other, bool)


class Fields(dict[str, object]):
    """A record, which goes down as a mapping and comes up as a dataclass."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return {name.replace("-", "_"): each for name, each in self.items()} == {
            name: getattr(other, name) for name in getattr(other, "__slots__", ())
        }


def commands_of(script: Path, folder: Path) -> list[Json]:
    """A script's commands, its components written to `folder`."""
    beside = Path(sys.executable).with_name("wasm-tools")
    tool = str(beside) if beside.exists() else shutil.which("wasm-tools") or "wasm-tools"
    out = folder / "script.json"
    done = subprocess.run(
        [tool, "json-from-wast", str(script), "-o", str(out), "--wasm-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unsupported(done.stderr)
    commands: list[Json] = json.loads(out.read_text("utf-8"))["commands"]
    return commands


@pytest.fixture(params=[True, False], ids=["bridged", "plain"])
async def engine(request: pytest.FixtureRequest, config: EngineConfig):  # type: ignore[no-untyped-def]
    async with Engine(replace(config, bridge_bytes=request.param)) as engine:
        yield engine


@pytest.fixture
def anyio_backend() -> str:
    """The event loop is not what is tested here."""
    return "asyncio"


ONLY = {"leaving": False, "leaving-bridged": True}
"""Scripts for one way that bytes cross."""


@pytest.mark.parametrize("script", OURS, ids=lambda path: path.stem)
async def test_our_scripts_end_as_they_say(script: Path, engine: Engine, tmp_path: Path) -> None:
    """Every command has the outcome that it states, whichever way bytes cross."""
    if ONLY.get(script.stem, engine.config.bridge_bytes) is not engine.config.bridge_bytes:
        pytest.skip("its outcome differs this way, as it says")
    commands = commands_of(script, tmp_path)
    run = Script(engine, tmp_path)
    await run.run(commands)
    assert not run.skipped
    assert run.counts.total() == len(commands) > 0


TOO_LARGE = {"big-strings"}


@pytest.mark.skipif(not THEIRS, reason="AIRSWASM_WAST names no folder with scripts")
async def test_scripts_of_others_end_as_they_say(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command that a host of ours can run has its outcome; the rest is counted."""
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    wrong: list[str] = []
    for number, script in enumerate(THEIRS):
        if script.stem in TOO_LARGE:
            skipped["scripts with memories of 4 GiB"] += 1
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            run = Script(engine, folder)
            await run.run(commands_of(script, folder))
        except Unsupported:
            skipped["scripts that wasm-tools does not read"] += 1
        except AssertionError as problem:
            wrong.append(f"{script.name}, {problem}")
        counts += run.counts
        skipped += run.skipped
    with capsys.disabled():
        print(f"\n{dict(counts)}")
        for why, times in skipped.most_common():
            print(f"  not run, {times:4}: {why}")
    assert not wrong, "\n".join(wrong)
    assert counts["assert_return"] + counts["assert_trap"] > 0
