"""Drive the real command and a real host process, as a user would from two terminals."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Nothing here takes longer on a slow machine; it is the bound after which a hang is a failure.
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of one run of the command."""

    arguments: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return f"airswasm {' '.join(self.arguments)} -> {self.code}\n{self.stdout}\n{self.stderr}"


@dataclass(slots=True)
class Terminal:
    """One user with one AIRSWASM_HOME, typing commands."""

    home: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        return {
            **os.environ,
            "AIRSWASM_HOME": str(self.home),
            "NO_COLOR": "1",
            "COLUMNS": "200",
            **self.environment,
        }

    def arguments(self, *words: str) -> list[str]:
        return [sys.executable, "-I", "-m", "airswasm.cli", *words]

    def run(self, *words: str, cwd: Path | None = None, code: int | None = 0) -> Finished:
        """Run one command; `code` is the expected exit code, None for any."""
        ended = subprocess.run(
            self.arguments(*words),
            cwd=cwd or self.folder,
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        finished = Finished(words, ended.returncode, ended.stdout, ended.stderr)
        assert "Traceback" not in finished.stderr, str(finished)
        assert code is None or finished.code == code, str(finished)
        return finished

    def read(self, *words: str, cwd: Path | None = None) -> Any:
        """Return the document that a reading command prints with --json."""
        return json.loads(self.run(*words, "--json", cwd=cwd).stdout)

    def refused(self, *words: str, cwd: Path | None = None) -> Finished:
        """Run a command that must fail with one clear line, a code and a hint."""
        finished = self.run(*words, cwd=cwd, code=None)
        assert finished.code not in (0, 2), str(finished)
        assert "E0" in finished.stderr, str(finished)
        return finished

    @contextlib.contextmanager
    def host(self, *options: str) -> Iterator[Host]:
        """`airswasm run` in another terminal; stopped with Ctrl-C at the end."""
        host = Host(self, options)
        host.start()
        try:
            yield host
        finally:
            host.stop()


class Host:
    """A host process of its own."""

    def __init__(self, terminal: Terminal, options: tuple[str, ...] = ()) -> None:
        self.terminal, self.options = terminal, options
        self.process: subprocess.Popen[str] | None = None
        self.output = terminal.folder / "host.txt"

    def start(self) -> None:
        with self.output.open("a") as output:
            self.process = subprocess.Popen(
                self.terminal.arguments("run", *self.options),
                cwd=self.terminal.folder,
                env=self.terminal.variables(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
            )
        until(self.is_serving, f"the host serves\n{self.output.read_text()}")

    def is_serving(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output.read_text()
        status = self.terminal.run("status", "--json", code=None)
        return status.code == 0 and json.loads(status.stdout)["is_online"] is True

    def kill(self) -> None:
        """Kill the process like a power cut: no handler runs."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def until(holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Poll a condition; only this function sleeps, to wait for another process."""
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, f"never true: {what}"
        time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Project:
    """A component project, edited as its author would."""

    terminal: Terminal
    folder: Path
    name: str

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new))

    def manifest(self, old: str, new: str) -> None:
        self.edit("Component.toml", old, new)

    def type(self, *verbs: str) -> None:
        """Run verbs in the project's folder, one command each."""
        for verb in verbs:
            self.terminal.run(*verb.split(), cwd=self.folder)

    def release(self, version: str) -> None:
        """Raise the version, build and sign."""
        lines = (self.folder / "Component.toml").read_text().splitlines(keepends=True)
        is_version = [line.startswith("version = ") for line in lines]
        lines[is_version.index(True)] = f'version = "{version}"\n'
        (self.folder / "Component.toml").write_text("".join(lines))
        self.type("build", "sign")


UNRULY = """
    airswasm_text order = {(const char *)payload.data, payload.length};
    if (airswasm_equal(order, AIRSWASM_TEXT("trap"))) __builtin_trap();
    if (airswasm_equal(order, AIRSWASM_TEXT("spin")))
        for (volatile int i = 0;; i++) {}
    if (airswasm_equal(order, AIRSWASM_TEXT("grow"))) {
        size_t pages = 0;
        while (__builtin_wasm_memory_grow(0, 1) != (size_t)-1) pages++;
        airswasm_text grown = airswasm_decimal(pages);
        return airswasm_answer(airswasm_as_bytes(airswasm_join(AIRSWASM_TEXT("grew "), grown)));
    }
    airswasm_lookup stored = airswasm_get(COUNT);
"""


def make_unruly(project: Project) -> None:
    """Add three ways to misbehave to the template component."""
    source = f"src/{project.name.removeprefix('local/')}.c"
    project.edit(source, "\n    airswasm_lookup stored = airswasm_get(COUNT);\n", UNRULY)
    project.manifest('timeout = "10 s"', 'timeout = "1 s"')
