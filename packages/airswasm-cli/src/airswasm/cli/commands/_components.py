"""The steps that `lock` and `install --file` share: fetch what a list names, and compare."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .._control.document import Document, items
from .._control.pending import Change
from .._hosts.host import Host
from .._session.session import Session
from ._deciding import GrantOptions
from ._install import carry_out, fetch

if TYPE_CHECKING:
    from airswasm.lifecycle import Fetched, LockedComponent, Package, Sources

__all__ = ("fetch_listed", "install_listed", "lock_listed")


async def lock_listed(session: Session, file: Path) -> Mapping[str, LockedComponent]:
    """Fetch every component of a list, and write its lock.

    Raises:
        LifecycleError, SecurityError: One cannot be had, or is not the named one; the lock is as
            it was.
    """
    from airswasm.lifecycle import (
        LockedComponent,
        WrongPackage,
        lock_file_of,
        read_components,
        write_lock,
    )

    locked: dict[str, LockedComponent] = {}
    for name, source in read_components(file).items():
        _, package = await _package(session, file, source, "")
        if package.name != name:
            raise WrongPackage(name, package.name, where=f"{file}: {package.source}")
        locked[name] = LockedComponent.of(package, _shown(session, source))
    write_lock(lock_file_of(file), locked)
    return locked


async def fetch_listed(
    session: Session, file: Path, *, is_locked: bool
) -> Mapping[str, tuple[Fetched, Package]]:
    """Fetch every component of a list before any is installed, and compare with the lock.

    Args:
        session: The verb's.
        file: The list.
        is_locked: Whether the lock must have every component.

    Raises:
        LockMissing, LockMismatch: The lock lacks one, or has another package.
        LifecycleError, SecurityError: One cannot be had.
    """
    from airswasm.lifecycle import (
        LockMissing,
        WrongPackage,
        find_locked,
        lock_file_of,
        read_components,
        read_lock,
    )

    listed, lock_file = read_components(file), lock_file_of(file)
    locks = read_lock(lock_file)
    found: dict[str, tuple[Fetched, Package]] = {}
    for name, source in listed.items():
        lock: LockedComponent | None = None
        try:
            lock = find_locked(name, _shown(session, source), locks, lock_file)
        except LockMissing:
            if is_locked:
                raise
        fetched, package = await _package(session, file, source, lock.pin if lock else "")
        if lock is not None:
            lock.check(name, package)
        elif package.name != name:
            raise WrongPackage(name, package.name, where=f"{file}: {package.source}")
        found[name] = fetched, package
    return found


async def install_listed(
    host: Host, session: Session, listed: Mapping[str, tuple[Fetched, Package]],
    options: GrantOptions,
) -> tuple[Document, ...]:  # fmt: skip
    """Install or update what differs from what is installed; each is asked about by itself."""
    installed = {str(each["name"]) for each in await host.list()}
    done: list[Document] = []
    for name, (fetched, package) in listed.items():
        if name in installed:
            info = await host.info(name)
            if _is_active(info, package):
                session.terminal.say(f"{name} {package.version} is installed")
                done.append(info)
                continue
        change: Change = "update" if name in installed else "install"
        info = await carry_out(session, host, fetched, change, options)
        session.terminal.done(f"{change.removesuffix('e')}ed {name} {package.version}")
        done.append(info)
    return tuple(done)


def _is_active(info: Document, package: Package) -> bool:
    return any(
        each.get("is_active")
        and (each["version"], each["wasm_digest"]) == (package.version, package.wasm_digest)
        for each in items(info.get("versions"))
    )


async def _package(session: Session, file: Path, source: str, pin: str) -> tuple[Fetched, Package]:
    """Return a package of a list; its record names the source of the list, not the pinned one."""
    import anyio.to_thread
    from airswasm.lifecycle import Package, located

    sources = _sources(session)
    text = located(file, source)
    fetched = await fetch(session, sources.pinned(text, pin))
    fetched = replace(fetched, source=sources.canonical(text))
    package = await anyio.to_thread.run_sync(
        lambda: Package.from_bytes(
            fetched.content, source=fetched.source, signature="optional",
            recorded_source=fetched.source, origin=fetched.place, pin=fetched.pin,
        )
    )  # fmt: skip
    return fetched, package


def _shown(session: Session, source: str) -> str:
    """Return a source as a lock has it: a path as it is written, another without secrets."""
    from airswasm.lifecycle import kind_of

    return source if kind_of(source) == "path" else _sources(session).canonical(source)


def _sources(session: Session) -> Sources:
    from airswasm.lifecycle import Home, Sources

    return Sources.of_home(Home(session.home).config_file, os.environ)
