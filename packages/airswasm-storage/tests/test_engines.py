"""Finding engines by name: ours, those of other packages, and those that are not there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from airswasm.storage import (
    EngineMismatch,
    EngineUnknown,
    EngineUnusable,
    RocksStore,
    StorageSettings,
    StoreFormatUnknown,
    StoreLimits,
    has_store,
    installed_engines,
    open_store,
)

pytestmark = pytest.mark.anyio

PLANTED = """
from airswasm.storage.testing import MemoryDisk

disks = {}

def open_planted(folder, options):
    folder.mkdir(exist_ok=True)
    backend = disks.setdefault(folder, MemoryDisk())(folder, options)
    backend.is_persistent = True  # until this module is unloaded
    return backend

def fail(folder, options):
    raise RuntimeError("no such luck")

def forget(folder, options):
    open_planted(folder, options)

number = 5
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that offers engines, as pip installs it."""
    info = tmp_path / "site" / "stranger-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[airswasm.storage_engines]\n"
        "planted = planted_engine:open_planted\n"
        "broken = planted_engine:nothing\n"
        "failing = planted_engine:fail\n"
        "forgetful = planted_engine:forget\n"
        "number = planted_engine:number\n"
        "absent = not_installed_anywhere:open\n"
        "sqlite = planted_engine:open_planted\n"
    )
    (tmp_path / "site" / "planted_engine.py").write_text(PLANTED)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


async def test_a_stranger_s_engine_is_one_of_ours(planted: None, tmp_path: Path) -> None:
    """By its entry point's name it is found, listed, opened and remembered like ours."""
    assert {"rocksdb", "sqlite", "memory", "planted"} <= set(installed_engines())
    for number in range(2):
        async with open_store(tmp_path / "store", "planted") as store:
            assert store.namespaces() == (("a",) if number else ())
            await store.namespace("a").set("k", b"1")
    with pytest.raises(EngineMismatch, match="planted"):
        async with open_store(tmp_path / "store"):
            pass


def test_an_unknown_engine_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    """With the name that was probably meant, before anything is opened."""
    with pytest.raises(EngineUnknown, match="did you mean 'rocksdb'") as caught:
        open_store(tmp_path, "rocksbd")
    assert caught.value.suggestion == "rocksdb"
    assert set(caught.value.installed) >= {"memory", "rocksdb", "sqlite"}
    with pytest.raises(EngineUnknown, match=r"installed: memory, rocksdb, .*sqlite") as caught:
        open_store(tmp_path, "x")
    assert caught.value.suggestion is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken", "AttributeError"),
        ("absent", "ModuleNotFoundError"),
        ("sqlite", "several packages"),
    ],
)
def test_an_engine_that_cannot_be_used_says_why(
    planted: None, tmp_path: Path, name: str, reason: str
) -> None:
    """Its module is missing or wrong, or two packages offer the name."""
    with pytest.raises(EngineUnusable, match=reason):
        open_store(tmp_path, name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("failing", "no such luck"), ("forgetful", "NoneType"), ("number", "not callable")],
)
async def test_an_engine_that_fails_to_open_is_named(
    planted: None, tmp_path: Path, name: str, reason: str
) -> None:
    """A stranger's error is the engine's, and not a fault of this package."""
    for read_only in (False, True):
        with pytest.raises(EngineUnusable, match=f"'{name}' cannot be loaded.*{reason}"):
            async with open_store(tmp_path, name, read_only=read_only):
                pass


@pytest.mark.parametrize("text", ["", "{}", '{"format": 3, "engine": "rocksdb"}', "[1]", "\0"])
async def test_a_later_format_is_refused(tmp_path: Path, text: str) -> None:
    """Nothing is opened by guessing."""
    async with open_store(tmp_path / "store"):
        pass
    (tmp_path / "store" / "airswasm-store.json").write_text(text)
    for read_only in (True, False):
        with pytest.raises(StoreFormatUnknown):
            async with open_store(tmp_path / "store", read_only=read_only):
                pass


async def test_a_folder_says_whether_it_is_a_store(tmp_path: Path) -> None:
    """Before it is opened, whatever the engine."""
    assert not has_store(tmp_path / "store")
    async with open_store(tmp_path / "store", "memory"):
        pass
    assert not has_store(tmp_path / "store"), "nothing that outlives the process was written"
    async with RocksStore(tmp_path / "store"):
        pass
    assert has_store(tmp_path / "store")
    assert json.loads((tmp_path / "store" / "airswasm-store.json").read_text()) == {
        "format": 2,
        "engine": "rocksdb",
    }


def test_settings_refuse_what_no_store_can_work_with() -> None:
    """While the section is read, with the name of the setting."""
    assert StorageSettings().limits() == StoreLimits()
    for name in ("value_bytes", "page_entries", "page_bytes"):
        with pytest.raises(ValueError, match=name):
            StorageSettings(**{name: 0})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="durability"):
        StorageSettings(durability="fsync")  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are Unicode")
@pytest.mark.parametrize("engine", ["rocksdb", "sqlite"])
def test_a_store_lies_where_its_path_says_in_every_locale(tmp_path: Path, engine: str) -> None:
    """The engine gets the bytes of the path, not its text in the locale of the process."""
    folder = tmp_path / "café 漢"
    script = (
        "import anyio, sys\n"
        "from airswasm.storage import open_store\n"
        "async def main():\n"
        "    async with open_store(sys.argv[1], sys.argv[2]) as store:\n"
        "        space = store.namespace('a/b')\n"
        "        await space.set('here', await space.get('here') or sys.argv[3].encode())\n"
        "        print((await space.get('here')).decode())\n"
        "anyio.run(main)\n"
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for number, locale in enumerate((plain, {"PYTHONUTF8": "1"}, plain)):
        command = [sys.executable, "-c", script, str(folder), engine, str(number)]
        environment = {**os.environ, **locale}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.stdout == "0\n", done.stderr
    assert list(tmp_path.iterdir()) == [folder]


FORKING = """
import os, sys
from pathlib import Path
import anyio
from airswasm.storage import StorageForked, open_store

async def use(path, engine):
    async with open_store(Path(path), engine) as store:
        await store.namespace("a").set("k", b"1")

folder, first, second = sys.argv[1:]
if first != "none":
    anyio.run(use, os.path.join(folder, "parent"), first)
if (pid := os.fork()) == 0:
    try:
        anyio.run(use, os.path.join(folder, "child"), second)
    except StorageForked as error:
        os._exit(7 if error.engine == "rocksdb" else 8)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("rocksdb", "rocksdb", 7),
        ("rocksdb", "sqlite", 0),
        ("none", "rocksdb", 0),
        ("sqlite", "rocksdb", 0),
    ],
)
def test_a_forked_child_is_refused_an_engine_whose_threads_it_does_not_have(
    tmp_path: Path, first: str, second: str, status: int
) -> None:
    """It gets an error at once; closing such a store would wait for ever."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING, str(tmp_path), first, second], timeout=120, check=False
    )
    assert done.returncode == status
