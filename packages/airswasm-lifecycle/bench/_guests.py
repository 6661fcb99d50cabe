"""The components of the tests, for benches."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from airswasm.runtime.wasi import wit_files
from airswasm.wit import wit_folder

GUESTS = Path(__file__).parents[1] / "tests" / "guests"
_HEAD = "package airswasm:component@0.1.0;\nworld tested {\n"
GUEST_WORLD = """
    import storage; import logging;
    export handler; export lifecycle; export health; export migration;
}"""
ATTACKS_WORLD = """
    import storage; import logging; import capabilities;
    import wasi:http/types@0.2.12; import wasi:io/streams@0.2.12; import wasi:io/poll@0.2.12;
    import wasi:clocks/monotonic-clock@0.2.12;
    export handler;
}"""


def make(text: str, world: str, folder: Path) -> bytes:
    """Make a component of a core module's text and the body of its world."""
    name = "wasm-tools.exe" if sys.platform == "win32" else "wasm-tools"
    tools = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    assert tools is not None, "wasm-tools comes with airswasm-wit"
    wit, core, made = folder / "wit", folder / "core.wat", folder / "guest.wasm"
    shutil.rmtree(wit, ignore_errors=True)
    shutil.copytree(wit_folder(), wit)
    for each in wit_files():
        (wit / "deps" / each.stem).mkdir(parents=True)
        shutil.copy(each, wit / "deps" / each.stem)
    (wit / "tested.wit").write_text(_HEAD + world)
    core.write_text(text)
    embed = ("embed", str(wit), "-w", "tested", str(core), "-o", str(made))
    for arguments in (embed, ("new", str(made), "-o", str(made))):
        subprocess.run([tools, "component", *arguments], check=True)
    return made.read_bytes()


def guest(folder: Path) -> bytes:
    """Make the component that does what the first byte of a message says."""
    text = (GUESTS / "guest.wat").read_text()
    for word, value in (("VERSION", "0.1.0"), ("PAGES", "1")):
        text = text.replace(f"@{word}@", value)
    for word in ("INIT", "MIGRATE", "HEALTH", "EAGER"):
        text = text.replace(f"@{word}@", "0")
    return make(text, GUEST_WORLD, folder)


def attacker(folder: Path) -> bytes:
    """Make the component that makes its host work for ever."""
    return make((GUESTS / "attacks.wat").read_text(), ATTACKS_WORLD, folder)
