"""Checks of a home for `airswasm doctor`. They only read, so a host may run meanwhile."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from airswasm.runtime import HostSettings
from airswasm.security import (
    AuditSettings,
    AuditSinkUnusable,
    PublicKey,
    SecurityError,
    TrustStore,
    open_sink,
    verify_statement,
)
from airswasm.wit import BlockPartUnusable, BlockProblem, Blocks, Finding, load_part

from ._home.artifacts import ArtifactStore
from ._home.configuration import Configuration
from ._home.home import Home
from ._home.policy import InstallPolicy
from ._packages.package import SIGNATURE_NAME
from ._reader import HomeReader
from ._system import System
from .errors import ArtifactCorrupt, HomeUnusable
from .testing import attack

__all__ = (
    "check_attack",
    "check_audit",
    "check_blocks",
    "check_clock",
    "check_config",
    "check_dead_letters",
    "check_home",
    "check_registry",
    "check_space",
    "check_trust",
)

_LONGEST_STALL = 0.1
"""Seconds of processor time; a slow machine takes longer than the 50 ms that tests allow."""
_LEAST_FREE_BYTES = 256 * 2**20
_EARLIEST_CLOCK = 1_767_225_600.0  # 2026-01-01


async def check_attack(home: Path, *, quick: bool) -> AsyncIterator[Finding]:
    """Let a hostile guest call every host function, unless it is to be quick."""
    del home
    if quick:
        return
    report = await attack(quick=True)
    failures = report.failures(stall=_LONGEST_STALL)
    if failures:
        hint = "report it to the block that offers the interface"
        yield Finding("attack", "warning", f"a guest holds up the host: {failures[0]}", hint)
        return
    worst = max((each.stall for each in report.attacks), default=0.0)
    text = f"{len(report.attacks)} loops over host functions held the host {worst * 1e3:.0f} ms"
    yield Finding("attack", "ok", f"{text} at most")


def check_home(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Look at the home's path, owner, mode and folders."""
    del quick
    try:
        Home(home).check()
    except HomeUnusable as error:
        yield Finding("home", "problem", str(error), error.hint)
        return
    if not home.exists():
        yield Finding(
            "home", "note", f"{home} does not exist yet; `keygen` or `install` creates it"
        )
        return
    mode = stat.S_IMODE(home.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        yield Finding(
            "home", "problem", f"{home} has mode {mode:o}", f"chmod 700 {shlex.quote(str(home))}"
        )
    elif shut := [folder for folder in (home, *_folders(home)) if not os.access(folder, os.W_OK)]:
        hint = "check its owner, its mode, and how its disk is mounted"
        yield Finding("home", "problem", f"{shut[0]} is not writable", hint)
    else:
        yield Finding("home", "ok", str(home))


def _folders(home: Path) -> list[Path]:
    """Return the home's folders and those of its logs."""
    return [each for each in (*home.iterdir(), *(home / "logs").glob("*")) if each.is_dir()]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def check_blocks(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Report the installed blocks and their problems, those of their parts too."""
    del home, quick
    found = Blocks.find()
    problems = [*found.problems, *_unusable_parts(found)]
    for problem in problems:
        hint = f"update or uninstall {problem.distribution}"
        yield Finding("blocks", "problem", str(problem), hint)
    if not problems:
        names = ", ".join(sorted(each.block.name for each in found))
        yield Finding("blocks", "ok", names)


def _unusable_parts(blocks: Blocks) -> Iterator[BlockProblem]:
    for each in blocks:
        for part, kind in each.block.parts.items():
            try:
                load_part(part, kind)
            except BlockPartUnusable as error:
                yield BlockProblem(each.distribution, str(error))


def check_config(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Read the settings."""
    del quick
    file = Home(home).config_file
    configuration = Configuration.load(file, Blocks.find(), os.environ)
    if configuration.get(HostSettings).mode == "development":
        hint = "where it serves others: airswasm config set host.mode production"
        text = "development mode: own and unsigned packages are granted everything"
        yield Finding("config", "warning", text, hint)
    if configuration.get(InstallPolicy).unsigned:
        hint = "this is for development only; to forbid it: airswasm config unset install.unsigned"
        yield Finding("config", "warning", "this host installs unsigned components", hint)
    else:
        yield Finding("config", "ok", str(file) if file.exists() else "defaults, no config.toml")


def check_trust(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Read the trust file."""
    del quick
    pins = TrustStore(Home(home).trust_folder / "trust.json").components()
    yield Finding("trust", "ok", f"{_count(len(pins), 'component')} pinned to a key")


def check_audit(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Verify the chain of the audit log, against the heads that the host kept."""
    del quick
    log = Home(home).audit_log
    if not log.exists() and ArtifactStore(Home(home).artifacts_folder).is_empty():
        yield Finding("audit", "note", "no audit log yet")
        return
    with HomeReader(home) as reader:
        trail = reader.audit
    if not log.exists():
        hint = "restore the removed file, and find out who can write to its folder"
        yield Finding("audit", "problem", f"{log} is gone", hint)
        return
    report = trail.verify()
    yield Finding("audit", "ok", f"the hash chain of {report.lines:,} lines is intact")
    configuration = Configuration.load(Home(home).config_file, Blocks.find(), os.environ)
    for name in configuration.get(AuditSettings).sinks:
        try:
            open_sink(name).close()
        except AuditSinkUnusable as error:
            yield Finding("audit", "problem", str(error), error.explanation.hint)
        else:
            yield Finding("audit", "ok", f"the sink {name} can be opened")


def check_space(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Check the free space on the home's disk."""
    del quick
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free_bytes = shutil.disk_usage(existing).free
    text = f"{free_bytes / 2**30:.1f} GiB free"
    if free_bytes < _LEAST_FREE_BYTES:
        yield Finding("space", "problem", text, "free some space: a full disk refuses every write")
    else:
        yield Finding("space", "ok", text)


def check_clock(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Compare the clock with the release date of this version."""
    del home, quick
    if time.time() < _EARLIEST_CLOCK:
        hint = "set the clock: signatures take their sequence from it"
        yield Finding("clock", "problem", "the clock is years behind", hint)
    else:
        yield Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S %Z"))


async def check_registry(home: Path, *, quick: bool) -> AsyncIterator[Finding]:
    """Read the registry and, unless quick, all stored data."""
    async with System(home, mode="readonly") as system:
        lost_writes = system.status().lost_writes
        if lost_writes:
            text = f"the disk lost the last {_count(lost_writes, 'acknowledged write')}"
            hint = "check the disk; restore a backup, or go on with the data that is left"
            yield Finding("store", "problem", text, hint)
        if not quick:
            read = await system.verify_data()
            yield Finding("store", "ok", f"all data is readable: {_count(read, 'key')}")
        installed = system.list()
        for each in installed:
            system.info(each.name)
        changed = [each.name for each in installed if not _is_whole(system, each.name)]
        revoked = _revoked(system)
    if revoked:
        hint = (
            "name another key (the owner's: airswasm trust transfer NAME KEY, a co-signer's: "
            "airswasm trust add NAME KEY --cosigner), then update it with a version by that key"
        )
        text = f"signed by a revoked key, so cannot start: {_few(revoked)}"
        yield Finding("registry", "problem", text, hint)
    if changed:
        names = _few(changed)
        hint = "run `airswasm install` with the same packages again to restore their files"
        yield Finding(
            "registry", "problem", f"cannot start, files missing or changed: {names}", hint
        )
    else:
        yield Finding("registry", "ok", f"{_count(len(installed), 'component')} installed")


async def check_dead_letters(home: Path, *, quick: bool) -> AsyncIterator[Finding]:
    """Count the messages that were not handled, unless it is to be quick."""
    if quick:
        return
    async with System(home, mode="readonly") as system:
        receivers = Counter([each.target async for each in system.dead_letters.list()])
    if not receivers:
        yield Finding("letters", "ok", "no dead letters")
        return
    most = ", ".join(f"{name} ({count:,})" for name, count in receivers.most_common(3))
    text = f"{_count(receivers.total(), 'dead letter')}, most to {most}"
    yield Finding("letters", "note", text, "airswasm dlq list")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if names[3:] else "")


def _revoked(system: System) -> Sequence[str]:
    """Return the components whose active version a revoked key signed, with key and reason."""
    store = TrustStore(system.home.trust_folder / "trust.json")
    reasons = {each.fingerprint: each.reason for each in store.revocations()}
    signers: dict[str, tuple[PublicKey, ...]] = {}
    found: list[str] = []
    for record in system._registry if reasons else ():
        digest = record.active_version.files.get(SIGNATURE_NAME, "")
        if digest not in signers:
            signers[digest] = _signers(system, digest)
        for fingerprint in (each.fingerprint for each in signers[digest]):
            if fingerprint in reasons:
                found.append(f"{record.name} ({fingerprint[:16]}: {reasons[fingerprint]})")
                break
    return found


def _signers(system: System, digest: str) -> tuple[PublicKey, ...]:
    """Return all keys that signed a package; none where its signature is gone or damaged."""
    try:
        content = ArtifactStore(system.home.artifacts_folder).read(digest) if digest else b""
        return verify_statement(content).signers
    except (ArtifactCorrupt, SecurityError):
        return ()


def _is_whole(system: System, name: str) -> bool:
    """Return whether the active version's component is on the disk as it was installed."""
    active = (each for each in system.info(name).versions if each.is_active)
    artifacts = ArtifactStore(system.home.artifacts_folder)
    try:
        return all(artifacts.read(each.wasm_digest) for each in active)
    except ArtifactCorrupt:
        return False
