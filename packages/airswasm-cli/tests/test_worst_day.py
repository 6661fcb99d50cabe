"""What an operator meets on a bad day: every error says what to do, and doing it helps."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.cli._control.document import Document
from airswasm.cli._control.server import _ndjson
from airswasm.cli._doctor.checkup import run_checks
from airswasm.cli._hosts.opening import full_name
from airswasm.cli.errors import NameMalformed
from airswasm.security import read_audit
from airswasm.storage import StorageCorrupted

Airswasm = Callable[..., Any]
RunHost = Callable[..., Any]

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and descriptors of POSIX")


@posix_only
def test_a_host_outlives_the_terminal_that_it_talks_to(
    airswasm: Airswasm, run_host: RunHost, installed: Path, home: Path
) -> None:
    """The reader of its stderr is gone: it goes on, also after SIGHUP, and SIGTERM stops it."""
    host = run_host()
    host.process.stderr.close()
    assert airswasm("restart", "hello").code == 0
    assert airswasm("uninstall", "hello").code == 0
    assert airswasm("install", str(installed), "--yes").code == 0
    assert airswasm("send", "hello", "x").out == "Hello, x! You are number 1."
    host.process.stderr = None
    host.process.send_signal(signal.SIGHUP)
    assert airswasm("send", "hello", "x").out == "Hello, x! You are number 2."
    host.process.send_signal(signal.SIGTERM)
    assert host.process.wait(60) == 0
    assert not (home / "control.sock").exists()
    lines = read_audit(home / "audit" / "audit.jsonl")
    answers = [line["outcome"] for line in lines if line["kind"] == "approve"]
    assert answers == ["allow", "allow"], "showing the plan is no answer"


@posix_only
def test_changes_at_the_same_time_are_made_one_after_the_other(
    installed: Path, environment: Mapping[str, str]
) -> None:
    """Without a host each takes the home's lock; the second one waits instead of failing."""
    command = [sys.executable, "-m", "airswasm.cli", "stop", "hello"]
    together = [
        subprocess.Popen(command, env=dict(environment), stderr=subprocess.PIPE) for _ in range(4)
    ]
    said = [each.communicate(timeout=60)[1].decode() for each in together]
    assert [each.returncode for each in together] == [0] * 4, said


@posix_only
def test_a_process_that_got_the_number_of_a_killed_host_is_not_waited_for(
    airswasm: Airswasm, installed: Path, home: Path
) -> None:
    """The lock says who has the home; the number in its file may be anybody's by now."""
    (home / "host.lock").write_text(f"{os.getpid()}\n")
    assert airswasm("stop", "hello").code == 0


def test_a_damaged_installation_is_mended_as_the_hint_says_or_removed(
    airswasm: Airswasm, installed: Path, home: Path
) -> None:
    """Every verb that would help needs the damaged file; none of them gives up over it."""
    manifest = sha256((installed / "Component.toml").read_bytes()).hexdigest()
    artifact = home / "artifacts" / manifest[:2] / manifest
    whole = artifact.read_bytes()
    artifact.write_bytes(whole[:-1])
    refused = airswasm("info", "hello")
    assert refused.code == 3
    assert "`airswasm install` with the same package" in refused.err
    assert airswasm("logs", "hello").code == 0
    assert airswasm("install", str(installed)).code == 0
    assert artifact.read_bytes() == whole
    artifact.unlink()
    assert airswasm("uninstall", "hello").code == 0
    assert airswasm("list").out == ""


@pytest.mark.parametrize("typed", ["", "/", "local/", "/hello", "a/b/c", "local/../hello"])
def test_what_cannot_be_a_name_is_refused_before_a_host_is_asked(typed: str) -> None:
    """In a URL it would be another path, and the host's answer a riddle."""
    with pytest.raises(NameMalformed, match="is not a component's name"):
        full_name(typed)


def test_who_looks_makes_nothing(airswasm: Airswasm, home: Path) -> None:
    """Verbs that read leave no home behind; the one that makes it makes it private."""
    assert airswasm("trust", "list").code == 0
    shown = airswasm("config", "path", "--json")
    assert json.loads(shown.out)["path"] == str(home / "config.toml")
    assert airswasm("storage", "list", "hello").code == 5
    assert not home.exists()
    assert airswasm("keygen").code == 0
    pinned = airswasm("trust", "add", "hello", str(home / "keys" / "default.pub"), "--json")
    assert json.loads(pinned.out)["name"] == "local/hello"
    assert os.name != "posix" or stat.S_IMODE(home.stat().st_mode) == 0o700


def test_who_signs_reads_what_hosts_will_refuse(airswasm: Airswasm, project: Path) -> None:
    """The author can mend it; an operator can only send it back."""
    assert airswasm("keygen").code == 0
    manifest = project / "Component.toml"
    before = manifest.read_text()
    assert "storage.read" in before
    manifest.write_text(before.replace("storage.read", "storage.raed"))
    signed = airswasm("sign", str(project))
    assert signed.code == 0, "another host may have a block that knows it"
    assert "refuses it" in signed.err
    assert "storage.read" in signed.err
    assert len(json.loads(airswasm("sign", str(project), "--json").out)["problems"]) == 1
    manifest.write_text(before)
    assert "refuses it" not in airswasm("sign", str(project)).err


def test_a_file_with_two_mistakes_is_mended_verb_by_verb(airswasm: Airswasm, home: Path) -> None:
    """Each step works while the rest is wrong, and says what is left."""
    home.mkdir(mode=0o700)
    file = home / "config.toml"
    file.write_text("[limits]\nmemroy = 1\n[install]\nretain = 0\n[cli]\ntimeout = 'soon'\n")
    assert airswasm("config", "path").out.strip() == str(file)
    first = airswasm("config", "set", "install.retain", "3")
    assert first.code == 0
    assert "other mistakes" in first.err
    assert "limits.memroy" in first.err
    assert airswasm("config", "set", "cli.timeout", "9").code == 0
    last = json.loads(airswasm("config", "unset", "limits.memroy", "--json").out)
    assert last["problems"] == []
    assert airswasm("config", "show").code == 0
    file.write_text("[limits")
    assert airswasm("config", "path").out.strip() == str(file)
    assert f"{file}:1" in airswasm("config", "set", "install.retain", "3").err


def test_doctor_tells_of_a_damaged_store_and_a_missing_audit_log(
    installed: Path, home: Path
) -> None:
    """Both pass unnoticed until the file that is gone is needed."""

    def found(check: str) -> str:
        findings = anyio.run(partial(run_checks, home, quick=True))
        (finding,) = [each for each in findings if each.check == check]
        assert finding.state == "problem"
        return finding.text

    shutil.rmtree(home / "audit")
    assert "is gone" in found("audit")
    (home / "store" / "CURRENT").unlink()
    assert "CURRENT is missing" in found("registry")


def test_an_export_is_written_through_a_link(
    airswasm: Airswasm, installed: Path, tmp_path: Path
) -> None:
    """A device or a link is written to, not replaced: `--output /dev/stdout`."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"")
    link.symlink_to(target)
    exported = airswasm("storage", "export", "hello", "--output", str(link), "--json")
    assert json.loads(exported.out)["size_bytes"] == target.stat().st_size
    assert link.is_symlink()
    assert target.stat().st_size > 0


@posix_only
def test_closed_streams_and_an_old_terminal_are_no_failures(
    environment: Mapping[str, str], home: Path
) -> None:
    """`<&- 2>&-`, and a locale that knows no tick marks: data comes out, and JSON stays JSON."""
    variables = {**environment, "PYTHONIOENCODING": "ascii", "AIRSWASM_HOME": str(home) + "-é"}
    call = f"exec {sys.executable} -m airswasm.cli"
    for line in (
        f"{call} config show --json <&- 2>&-",
        f"{call} keygen >&- 2>&-",
        f"{call} config show",
    ):
        done = subprocess.run(["/bin/sh", "-c", line], env=variables, capture_output=True)
        assert done.returncode == 0, done.stderr
        if "--json" in line:
            assert json.loads(done.stdout)["settings"]["home"]["value"].endswith("-é")


def test_what_breaks_off_in_the_middle_of_a_stream_is_told() -> None:
    """The status has gone out by then: the last line is the error, and not a torn connection."""

    async def lines() -> AsyncIterator[Document]:
        yield {"key": "k"}
        raise StorageCorrupted("/home/store", "block checksum mismatch")

    async def read() -> list[Document]:
        return [json.loads(line) async for line in _ndjson(lines(), "entry/1")]

    first, last = anyio.run(read)
    assert first["key"] == "k"
    assert last["schema"] == "airswasm.error/1"
    assert last["error"]["code"] == "E0506"  # type: ignore[index]
