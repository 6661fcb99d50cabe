"""`airswasm storage`, `backup` and `restore`: typed, beside a host and without one."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.cli.commands._streams import opened_output
from airswasm.security import read_audit
from airswasm.storage import open_store

Airswasm = Callable[..., Any]
RunHost = Callable[..., Any]

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")

FILL = """
import errno, resource, signal, sys
from pathlib import Path
from airswasm.cli.commands._streams import opened_output

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with opened_output(Path(sys.argv[1])) as target:
        target.write(bytes(200_000))
except OSError as error:
    print(errno.errorcode[error.errno], error.filename)
"""


@pytest.fixture(params=["stored", "running"])
def hosted(request: pytest.FixtureRequest, installed: Path, run_host: RunHost) -> Any:
    """The home of a counter: on the disk, and with a host in it."""
    return run_host() if request.param == "running" else None


def of(ended: Any) -> Any:
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


async def export_of(folder: Path, keys: int) -> bytes:
    """The export of a component that has some keys."""
    async with open_store(folder / "store", "memory") as store:
        space = store.namespace("local/hello")
        await space.batch({f"k{number}": b"v" for number in range(keys)})
        return b"".join([chunk async for chunk in space.export()])


def test_values_are_set_read_listed_and_deleted(
    airswasm: Airswasm, hosted: Any, home: Path
) -> None:
    """One document for each; the audit log has a line for each change."""
    assert of(airswasm("storage", "set", "hello", "b", "two", "--json"))["size_bytes"] == 3
    assert airswasm("storage", "set", "hello", "a", "-", stdin=b"\xff\0").code == 0
    assert airswasm("storage", "get", "hello", "b").out == "two"
    shown = of(airswasm("storage", "get", "hello", "a", "--json"))
    assert (shown["text"], base64.b64decode(shown["base64"])) == (None, b"\xff\0")
    assert airswasm("storage", "list", "hello").out == "a\t2 B\nb\t3 B\n"
    assert airswasm("storage", "list", "hello", "--reverse", "--limit", "1").out == "b\t3 B\n"
    assert airswasm("storage", "list", "hello", "--after", "a").out == "b\t3 B\n"
    assert airswasm("storage", "delete", "hello", "a", "--dry-run").code == 0
    assert airswasm("storage", "delete", "hello", "a").code == 0
    missing = airswasm("storage", "get", "hello", "a", "--json")
    assert (missing.code, json.loads(missing.err)["error"]["code"]) == (5, "E0014")
    assert airswasm("storage", "delete", "hello", "a").code == 5
    assert airswasm("storage", "delete", "hello", "--prefix", "b").code == 4, "it asks"
    assert of(airswasm("storage", "delete", "hello", "--prefix", "b", "--yes", "--json")) == {
        "schema": "airswasm.deleted/1", "name": "local/hello", "keys": 1, "dry_run": False,
    }  # fmt: skip
    assert airswasm("storage", "list", "hello").out == ""
    lines = read_audit(home / "audit" / "audit.jsonl")
    acts = [(line["component"], line["reason"]) for line in lines if line["kind"] == "storage"]
    assert acts == [("local/hello", act) for act in ("set", "set", "delete", "delete")]


@posix_only
def test_words_and_values_that_no_store_takes_are_refused_by_name(
    airswasm: Airswasm, hosted: Any
) -> None:
    """Beside a host and without one in the same words."""
    broken = os.fsdecode(b"\xff")
    for verb in (
        ("set", "hello", broken, "v"), ("get", "hello", broken), ("delete", "hello", broken),
        ("list", "hello", "--prefix", broken), ("list", "hello", "--after", broken),
        ("delete", "hello", "--prefix", broken, "--yes"),
        *[("checkpoints", act, "hello", broken)
          for act in ("create", "diff", "drop", "restore")],
    ):  # fmt: skip
        refused = airswasm("storage", *verb)
        assert (refused.code, "it is not UTF-8" in refused.err) == (2, True), refused.err
    refused = airswasm("storage", "checkpoints", "create", "hello", "")
    assert "the checkpoint '' is not usable" in refused.err
    assert airswasm("storage", "set", "hello", "k", "v", "--ttl", "inf").code == 2


@posix_only
def test_a_file_that_its_disk_has_no_room_for_is_named(tmp_path: Path) -> None:
    """A write that fails does not say which file it was; nothing of it is left."""
    written = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path / "x.export")], capture_output=True, text=True
    )
    assert written.stdout.split() == ["EFBIG", str(tmp_path / "x.export")], written.stderr
    assert list(tmp_path.iterdir()) == []


@posix_only
def test_a_file_that_cannot_be_read_or_written_is_named(
    airswasm: Airswasm, hosted: Any, tmp_path: Path
) -> None:
    """Not the host, which is well; and no answer is left half read."""
    airswasm("storage", "set", "hello", "k", "v")
    unread = airswasm("storage", "import", "hello", "/proc/self/mem")
    assert "error[E0005]: /proc/self/mem: " in unread.err
    missing = tmp_path / "missing" / "file"
    assert f"error[E0005]: {missing}: " in airswasm("storage", "export", "hello", "-o", missing).err


@posix_only
@pytest.mark.parametrize("verb", [("list", "hello"), ("export", "hello"), ("diff",), ("backup",)])
def test_an_output_without_room_ends_a_stream_with_one_error(
    airswasm: Airswasm, hosted: Any, home: Path, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    """No traceback of what was left open."""
    file = tmp_path / "export"
    file.write_bytes(anyio.run(export_of, tmp_path, 1_000))
    assert airswasm("storage", "checkpoints", "create", "hello", "one").code == 0
    assert airswasm("storage", "import", "hello", file).code == 0
    words = {
        "diff": ["storage", "checkpoints", "diff", "hello", "one"], "backup": ["backup", "-"],
    }.get(verb[0], ["storage", *verb])  # fmt: skip
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "airswasm.cli", *words, "--home", str(home)],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert [line[:13] for line in ended.stderr.splitlines()] == ["error[E0005]:", "  hint: free "]


def test_files_that_are_written_at_once_do_not_meet(tmp_path: Path) -> None:
    """The last to end has it, whole."""
    file = tmp_path / "file"
    with opened_output(file) as first:
        first.write(b"first, and long")
        with opened_output(file) as second:
            second.write(b"second")
        assert file.read_bytes() == b"second"
    assert file.read_bytes() == b"first, and long"
    third = opened_output(file)
    third.__enter__().write(b"third")
    assert not third.__exit__(OSError, OSError(), None)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"first, and long"]


def test_a_value_can_expire(airswasm: Airswasm, hosted: Any) -> None:
    """The time to live is that of the store, for a component and an operator alike."""
    assert airswasm("storage", "set", "hello", "k", "v", "--ttl", "0.001").code == 0
    assert airswasm("storage", "set", "hello", "l", "v", "--ttl", "3600").code == 0
    assert airswasm("storage", "list", "hello").out == "l\t1 B\n"


def test_checkpoints_are_created_compared_restored_and_dropped(
    airswasm: Airswasm, hosted: Any
) -> None:
    """A component's data goes back to what it was."""
    airswasm("storage", "set", "hello", "k", "1")
    airswasm("storage", "set", "hello", "old", "1")
    checkpoints = ("storage", "checkpoints")
    assert of(airswasm(*checkpoints, "create", "hello", "one", "--json"))["keys"] == 2
    assert airswasm(*checkpoints, "create", "hello", "one").code == 1
    airswasm("storage", "set", "hello", "k", "22")
    airswasm("storage", "set", "hello", "new", "1")
    airswasm("storage", "delete", "hello", "old")
    assert airswasm(*checkpoints, "diff", "hello", "one").out.splitlines() == [
        "changed\tk\t1 B\t2 B", "added\tnew\t-\t1 B", "removed\told\t1 B\t-",
    ]  # fmt: skip
    restored = (*checkpoints, "restore", "hello", "one")
    assert of(airswasm(*restored, "--dry-run", "--json"))["changed"] == 3
    assert airswasm(*restored).code == 4, "it asks"
    assert airswasm(*restored, "--yes").code == 0
    assert airswasm("storage", "list", "hello").out == "k\t1 B\nold\t1 B\n"
    assert airswasm(*checkpoints, "diff", "hello", "two").code == 5
    assert len(of(airswasm(*checkpoints, "list", "hello", "--json"))["checkpoints"]) == 1
    assert airswasm(*checkpoints, "drop", "hello", "one", "--yes").code == 0
    assert airswasm(*checkpoints, "list", "hello").out == ""


def test_what_an_uninstalled_component_left_is_listed_and_purged(
    airswasm: Airswasm, hosted: Any
) -> None:
    """`left`, until --all; an import cannot make a new name out of nothing."""
    airswasm("storage", "set", "hello", "k", "1")
    airswasm("storage", "checkpoints", "create", "hello", "one")
    assert airswasm("uninstall", "hello").code == 0
    (found,) = [
        each
        for each in of(airswasm("storage", "usage", "--json"))["namespaces"]
        if each["name"] == "local/hello"
    ]
    assert (found["kind"], found["keys"], found["checkpoints"]) == ("left", 1, 1)
    assert airswasm("storage", "get", "hello", "k").out == "1"
    assert airswasm("storage", "delete", "hello", "--all", "--dry-run").code == 0
    assert airswasm("storage", "delete", "hello", "--all", "--yes").code == 0
    assert airswasm("storage", "usage", "hello").code == 5
    assert airswasm("storage", "set", "hello", "k", "1").code == 5
    assert airswasm("storage", "delete", "airswasm-registry", "--all", "--yes").code == 5
    for shown in of(airswasm("storage", "usage", "--json"))["namespaces"]:
        named = of(airswasm("storage", "usage", shown["name"], "--json"))["namespaces"]
        assert [each["name"] for each in named] == [shown["name"]]
    assert airswasm("storage", "verify").code == 0


def test_what_expired_is_neither_damage_nor_use(
    airswasm: Airswasm, installed: Path, home: Path
) -> None:
    """In a home without a host, where nothing removes it."""

    async def store_what_expires() -> None:
        clock = lambda: time.time() - 60  # noqa: E731
        async with open_store(home / "store", clock=clock) as store:
            space = store.namespace("local/hello", has_batch_bounds=False)
            keys = [f"{number:04}" for number in range(5_000)]
            await space.batch(dict.fromkeys(keys, b"v"), ttls=dict.fromkeys(keys, 10))
            await space.set("k", b"v")

    anyio.run(store_what_expires)
    assert airswasm("storage", "verify").code == 0
    (usage,) = of(airswasm("storage", "usage", "hello", "--json"))["namespaces"]
    assert (usage["keys"], usage["used_bytes"]) == (1, 66)


def test_an_export_goes_only_where_it_says(airswasm: Airswasm, hosted: Any, tmp_path: Path) -> None:
    """Another component's file is refused unless that is meant; so is a torn one."""
    file, foreign, torn = tmp_path / "e", tmp_path / "foreign", tmp_path / "torn"
    airswasm("storage", "set", "hello", "k", "1")
    exported = of(airswasm("storage", "export", "hello", "-o", str(file), "--json"))
    assert (exported["keys"], exported["size_bytes"]) == (1, file.stat().st_size)
    head, *rest = file.read_bytes().splitlines(keepends=True)
    torn.write_bytes(head + rest[0])
    imported = ("storage", "import", "hello")
    assert airswasm(*imported, str(torn)).code == 1
    assert airswasm(*imported, str(torn), "--dry-run").code == 1
    piped = airswasm("storage", "export", "hello").out.encode().splitlines(keepends=True)
    assert piped[1:-1] == rest[:-1], "head and end differ by the time and its digest"
    content = file.read_text().replace("local/hello", "local/other")
    lines = content.splitlines(keepends=True)
    import hashlib

    digest = hashlib.sha256("".join(lines[:-1]).encode()).hexdigest()
    foreign.write_text("".join(lines[:-1]) + json.dumps({"entries": 1, "sha256": digest}) + "\n")
    for more in ((), ("--dry-run",)):
        refused = airswasm(*imported, str(foreign), *more, "--json")
        assert json.loads(refused.err)["error"]["code"] == "E0508"
    assert airswasm(*imported, str(foreign), "--any-name").code == 0
    assert of(airswasm(*imported, "-", "--json", stdin=file.read_bytes()))["keys"] == 1
    assert airswasm(*imported, str(file), "--dry-run").code == 0


def test_a_home_is_backed_up_and_restored(
    airswasm: Airswasm, hosted: Any, home: Path, tmp_path: Path
) -> None:
    """The restored home has the component, its data, and a line about it in its audit log."""
    file, other = tmp_path / "b", tmp_path / "other"
    airswasm("storage", "set", "hello", "count", "41")
    made = of(airswasm("backup", str(file), "--json"))
    assert (made["components"], made["size_bytes"]) == (["local/hello"], file.stat().st_size)
    assert not list(home.glob("backup.partial-*"))
    assert airswasm("restore", str(file), "--dry-run").code == 0
    assert airswasm("restore", str(file)).code == 4, "there is a home"
    assert airswasm("restore", str(file), "--home", str(other)).code == 0
    read = airswasm("storage", "get", "hello", "count", "--home", str(other))
    assert read.out == "41"
    lines = list(read_audit(other / "audit" / "audit.jsonl"))
    assert any("restored from the backup" in str(line.get("reason")) for line in lines)
    assert airswasm("storage", "verify", "--home", str(other)).code == 0
    replaced = airswasm("restore", str(file), "--replace", "--yes", "--json")
    if hosted is None:
        assert Path(of(replaced)["kept"]).is_dir()
        assert airswasm("storage", "get", "hello", "count").out == "41"
    else:
        assert replaced.code == 4
        assert "is running" in replaced.err or "E03" in replaced.err
    piped = airswasm("restore", "-", "--dry-run", stdin=file.read_bytes())
    assert piped.code == 0


@pytest.mark.parametrize("place", ["head", "middle", "end", "cut", "twice"])
def test_an_altered_backup_restores_nothing(
    airswasm: Airswasm, installed: Path, tmp_path: Path, place: str
) -> None:
    """One changed byte, a missing end, or something behind it."""
    file, other = tmp_path / "b", tmp_path / "other"
    assert airswasm("backup", str(file)).code == 0
    content = bytearray(file.read_bytes())
    if place == "cut":
        del content[-20_000:]
    elif place == "twice":
        content = content.rstrip(b"\0") + b"\0" * (-len(content.rstrip(b"\0")) % 512) + content
    else:
        at = {"head": 520, "middle": 8_000, "end": len(content.rstrip(b"\0")) - 90}[place]
        content[at] ^= 1
    file.write_bytes(content)
    refused = airswasm("restore", str(file), "--home", str(other), "--json")
    assert (refused.code, json.loads(refused.err)["error"]["code"]) == (3, "E0338")
    assert not other.exists()
    assert [each.name for each in tmp_path.iterdir() if "restoring" in each.name] == []


def test_a_home_moves_to_another_engine_and_back(
    airswasm: Airswasm, installed: Path, home: Path, run_host: RunHost
) -> None:
    """Everything is there; the old store stays until it is confirmed."""
    airswasm("storage", "set", "hello", "count", "41")
    airswasm("storage", "checkpoints", "create", "hello", "one")
    assert airswasm("storage", "migrate", "--to", "sqlite", "--dry-run").code == 0
    moved = of(airswasm("storage", "migrate", "--to", "sqlite", "--json"))
    assert (moved["previous"], moved["engine"]) == ("rocksdb", "sqlite")
    assert Path(moved["kept"]).is_dir()
    assert airswasm("config", "get", "storage.engine").out.strip().strip('"') == "sqlite"
    again = of(airswasm("storage", "migrate", "--to", "sqlite", "--json"))
    assert again["records"] == 0
    host = run_host()
    refused = airswasm("storage", "migrate", "--to", "rocksdb", "--json")
    error = json.loads(refused.err)["error"]
    assert (refused.code, error["code"]) == (4, "E0337")
    assert "needs a stopped host" in error["message"]
    assert airswasm("send", "hello", "x").out == "Hello, x! You are number 42."
    host.stop()
    assert (
        len(of(airswasm("storage", "checkpoints", "list", "hello", "--json"))["checkpoints"]) == 1
    )
    assert airswasm("storage", "migrate", "--to", "rocksdb").code == 0
    assert airswasm("storage", "get", "hello", "count").out == "42"
    removed = of(airswasm("storage", "migrate", "--confirm", "--yes", "--json"))["removed"]
    assert len(removed) == 2
    assert not list(home.glob("store.*"))
    assert airswasm("storage", "migrate", "--to", "rockdb").code == 2
