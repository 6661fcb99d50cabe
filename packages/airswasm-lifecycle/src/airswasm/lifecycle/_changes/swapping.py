"""Swap a development build into a running host: an update without a version and without a signer.

An author changes a line and wants to see it run. An update would ask for a higher version and a
signature each time; both protect a name from strangers, and here the one at the keyboard owns both
ends. So a swap is for hosts in development mode only, for unsigned names only, and every record,
log and status says so. All else is an update's: the same checks of package, contract and policy,
the same trial, the same switch, and the build that serves goes on if the new one does not start.
Gates are not asked: they protect those who use a name, and here it is changed on purpose.

Rejected: running the build beside the registry. A host that is restarted would return to the old
build, and `info` would describe another component than the one that answers.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import anyio.to_thread
from airswasm.runtime import ProgressSink
from airswasm.security import Kinds
from airswasm.wit import AirswasmError

from .._packages.manifest import MANIFEST_NAME, Manifest
from .._packages.package import Package
from .._registry.ledger import version_of
from .._registry.plan import plan_swap
from .._registry.registry import ComponentRecord
from .._registry.stored_packages import StoredPackages
from ..errors import PackageInvalid, SwapRefused, UpdateFailed, WrongPackage
from .installing import Installing
from .switching import Switch
from .updating import Updating

__all__ = ("SwapState", "Swapping", "read_build")

_WASM = b"\0asm"
SwapState: TypeAlias = Literal["keep", "reset"]


@dataclass(frozen=True, slots=True)
class Swapping:
    """Puts unsigned builds into the place of unsigned builds."""

    installing: Installing
    updating: Updating

    async def swap(
        self, package: Package, name: str, state: SwapState, progress: ProgressSink | None
    ) -> None:
        """Make a build the active version of a name. Raises as `System.swap`."""
        to = self.installing
        record = to.registry.find(name)
        self._refuse(package, name, record)
        level = to.levels.of(package)
        plan = await anyio.to_thread.run_sync(
            plan_swap, package, name, record, to.policy, to.kinds, level
        )
        await to.loader.check(package, progress)
        decide = await to.approve(plan, package, None)  # the level answers
        added = replace(version_of(package, to.clock()), is_swapped=True)
        if record is None:
            first = ComponentRecord(name, package.name, None, 0, added.version, (added,))
            await to.add(package, first, "swap", decide, start=True)
        else:
            earlier = record.active if record.active != added.version else None
            successor = replace(
                record.with_version(added),
                migrate_from=None if state == "reset" else record.migrate_from or earlier,
            )
            switch = Switch(
                self.updating.update_of(record, package),
                record,
                successor,
                package.manifest,
                decide,
                lambda ready: to.ledger.put_package(package, (ready,), "swap", decide),
            )
            await self._carry_out(switch, state)
        kept = "was emptied" if state == "reset" else "stays"
        text = f"DEVELOPMENT: an unsigned build of {added.version} was swapped in; its data {kept}"
        to.logs.write(name, "warn", text, source="supervisor")

    def _refuse(self, package: Package, name: str, record: ComponentRecord | None) -> None:
        to = self.installing
        if not to.policy.is_development:
            raise SwapRefused(name, "this host is in production mode")
        if record is not None and package.name != record.package_name:
            raise WrongPackage(record.package_name, package.name, where=package.source)
        signers = () if record is None else (record.owner, *(v.signer for v in record.versions))
        is_owned = name == package.name and (to.trust.get(name) or to.ledger.owner_of(name))
        if is_owned or any(signers):
            raise SwapRefused(name, "a key owns the name, and an unsigned build must not take it")

    async def _carry_out(self, switch: Switch, state: SwapState) -> None:
        switching = self.updating.switching
        switching = replace(switching, gates=replace(switching.gates, standing=()))
        if state == "keep":
            await switching.carry_out(switch)
            return
        name, record, running = switch.name, switch.record, self.installing.running
        await running.hosting.stop(name)
        await self.installing.forgetting.reset(name)
        try:
            await switching.carry_out(switch)
        except UpdateFailed as error:
            if record.wanted == "running":
                with suppress(AirswasmError):  # its own log has the reason
                    await running.begin(record)
            raise UpdateFailed(
                name, error.old, error.new, error.step, f"{error.reason}; its data was emptied",
                active=record.active, state=running.hosting.state(name),
            ) from error  # fmt: skip


def read_build(
    source: Package | os.PathLike[str] | str | bytes,
    installed: ComponentRecord | None,
    stored: StoredPackages,
    kinds: Kinds,
) -> Package:
    """Return a build as an unsigned package.

    Args:
        source: As for `System.swap`.
        installed: The record whose manifest a component alone gets.
        stored: Its files.
        kinds: The capabilities that exist.

    Raises:
        LifecycleError: It is no package, or an invalid one.
    """
    if isinstance(source, Package):
        unsigned = Package.from_files(source.files, source=source.source, kinds=kinds)
        return replace(unsigned, recorded_source=source.recorded_source)
    said, content = ("build", source) if isinstance(source, bytes) else (str(source), b"")
    if not isinstance(source, bytes):
        path = Path(source)
        if path.suffix not in ("", ".airswasm", ".wasm") and path.is_file():
            reason = "is no build: a build is a project's folder, a .airswasm or a .wasm file"
            raise PackageInvalid(said, reason, hint="build it first: airswasm build")
        if path.suffix != ".wasm":
            read = Package.read(path, signature="ignored", kinds=kinds)
            return replace(read, recorded_source=str(path.resolve()))
        try:
            content = path.read_bytes()
        except OSError as error:
            raise PackageInvalid(said, f"cannot be read: {error.strerror}") from error
    if not content.startswith(_WASM):
        return Package.from_bytes(content, source=said, signature="ignored", kinds=kinds)
    if installed is None:
        reason = "is a component without a manifest, and nothing is installed under the name"
        raise PackageInvalid(said, reason)
    files = stored.files(installed.active_version)
    manifest = Manifest.parse(files[MANIFEST_NAME], file=f"{installed.name}/{MANIFEST_NAME}")
    files[manifest.build.artifact] = content
    return Package.from_files(files, source=said, kinds=kinds)
