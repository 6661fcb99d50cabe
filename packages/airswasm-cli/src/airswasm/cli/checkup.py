"""What `doctor` looks at: one small function for each thing, none of which can stop the others.

The engine is not asked what it can do but made to prove it: a guest that loops
must be stopped by its fuel and by its time, and one that hoards must be refused
the memory. The home is only read, so it can be looked at while a host runs.
"""

from __future__ import annotations

import base64
import os
import platform
import shlex
import shutil
import stat
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from airswasm.actor import is_compiled
from airswasm.lifecycle import ArtifactCorrupt, ArtifactStore, Home, HostPolicy, System
from airswasm.runtime import (
    Caller,
    DeadlineExceeded,
    Engine,
    EngineConfig,
    FuelExhausted,
    Limits,
    LinkedComponent,
)
from airswasm.security import TrustStore, load_private_key, verify_audit

from .endpoint import endpoint_of, probe
from .problem import problem_of
from .surroundings import check_surroundings

__all__ = ("PROBE_GUEST", "PROBE_TEXT", "Finding", "run_checks")

State = Literal["ok", "note", "warning", "problem"]

_LEAST_FREE_BYTES = 256 * 2**20
_TESTED_ENGINE = ("50.",)
_EARLIEST_CLOCK = 1_767_225_600.0  # 2026-01-01
_PAGES_OVER_THE_LIMIT = 64

PROBE_TEXT = """
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "spin") (loop br 0))
    (func (export "grow") (param i32) (result i32) local.get 0 memory.grow))
  (core instance $i (instantiate $m))
  (func (export "spin") (canon lift (core func $i "spin")))
  (func (export "grow") (param "pages" u32) (result s32) (canon lift (core func $i "grow"))))
"""
"""The guest of the self-test; a test holds `PROBE_GUEST` equal to it."""

PROBE_GUEST = base64.b64decode(
    """
AGFzbQ0AAQABSQBhc20BAAAAAQkCYAAAYAF/AX8DAwIAAQUDAQABBxgDBm1lbW9yeQIABHNwaW4A
AARncm93AAEKEAIHAANADAALCwYAIABAAAsCBAEAAAAHBQFAAAEABgoBAAABAARzcGluCAYBAAAA
AAAHDAFAAQVwYWdlc3kAegYKAQAAAQAEZ3JvdwgGAQAAAQABCxMCAARzcGluAQAAAARncm93AQEA
"""
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: What was looked at.
        state: `ok`, `note`, `warning` or `problem`.
        text: What is the case.
        hint: What to do about it.
    """

    check: str
    state: State
    text: str
    hint: str = ""


async def run_checks(home: Path, key: Path, quick: bool = False) -> list[Finding]:
    """Makes every check; what raises becomes a finding.

    Args:
        home: The home to look at.
        key: The key that `sign` would use.
        quick: Leave out what takes long: the engine's self-test, reading all that is stored.
    """
    findings: list[Finding] = []
    plain: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("python", _python),
        ("engine", _engine),
        ("actors", _actors),
        ("home", lambda: _home(home)),
        ("around", lambda: _around(home)),
        ("config", lambda: _config(home)),
        ("host", lambda: _host(home)),
        ("key", lambda: _key(key)),
        ("trust", lambda: _trust(home)),
        ("audit", lambda: _audit(home)),
        ("space", lambda: _space(home)),
        ("clock", _clock),
        ("tools", _tools),
    )
    for name, check in plain:
        findings += _caught(name, check)
    waiting = [("registry", _registry(home, quick=quick))]
    if not quick:
        waiting.append(("limits", _limits()))
    for name, checks in waiting:
        try:
            findings += [finding async for finding in checks]
        except Exception as error:
            findings.append(_problem(name, error))
    return findings


def _caught(name: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(check())
    except Exception as error:
        return [_problem(name, error)]


def _problem(name: str, error: Exception) -> Finding:
    problem = problem_of(error)
    return Finding(name, "problem", f"[{problem.code}] {problem.message}", problem.hint)


def _python() -> Iterator[Finding]:
    text = f"{platform.python_implementation()} {platform.python_version()} on {sys.platform}"
    if sys.version_info[:3] == (3, 14, 0):
        hint = "it takes the guests' stacks for an overflow: use 3.14.1 or later"
        yield Finding("python", "problem", text, hint)
    elif sys.platform != "linux":
        hint = "Linux is where hosts are tested; here some protections are weaker"
        yield Finding("python", "warning", text, hint)
    else:
        yield Finding("python", "ok", f"{text} {platform.release()}")


def _engine() -> Iterator[Finding]:
    found = version("wasmtime")
    if found.startswith(_TESTED_ENGINE):
        yield Finding("engine", "ok", f"wasmtime {found}")
    else:
        hint = "this version of airswasm was tested with 50.x"
        yield Finding("engine", "warning", f"wasmtime {found}", hint)


def _actors() -> Iterator[Finding]:
    way = "compiled" if is_compiled() else "interpreted"
    yield Finding("actors", "ok", f"airswasm-actor {version('airswasm-actor')}, {way}")


def _home(home: Path) -> Iterator[Finding]:
    if not home.exists():
        yield Finding("home", "note", f"{home} does not exist yet; `keygen` or `install` makes it")
        return
    mode = stat.S_IMODE(home.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        yield Finding(
            "home", "problem", f"{home} has mode {mode:o}", f"chmod 700 {shlex.quote(str(home))}"
        )
    elif shut := [folder for folder in (home, *_folders(home)) if not os.access(folder, os.W_OK)]:
        hint = "check its owner, its mode, and how its disk is mounted"
        yield Finding("home", "problem", f"{shut[0]} cannot be written", hint)
    else:
        yield Finding("home", "ok", str(home))


def _around(home: Path) -> Iterator[Finding]:
    for each in check_surroundings(home):
        yield Finding(each.check, each.state, each.text, each.hint)


def _folders(home: Path) -> list[Path]:
    """The home's folders, and those of its logs."""
    return [each for each in (*home.iterdir(), *(home / "logs").glob("*")) if each.is_dir()]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _config(home: Path) -> Iterator[Finding]:
    file = Home(home).config_file
    policy = HostPolicy.load(file)
    if policy.install.unsigned:
        hint = "for development only: remove `unsigned = true` from [install]"
        yield Finding("config", "warning", "unsigned components may be installed", hint)
    else:
        yield Finding("config", "ok", str(file) if file.exists() else "defaults, no config.toml")


def _host(home: Path) -> Iterator[Finding]:
    endpoint = endpoint_of(home)
    state = probe(endpoint)
    if state == "alive":
        yield Finding("host", "ok", f"runs, at {endpoint.path}")
    elif state == "dead":
        text = f"none runs; {endpoint.path} is left from one that was killed"
        yield Finding("host", "note", text)
    else:
        yield Finding("host", "note", "none runs")


def _key(key: Path) -> Iterator[Finding]:
    if not key.exists():
        yield Finding("key", "note", f"no signing key at {key}; `airswasm keygen` makes one")
        return
    yield Finding("key", "ok", f"{load_private_key(key).public.fingerprint[:16]} at {key}")


def _trust(home: Path) -> Iterator[Finding]:
    pins = TrustStore(Home(home).trust_folder / "trust.json").components()
    yield Finding("trust", "ok", f"{_count(len(pins), 'component')} pinned to a key")


def _audit(home: Path) -> Iterator[Finding]:
    log = Home(home).audit_folder / "audit.jsonl"
    if not log.exists():
        if ArtifactStore(Home(home).artifacts_folder).is_empty():
            yield Finding("audit", "note", "no audit log yet")
        else:
            hint = "somebody removed it: put it back, and find out who can write there"
            yield Finding("audit", "problem", f"{log} is gone", hint)
        return
    report = verify_audit(log)
    yield Finding("audit", "ok", f"the chain of {report.lines} lines holds")


def _space(home: Path) -> Iterator[Finding]:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free_bytes = shutil.disk_usage(existing).free
    text = f"{free_bytes / 2**30:.1f} GiB free"
    if free_bytes < _LEAST_FREE_BYTES:
        yield Finding("space", "problem", text, "a full disk refuses every write: make room")
    else:
        yield Finding("space", "ok", text)


def _clock() -> Iterator[Finding]:
    if time.time() < _EARLIEST_CLOCK:
        hint = "set it: signatures get their sequence from it"
        yield Finding("clock", "problem", "the clock is years behind", hint)
    else:
        yield Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S %Z"))


def _tools() -> Iterator[Finding]:
    for language, package in (("python", "componentize-py"), ("c", "ziglang")):
        try:
            found = version(package)
        except PackageNotFoundError:
            hint = f"pip install 'airswasm-sdk[{language}]'"
            yield Finding("tools", "note", f"cannot build {language}: {hint}")
            continue
        yield Finding("tools", "ok", f"builds {language} with {package} {found}")


async def _registry(home: Path, *, quick: bool) -> AsyncIterator[Finding]:
    async with System(home, mode="readonly") as system:
        lost_writes = system.status().lost_writes
        if lost_writes:
            text = f"the disk lost the last {_count(lost_writes, 'write')} of what was acknowledged"
            hint = "check the disk; restore the home from a backup, or go on with what is there"
            yield Finding("store", "problem", text, hint)
        if not quick:
            read = _count(await system.verify_data(), "key")
            yield Finding("store", "ok", f"all of it was read: {read}")
        installed = system.list()
        for each in installed:
            system.info(each.name)
        changed = [each for each in installed if not _is_whole(system, each.name)]
    if changed:
        names = ", ".join(each.name for each in changed[:3]) + (", …" if changed[3:] else "")
        hint = "`airswasm install` with the same packages again puts the files back"
        yield Finding("registry", "problem", f"cannot start from its files: {names}", hint)
    else:
        yield Finding("registry", "ok", f"{_count(len(installed), 'component')} installed")


def _is_whole(system: System, name: str) -> bool:
    """Whether the active version's component is on the disk as it was installed."""
    active = (each for each in system.info(name).versions if each.is_active)
    artifacts = ArtifactStore(system.home.artifacts_folder)
    try:
        return all(artifacts.read(each.wasm_digest) for each in active)
    except ArtifactCorrupt:
        return False


async def _limits() -> AsyncIterator[Finding]:
    async with Engine(EngineConfig.dense()) as engine:  # as a host's is set up by default
        linked = (await engine.load(PROBE_GUEST, name="doctor")).link()
        yield await _is_stopped(linked, Limits(fuel=10_000_000, timeout=10.0), FuelExhausted)
        yield await _is_stopped(linked, Limits(fuel=2**62, timeout=0.1), DeadlineExceeded)
        instance = await linked.instantiate(caller=Caller("doctor"), limits=Limits())
        grown = await instance.call("#grow", _PAGES_OVER_THE_LIMIT)
        instance.close()
    if grown == -1:
        yield Finding("limits", "ok", "a guest that hoards memory was refused it")
    else:
        yield Finding("limits", "problem", "a guest got more memory than its limit")


async def _is_stopped(
    linked: LinkedComponent, limits: Limits, expected: type[Exception]
) -> Finding:
    by = "fuel" if expected is FuelExhausted else "time"
    instance = await linked.instantiate(caller=Caller("doctor"), limits=limits)
    started = time.monotonic()
    try:
        await instance.call("#spin")
    except expected:
        took = time.monotonic() - started
        return Finding("limits", "ok", f"a guest that loops was stopped by its {by}, {took:.2f} s")
    return Finding("limits", "problem", f"a guest that loops was not stopped by its {by}")
