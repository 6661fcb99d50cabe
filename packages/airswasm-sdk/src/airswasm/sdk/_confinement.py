"""Run the tools of a stranger's build so that they reach nothing but their own folder.

A build runs a program that its package names. So it runs in processes of its own, which see the
toolchain and the project, write to the project's copy, and make no socket; they are bounded in
processor time, memory, file size and wall-clock time, and end together. What a platform cannot
enforce is named (`missing_protections`), so that a person decides about it.

Limits of memory are for each process: the engines inside of some tools reserve address space by the
gigabyte, so that only what is written counts.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import airswasm.wit as wit  # as a module: `config show` reads the limits, and needs no contract
from airswasm import runtime
from airswasm.runtime import SYSTEM_FOLDERS, confined_python, find_interpreter

from .errors import BuildTooLarge

__all__ = ("BuildLimits", "Confinement", "explain_missing", "find_program", "missing_protections")

_OF_PYTHON = ("bin", "lib", "lib64", "include", "share", "pyvenv.cfg")
"""Below Python's prefix, which may be a project's or a user's folder with other things in it."""
_TOOLS = (".cargo/bin", ".rustup", "go/bin", ".pyenv/versions", ".pyenv/shims")
"""Below the user's folder: toolchains, and nothing that holds a secret."""
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "SOURCE_DATE_EPOCH")
_MEANINGS = {
    "files": "it can read what you can, and write where you can",
    "network": "it can reach the network",
    "processes": "it can leave processes behind",
}


@dataclass(frozen=True, slots=True)
class BuildLimits:
    """`[builds]`: what one step of a build from source may take.

    Attributes:
        seconds: Wall-clock time.
        processor_seconds: Processor time of each process.
        memory_bytes: Written memory of each process.
        output_bytes: Bytes of everything in the build's folder, and of one file.
        processes: Processes at once, where the platform counts them for the build alone.
        unconfined: Whether a build may run where the platform lacks a protection; see `airswasm
            doctor`.
    """

    seconds: float = 600.0
    processor_seconds: int = 600
    memory_bytes: int = 4 * 2**30
    output_bytes: int = 2**30
    processes: int = 512
    unconfined: bool = False

    def __post_init__(self) -> None:
        numbers = ("seconds", "processor_seconds", "memory_bytes", "output_bytes", "processes")
        for name in numbers:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0")


@dataclass(frozen=True, slots=True)
class Confinement:
    """Confines the steps of one build to a folder.

    Attributes:
        folder: The folder: the project's copy, a home and a folder for temporary files are in it.
        limits: What a step may take.
        waived: The protections that a person does without; see `missing_protections`.
    """

    folder: Path
    limits: BuildLimits = BuildLimits()
    waived: tuple[str, ...] = ()

    def command(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> list[str]:
        """Return the command line that runs another one confined.

        Args:
            arguments: The other one.
            environment: Variables that it needs beside the usual ones.
        """
        limits = self.limits
        bounds = {
            "CPU": limits.processor_seconds,
            "DATA": limits.memory_bytes,
            "FSIZE": limits.output_bytes,
            "CORE": 0,
        }
        if "processes" not in missing_protections():
            bounds["NPROC"] = limits.processes
        request = {
            "command": [find_program(arguments[0]) or arguments[0], *arguments[1:]],
            "environment": {**self._environment(), **(environment or {})},
            "read": _readable_paths(),
            "write": [str(self.folder)],
            "limits": bounds,
            "waived": self.waived,
            "parent": os.getpid(),
        }
        return [
            *confined_python("one_command", find_interpreter() or sys.executable),
            json.dumps(request),
        ]

    def check_size(self) -> None:
        """Check that everything in the folder is not more than allowed.

        Raises:
            BuildTooLarge: It is.
        """
        total = 0
        for where, _, names in os.walk(self.folder):
            for name in names:
                try:
                    total += os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118 - many
                except OSError:
                    continue
                if total > self.limits.output_bytes:
                    raise BuildTooLarge(self.limits.output_bytes)

    def _environment(self) -> dict[str, str]:
        home, temporary = self.folder / "home", self.folder / "tmp"
        for each in (home, temporary):
            each.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        rustup = {"RUSTUP_HOME": str(Path("~/.rustup").expanduser())}
        own = {
            "HOME": str(home), "TMPDIR": str(temporary), "TEMP": str(temporary),
            "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1",
            "RUST_BACKTRACE": "0", "CARGO_NET_OFFLINE": "true",
        }  # fmt: skip
        return {**kept, **(rustup if Path(rustup["RUSTUP_HOME"]).is_dir() else {}), **own}


def explain_missing(missing: Sequence[str]) -> str:
    """Say what a build can do where protections are missing; empty where none is."""
    return "; ".join(_MEANINGS[each] for each in missing)


def missing_protections() -> tuple[str, ...]:
    """Return the protections that this platform does not give: `files`, `network`, `processes`."""
    return tuple(each for each in runtime.missing_protections() if each in _MEANINGS)


def find_program(program: str) -> str | None:
    """Return the path of a program beside this Python or on PATH; None where there is none."""
    return shutil.which(program, path=sysconfig.get_path("scripts")) or shutil.which(program)


def _readable_paths() -> list[str]:
    """Return what a build may read, without what would show it a user's whole folder."""
    home = Path("~").expanduser().resolve()
    found = dict.fromkeys(each for each in _readable() if not home.is_relative_to(each.resolve()))
    return [str(each) for each in found]


def _readable() -> Iterator[Path]:
    """Yield what a build may read and execute: the system, this Python, and toolchains."""
    yield from map(Path, (*SYSTEM_FOLDERS, "/opt"))
    own = Path(find_interpreter() or sys.executable).resolve().parent.parent
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix, own):
        yield from (Path(prefix) / each for each in _OF_PYTHON)
    yield from (Path(each) for name, each in sysconfig.get_paths().items() if name != "data")
    yield Path(sys.executable).resolve().parent
    yield from (wit.c_header_folder(), wit.guest_folder("python"), wit.wit_folder())
    yield Path(__file__).parent / "adapter"
    from ._toolchain import library_folder  # `config show` needs no toolchain

    yield library_folder()
    home = Path("~").expanduser()
    yield from (home / each for each in _TOOLS)
