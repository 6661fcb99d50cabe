"""`airswasm storage`, `backup` and `restore`: typed, beside a host and without one."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airswasm.security import read_audit

Airswasm = Callable[..., Any]
RunHost = Callable[..., Any]

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


@pytest.fixture(params=["stored", "running"])
def hosted(request: pytest.FixtureRequest, installed: Path, run_host: RunHost) -> Any:
    """The home of a counter: on the disk, and with a host in it."""
    return run_host() if request.param == "running" else None


def of(ended: Any) -> Any:
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


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
    assert airswasm("storage", "verify").code == 0


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
    assert airswasm("storage", "export", "hello").out.encode() == file.read_bytes()
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
        assert replaced.code == 1
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
    refused = airswasm("storage", "migrate", "--to", "rocksdb")
    assert refused.code != 0
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
