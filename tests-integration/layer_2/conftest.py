"""Makes signed packages of one guest in several versions; every test runs on both loops."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from airswasm.lifecycle import Package
from airswasm.security import PrivateKey, generate_key
from airswasm.wit import wit_folder

NAME = "local/counter"
WORLD = """package airswasm:component@0.1.0;
world tested {
    import storage;
    import messaging;
    export handler;
    export lifecycle;
    export migration;
}
"""
MANIFEST = """
[component]
name = "{name}"
version = "{version}"
[limits]
memory = "1 MiB"
[capabilities]
storage.read = ["count"]
storage.write = ["count", "migrated"]
messaging.publish = ["counted"]
[supervision]
backoff.initial = 0.001
"""
MakePackage = Callable[..., Package]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def owner() -> PrivateKey:
    return generate_key()


@pytest.fixture(scope="session")
def make_package(tmp_path_factory: pytest.TempPathFactory, owner: PrivateKey) -> MakePackage:
    """Make a version of the guest: its `init` or its `migrate` may be told to fail."""
    folder = tmp_path_factory.mktemp("guests")
    wit = folder / "wit"
    shutil.copytree(wit_folder(), wit)
    (wit / "tested.wit").write_text(WORLD)

    def make(
        version: str, *, is_refusing: bool = False, is_not_migrating: bool = False,
        key: PrivateKey = owner,
    ) -> Package:  # fmt: skip
        text = (Path(__file__).parent / "guest.wat").read_text()
        for word, value in (
            ("VERSION", version), ("INIT", int(is_refusing)), ("MIGRATE", int(is_not_migrating))
        ):  # fmt: skip
            text = text.replace(f"@{word}@", str(value))
        manifest = MANIFEST.format(name=NAME, version=version)
        files = {"Component.toml": manifest.encode(), "component.wasm": compiled(folder, wit, text)}
        sequence = int(version.replace(".", ""))
        return Package.from_files(files).sign(key, sequence=sequence)

    return make


def compiled(folder: Path, wit: Path, text: str) -> bytes:
    """Turn a core module into a component; wasm-tools comes with airswasm-wit."""
    core, embedded, made = (folder / name for name in ("core.wat", "core.wasm", "component.wasm"))
    core.write_text(text)
    program = shutil.which("wasm-tools", path=sysconfig.get_path("scripts"))
    assert program is not None
    embed = ("component", "embed", str(wit), "-w", "tested", str(core), "-o", str(embedded))
    new = ("component", "new", str(embedded), "-o", str(made))
    for arguments in (embed, new):
        subprocess.run((program, *arguments), check=True)
    return made.read_bytes()
