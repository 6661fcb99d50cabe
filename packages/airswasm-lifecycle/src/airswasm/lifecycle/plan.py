"""What an install or update would do, and whether it may: decided before anything is done.

Pure functions over the registry's record, the package and the policy. What
they return is what the person who approves is shown; what they raise is why
it cannot be done at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ._semver import precedence
from airswasm.security import Grants

from .errors import (
    AlreadyInstalled,
    OwnerChanged,
    PackageUnsigned,
    SequenceJumped,
    SequenceTooOld,
    VersionNotNewer,
    VersionNotRetained,
    RolledBackPast,
    WrongPackage,
)
from .manifest import LimitsSection, read_grants
from .package import Package
from .policy import HostPolicy
from .registry import ComponentRecord

__all__ = ("SEQUENCE_JUMP_CAP", "Approve", "InstallPlan", "plan_install", "plan_rollback", "plan_update")

SEQUENCE_JUMP_CAP = 2**32
"""Sequences default to seconds since 1970: room for them, and none for 2**63."""


@dataclass(frozen=True, slots=True)
class InstallPlan:
    """What somebody is asked to approve."""

    name: str
    version: str
    description: str
    previous_version: str | None
    """The version that it replaces; None for an install."""
    signer: str | None
    """The fingerprint of the key that signed it; None if it is not signed."""
    is_new_signer: bool
    """No package of this name by this key was approved before."""
    capabilities: Grants
    """Everything it asks for."""
    added_capabilities: Grants
    """What it could not do before."""
    limits: LimitsSection
    wasm_bytes: int

    @property
    def needs_approval(self) -> bool:
        """Whether there is anything to ask: not for an update that asks for no more."""
        is_update = self.previous_version is not None
        return not is_update or bool(self.added_capabilities) or self.is_new_signer


Approve = Callable[[InstallPlan], bool | Awaitable[bool]]


def plan_install(
    package: Package, name: str, record: ComponentRecord | None, policy: HostPolicy
) -> InstallPlan:
    """Decides about a new name.

    Raises:
        AlreadyInstalled, PackageUnsigned, SequenceJumped, LimitAbovePolicy: it may not be.
    """
    if record is not None:
        raise AlreadyInstalled(name, record.active)
    _check_package(package, name, 0, policy)
    return _plan(package, name, None, is_new_signer=True)


def plan_update(package: Package, record: ComponentRecord, policy: HostPolicy) -> InstallPlan:
    """Decides about a new version of an installed name.

    Raises:
        WrongPackage, OwnerChanged, SequenceTooOld, SequenceJumped, VersionNotNewer,
        PackageUnsigned, LimitAbovePolicy: it may not follow the installed one.
    """
    if package.name != record.package_name:
        raise WrongPackage(record.package_name, package.name, where=package.source)
    if package.signer_key != record.owner:
        if package.signer_key is None:
            raise PackageUnsigned(package.source)
        if record.owner is not None:
            raise OwnerChanged(record.name, record.owner, package.signer_key)
    if package.is_signed and package.sequence <= record.floor:
        raise SequenceTooOld(record.name, record.floor, package.sequence)
    _check_version(package.version, record)
    _check_package(package, record.name, record.floor, policy)
    is_new_signer = package.signer_key != record.owner
    return _plan(package, record.name, record, is_new_signer=is_new_signer)


def plan_rollback(record: ComponentRecord, to: str | None) -> str:
    """Decides which version to go back to: `to`, or the one installed before the active one.

    Raises:
        VersionNotRetained: there is no such version.
    """
    retained = [each.version for each in record.versions]
    if to is not None:
        if to not in retained or to == record.active:
            raise VersionNotRetained(record.name, to, retained)
        return to
    position = retained.index(record.active)
    if position == 0:
        raise RolledBackPast(record.name, None, retained)
    return retained[position - 1]


def _check_version(version: str, record: ComponentRecord) -> None:
    if record.has_version(version) or precedence(version) <= precedence(record.active):
        raise VersionNotNewer(record.name, record.active, version)


def _check_package(package: Package, name: str, floor: int, policy: HostPolicy) -> None:
    if not package.is_signed and not policy.install.unsigned:
        raise PackageUnsigned(package.source)
    if package.sequence > floor + SEQUENCE_JUMP_CAP:
        raise SequenceJumped(name, floor, package.sequence, SEQUENCE_JUMP_CAP)
    policy.check(package.manifest)


def _plan(
    package: Package, name: str, record: ComponentRecord | None, *, is_new_signer: bool
) -> InstallPlan:
    manifest = package.manifest
    before = read_grants(record.active_version.grants if record else {})
    added = manifest.grants.beyond(before)
    return InstallPlan(
        name=name,
        version=package.version,
        description=manifest.component.description,
        previous_version=record.active if record else None,
        signer=package.signer_fingerprint,
        is_new_signer=is_new_signer,
        capabilities=manifest.grants,
        added_capabilities=added,
        limits=manifest.limits,
        wasm_bytes=len(package.wasm),
    )
