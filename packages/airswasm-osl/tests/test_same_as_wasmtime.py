"""The same calls, by the same CPython guest, through the engine's own WASI and through ours.

Differences are the documented ones of docs/files.md, and no others: `..` is refused, links are not
followed or made, and names with a backslash or the host's prefix are refused. In each of these our
answer is an error, and nothing has changed. `rmdir("d/")` does what POSIX says, and so what the
system does, where the engine's own refuses; `rmdir("")` from the root is such a call here. A path
of 4,096 bytes is too long whatever else is wrong with the call, as Linux has it.
"""

from __future__ import annotations

import errno
import json
import os
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from airswasm.osl import BLOCK, OslPolicy, folders_below, provide
from airswasm.runtime import Caller, Engine, EngineConfig, Limits, Services
from airswasm.security import Grants, Guard, Kinds
from wasmtime import component as engine_component

pytestmark = pytest.mark.anyio
SEEDS = range(int(os.environ.get("AIRSWASM_FILE_SEEDS", "2")))
CALLS = 120
TOO_LONG = 4096
KINDS = Kinds(BLOCK.capabilities)
VERBS = ("read", "write", "delete", "list")
EVERYTHING = Grants({f"filesystem:{verb}": ("/**",) for verb in VERBS})
ROOMY = Limits(memory_bytes=64 * 1024 * 1024, memories=8, fuel=10**12, timeout=60.0)
GUEST = """
import errno, json, os, stat

def told(status):
    kind = stat.S_IFMT(status.st_mode)
    return [kind, status.st_size if stat.S_ISREG(status.st_mode) else 0]

def call(name, *args):
    args = [tuple(each) if isinstance(each, list) else each for each in args]
    try:
        if name == "open":
            fd = os.open(*args)
            status = os.fstat(fd)
            os.close(fd)
            return ["ok", told(status)[0]]
        if name in ("stat", "lstat"):
            return ["ok", told(getattr(os, name)(*args))]
        if name == "listdir":
            return ["ok", sorted(os.listdir(*args))]
        return ["ok", getattr(os, name)(*args)]
    except OSError as error:
        return ["error", errno.errorcode.get(error.errno, error.errno)]
    except ValueError as error:  # Python's own: a NUL, a surrogate
        return ["value", str(error)]

answer = json.dumps([call(*each) for each in json.loads(CALLS)])
"""
# The flags of wasi-libc.
READ, WRITE, NOFOLLOW = 0x04000000, 0x10000000, 0x01000000
CREATE, DIRECTORY, EXCLUSIVE, TRUNCATE = 1 << 12, 2 << 12, 4 << 12, 8 << 12
NAMES = (
    "f", "d", "empty", "new", "d/g", "d/e", "d/e/h", "d/new", "ü", "f/x", "new/x", "d/e/h/x",
    "lf", "ld", "lx", "ll", "ld/g", "lf/x", "labs", "lup",
)  # fmt: skip
ODD = ("", ".", "..", "./", "../..", "x" * 300, "x" * 255, "y/" * 3000, "a\\b", ".airswasm-x", "é")
ENDS = ("", "", "", "", "/", "//", "/.", "/./", "/..", "/../")
STARTS = ("", "", "", "", "./", "d/../", "../", ".//", "empty/../")
OPERATIONS = (
    "open", "open", "open", "stat", "lstat", "mkdir", "rmdir", "unlink", "rename", "rename",
    "readlink", "utime", "listdir", "symlink", "link", "truncate",
)  # fmt: skip
LINKS = {"lf": "f", "ld": "d", "lx": "nowhere", "ll": "ll", "labs": "/etc", "lup": "../x"}
Call = list[Any]


def make_tree(folder: Path) -> None:
    (folder / "d/e").mkdir(parents=True)
    (folder / "empty").mkdir()
    for name, text in (("f", "f"), ("d/g", "gg"), ("d/e/h", "hhh"), ("ü", "u")):
        (folder / name).write_text(text)
    for name, target in LINKS.items():
        (folder / name).symlink_to(target)


def spell(choices: random.Random) -> str:
    if choices.random() < 0.06:
        return choices.choice(ODD)
    return choices.choice(STARTS) + choices.choice(NAMES) + choices.choice(ENDS)


def make_call(choices: random.Random) -> Call:
    name, path = choices.choice(OPERATIONS), spell(choices)
    if name == "open":
        flags = choices.choice((READ, WRITE, READ | WRITE))
        for each in (CREATE, DIRECTORY, EXCLUSIVE, TRUNCATE, NOFOLLOW):
            flags |= each if choices.random() < 0.3 else 0
        return [name, path, flags]
    further = {"mkdir": [0o700], "utime": [[1, 2]], "truncate": [1]}
    if name in ("rename", "symlink", "link"):
        return [name, path, spell(choices)]
    return [name, path, *further.get(name, [])]


def in_tree(number: int, call: Call) -> Call:
    """Give each call a tree of its own."""
    name, *paths = call
    first = paths[0] if name == "symlink" else f"/{number}/{paths[0]}"
    rest = [f"/{number}/{each}" if isinstance(each, str) else each for each in paths[1:]]
    return [name, first, *rest]


def content(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "directory" if path.is_dir() else path.read_text()
    return found


def in_system(folder: Path, path: str) -> tuple[list[object], dict[str, str]]:
    """Return what the system answers to `rmdir` in such a tree, and what is in it then."""
    make_tree(folder)
    try:
        os.rmdir(f"{folder}/{path}")  # noqa: PTH106 - a Path has no slash at its end
        answer: list[object] = ["ok", None]
    except OSError as error:
        answer = ["error", errno.errorcode[error.errno or 0]]
    return answer, content(folder)


def is_documented(call: Call) -> bool:
    """Whether the page says that we refuse what the engine's own WASI may allow."""
    texts = [each for each in call[1:] if isinstance(each, str)]
    names = {name for text in texts for name in text.split("/")}
    reserved = any(each.startswith(".airswasm-") or "\\" in each for each in names)
    return call[0] in ("link", "symlink") or reserved or bool(names & {"..", *LINKS})


def program(calls: Sequence[Call]) -> str:
    return f"CALLS = {json.dumps(calls)!r}\n{GUEST}"


class Theirs:
    """The engine's own WASI, with the folder as its `/`."""

    def __init__(self, wasm: Path) -> None:
        self.engine = wasmtime.Engine()
        self.component = engine_component.Component.from_file(self.engine, str(wasm))

    def run(self, folder: Path, calls: Sequence[Call]) -> list[Any]:
        linker = engine_component.Linker(self.engine)
        linker.add_wasip2()
        store = wasmtime.Store(self.engine)
        wasi = wasmtime.WasiConfig()
        wasi.preopen_dir(str(folder), "/")
        store.set_wasi(wasi)
        function = linker.instantiate(store, self.component).get_func(store, "run")
        assert function is not None
        return json.loads(function(store, program(calls)))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def theirs(plain_python_wasm: Path) -> Theirs:
    return Theirs(plain_python_wasm)


@pytest.fixture
async def engine(anyio_backend: str, cache_folder: Path) -> AsyncIterator[Engine]:
    async with Engine(EngineConfig(cache_folder=cache_folder)) as engine:
        yield engine


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_paths_mean_the_same(
    engine: Engine, theirs: Theirs, plain_python_wasm: Path, tmp_path: Path, seed: int
) -> None:
    """Every function on paths, over every kind of tree and spelling."""
    choices = random.Random(seed)
    calls = [make_call(choices) for _ in range(CALLS)]
    made = [in_tree(number, call) for number, call in enumerate(calls)]
    folder, own = tmp_path / "theirs", tmp_path / "ours/local/a"
    for number in range(CALLS):
        make_tree(folder / str(number))
        make_tree(own / str(number))
    untouched = content(own / "0")
    services = Services()
    services.add(Guard, Guard(KINDS, {"local/a": EVERYTHING}))
    services.add(OslPolicy, OslPolicy(folders_below(tmp_path / "ours")))
    component = await engine.load(plain_python_wasm, name="plain")
    linked = component.link(provide(services))
    instance = await linked.instantiate(limits=ROOMY, caller=Caller("local/a"))
    answer = await instance.call("#run", program(made))
    mine, others = json.loads(str(answer)), theirs.run(folder, made)
    differences = []
    for number, call in enumerate(calls):
        got, expected = mine[number], others[number]
        now, then = content(own / str(number)), content(folder / str(number))
        if is_documented(call) and got[0] != "ok":
            assert now == untouched, call
        elif got == ["error", "ENAMETOOLONG"] and max(map(len, map(str, call))) >= TOO_LONG:
            assert (now, then) == (untouched, untouched), call
        elif call[0] == "rmdir" and made[number][1].endswith("/"):
            assert (got, now) == in_system(tmp_path / "posix" / str(number), call[1]), call
        elif (got, now) != (expected, then):
            differences.append((call, {"ours": got, "theirs": expected, "same": now == then}))
    assert differences == []
