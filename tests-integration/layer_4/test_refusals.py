"""What must not be installed is not, and nothing is left half done."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from driving import Project, Terminal

START = Callable[..., Project]


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


@pytest.fixture
def signed(start_project: START) -> Project:
    hello = start_project("hello")
    hello.type("build", "sign")
    return hello


@pytest.mark.parametrize("file", ["build/hello.wasm", "Component.toml", "component.sig"])
@pytest.mark.parametrize("verb", ["verify", "install"])
def test_a_changed_byte_is_noticed(
    terminal: Terminal, signed: Project, file: str, verb: str
) -> None:
    """One byte of the wasm, of the manifest, or of the signature."""
    flip(signed.folder / file, 40)
    options = ["--yes"] if verb == "install" else []
    terminal.refused(verb, ".", *options, cwd=signed.folder)
    assert terminal.read("list")["components"] == []


def test_an_update_must_be_the_owners_and_newer(terminal: Terminal, signed: Project) -> None:
    """Another key, an older sequence, or changed content: refused, and the old one stays."""
    terminal.run("install", ".", "--yes", cwd=signed.folder)
    old = {path: path.read_bytes() for path in signed.folder.rglob("*") if path.is_file()}
    signed.release("0.2.0")
    terminal.run("update", ".", "--yes", cwd=signed.folder)

    for path, content in old.items():
        path.write_bytes(content)
    terminal.refused("update", ".", "--yes", cwd=signed.folder)

    terminal.run("keygen", "--output", "other.pem")
    signed.release("0.3.0")
    terminal.run("sign", "--key", "../other.pem", cwd=signed.folder)
    foreign = terminal.refused("update", ".", "--yes", cwd=signed.folder)
    assert "key" in foreign.stderr

    terminal.run("sign", cwd=signed.folder)
    flip(signed.folder / "build" / "hello.wasm", 60)
    terminal.refused("update", ".", "--yes", cwd=signed.folder)
    (listed,) = terminal.read("list")["components"]
    assert listed["version"] == "0.2.0"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('memroy = "1 MiB"', "memory"),
        ("memory = true", "memory"),
        ('colour = "blue"', "colour"),
    ],
)
def test_a_bad_manifest_is_named_by_line_and_key(
    terminal: Terminal, start_project: START, line: str, says: str
) -> None:
    """Unknown keys and wrong types: file, line and key, and a suggestion where there is one."""
    hello = start_project("hello")
    hello.manifest('memory = "1 MiB" ', line + " ")
    found = terminal.refused("build", cwd=hello.folder)
    assert "Component.toml:" in found.stderr
    assert says in found.stderr


def test_more_than_the_host_allows_is_refused(terminal: Terminal, start_project: START) -> None:
    """A manifest may ask for anything; the policy of the host that installs it decides."""
    hello = start_project("hello")
    hello.manifest('memory = "1 MiB" ', 'memory = "900 GiB" ')
    hello.type("build", "sign")
    refused = terminal.refused("install", ".", "--yes", cwd=hello.folder)
    assert "limits.memory" in refused.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\0asm\1\0\0\0", "core"),
        (b"\0asm\x0d\0\1\0\x07", ""),
        (b"MZ" + bytes(100), ""),
    ],
)
def test_what_is_no_component_is_refused(
    terminal: Terminal, signed: Project, content: bytes, says: str
) -> None:
    """An empty file, a core module, a truncated component, something else."""
    (signed.folder / "build" / "hello.wasm").write_bytes(content)
    terminal.run("sign", cwd=signed.folder, code=None)
    refused = terminal.refused("install", ".", "--yes", cwd=signed.folder)
    assert says in refused.stderr
    assert terminal.read("list")["components"] == []


def test_a_corrupt_package_file_is_refused(terminal: Terminal, signed: Project) -> None:
    """A cut zip, a zip with a foreign member, a file that is no zip."""
    package = signed.folder / "hello.airswasm"
    terminal.run("pack", "--output", str(package), cwd=signed.folder)
    content = package.read_bytes()
    package.write_bytes(content[: len(content) // 2])
    terminal.refused("install", str(package), "--yes")
    package.write_bytes(content)
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr("../outside", b"x")
    terminal.refused("install", str(package), "--yes")
    package.write_bytes(b"no zip at all")
    terminal.refused("verify", str(package))


def test_a_missing_key_is_a_clear_error(terminal: Terminal, start_project: START) -> None:
    """The error names the file that was looked for and the command that makes one."""
    hello = start_project("hello")
    hello.type("build")
    (terminal.home / "keys" / "default.pem").unlink()
    missing = terminal.refused("sign", cwd=hello.folder)
    assert "airswasm keygen" in missing.stderr


def test_talking_to_an_unknown_name_is_a_clear_error(terminal: Terminal, signed: Project) -> None:
    """Without a host, and with the socket of one that was killed."""
    terminal.run("install", ".", "--yes", cwd=signed.folder)
    assert "airswasm run" in terminal.refused("send", "local/hello", "x").stderr
    with terminal.host() as host:
        host.kill()
        assert "airswasm run" in terminal.refused("send", "local/hello", "x").stderr
    with terminal.host():
        assert "Hello" in terminal.run("send", "local/hello", "x").stdout
        assert "already uses" in terminal.refused("run").stderr, "one host for each home"
