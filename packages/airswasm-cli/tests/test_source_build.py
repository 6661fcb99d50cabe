"""`--build`: a project is fetched, shown, built and installed."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from airswasm.sdk import missing_protections

Airswasm = Callable[..., Any]
pytestmark = pytest.mark.skipif(bool(missing_protections()), reason="builds are not confined here")


@pytest.fixture
def sources(project: Path) -> Path:
    """A project that is not built."""
    shutil.rmtree(project / "build")
    return project


def test_a_development_host_takes_the_unsigned_result(
    sources: Path, home: Path, airswasm: Airswasm
) -> None:
    """Another wants a signature; nothing is written into the project."""
    before = sorted(path.name for path in sources.rglob("*"))
    refused = airswasm("install", "--build", str(sources), "--yes")
    assert "E0301" in refused.err or "unsigned" in refused.err, refused
    (home / "config.toml").write_text('[host]\nmode = "development"\n')
    done = airswasm("install", "--build", str(sources), "--yes")
    assert (done.code, "installed local/hello 0.1.0" in done.err) == (0, True), done
    assert "ziglang cc" in done.err
    assert "confined     to its own folder" in done.err
    assert sorted(path.name for path in sources.rglob("*")) == before


def test_the_result_is_signed_on_request(sources: Path, airswasm: Airswasm, home: Path) -> None:
    """And updated from the source that is recorded."""
    assert airswasm("keygen").code == 0
    key = str(home / "keys" / "default.pem")
    done = airswasm("install", "--build", str(sources), "--sign", key, "--yes")
    assert done.code == 0, done
    version = json.loads(airswasm("info", "hello", "--json").out)["versions"][0]
    assert (version["source"], version["signer"] is None) == (str(sources), False)
    manifest = sources / "Component.toml"
    manifest.write_text(manifest.read_text().replace("0.1.0", "0.2.0"))
    again = airswasm("update", "local/hello", "--build", "--sign", key, "--yes")
    assert "updated local/hello 0.2.0" in again.err, again


def test_a_program_of_the_package_is_named_and_needs_a_yes(
    sources: Path, airswasm: Airswasm, environment: Mapping[str, str]
) -> None:
    """Without a person nothing runs; a no runs nothing either."""
    mark = sources / "ran"
    manifest = sources / "Component.toml"
    text = manifest.read_text().replace("[build]", "[build]\ncommand = ['touch', 'ran\\u001b[2J']")
    manifest.write_text(text)
    alone = airswasm("install", "--build", str(sources))
    assert alone.code == 4, alone
    assert "touch" in alone.err
    assert "a program of the package's own choice" in alone.err
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "airswasm.cli", "install", "--build", str(sources)],
        stdin=slave, stdout=subprocess.PIPE, stderr=slave, env=dict(environment),
    ) as process:  # fmt: skip
        os.close(slave)
        said = b""
        while b"[y/N]" not in said:
            said += os.read(master, 4096)
        assert b"\x1b[2J" not in said
        os.write(master, b"n\n")
        assert process.wait(60) == 4
    os.close(master)
    assert not mark.exists()


def test_what_fails_is_a_line(sources: Path, airswasm: Airswasm, tmp_path: Path) -> None:
    """Of the compiler with file and line, of the options with what goes together."""
    (sources / "src" / "hello.c").write_text("int x = ;\n")
    failed = airswasm("install", "--build", str(sources), "--yes")
    assert (failed.code, "src/hello.c:1:" in failed.err) == (1, True), failed
    for arguments, said in (
        (("install", str(sources), "--sign", "x"), "--sign goes with --build"),
        (("install", "--build", "--file", "x"), "takes a source, and no list"),
        (("install", "--build", str(sources), "--sign", str(tmp_path / "none")), "no signing key"),
        (("install", "--build", "-", "--yes"), "name the folder that has its Component.toml"),
    ):
        done = airswasm(*arguments)
        assert said in done.err, done
        assert "NAME" not in done.err
