"""The plan of an install or update: decided, and shown, before anything is done.

Pure functions over the registry's record, the package and the policy. They
return what the person who approves is shown, or raise why it cannot be done at
all. A plan has a digest that covers every byte of the package and what the
change means for this host, so that one process can show it and another carry
out exactly what was approved.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from airswasm.security import Grants, Kinds, TrustedComponent

from ._differences import Difference, differences
from ._manifest import LimitsSection, Manifest, read_grants
from ._package import Package
from ._policy import HostPolicy
from ._registry import ComponentRecord
from ._semver import precedence
from .errors import (
    AlreadyInstalled,
    OwnerChanged,
    PackageUnsigned,
    RolledBackPast,
    SequenceJumped,
    SequenceTooOld,
    VersionNotNewer,
    VersionNotRetained,
    WrongPackage,
)

__all__ = (
    "Approve",
    "InstallPlan",
    "plan_install",
    "plan_repair",
    "plan_rollback",
    "plan_update",
)

SEQUENCE_JUMP_CAP = 2**32
"""Sequences default to seconds since 1970: room for them, and none for 2**63."""


@dataclass(frozen=True, slots=True)
class InstallPlan:
    """What an operator is asked to approve."""

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
    manifest: Manifest
    """The package's own, with its limits, supervision, health, environment and config."""
    differences: tuple[Difference, ...]
    """What an update sets otherwise than the installed version; empty for an install."""
    package_digest: str
    """Over every file of the package; see `Package.digest`."""
    wasm_bytes: int
    is_repair: bool = False
    """It puts back files of the installed version that the disk has lost, and nothing else."""

    @property
    def limits(self) -> LimitsSection:
        """The most that it may use."""
        return self.manifest.limits

    @property
    def raises(self) -> tuple[Difference, ...]:
        """The differences by which it may get more than the installed version."""
        return tuple(each for each in self.differences if each.is_raise)

    @property
    def needs_approval(self) -> bool:
        """Whether there is anything to ask: not for an update that asks for no more."""
        if self.is_repair:
            return False
        is_update = self.previous_version is not None
        return not is_update or bool(self.added_capabilities or self.raises) or self.is_new_signer

    @property
    def digest(self) -> str:
        """The SHA-256 that identifies this change.

        It covers every byte of the package, the name, and everything that the decision stands on:
        the version that is replaced and what the new one may do beyond it. When the host's state
        changes in between, the same package has a plan with another digest.
        """
        meaning = (
            self.name,
            self.previous_version,
            self.package_digest,
            self.is_new_signer,
            self.is_repair,
            self.added_capabilities.manifest_lines(),
            [(each.key, each.before, each.after) for each in self.differences],
        )
        return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()


Approve = Callable[[InstallPlan], bool | Awaitable[bool]]


def plan_install(
    package: Package,
    name: str,
    record: ComponentRecord | None,
    pin: TrustedComponent | None,
    policy: HostPolicy,
    kinds: Kinds,
) -> InstallPlan:
    """Decide about a new name.

    Args:
        package: what is to be installed.
        name: under which name.
        record: what is installed under that name.
        pin: the key that the package's name belongs to.
        policy: the host's.
        kinds: the capabilities that exist on this host.

    Raises:
        AlreadyInstalled, OwnerChanged, PackageUnsigned, SequenceTooOld,
        SequenceJumped, LimitAbovePolicy: it may not be.
    """
    if record is not None:
        raise AlreadyInstalled(name, record.active)
    _check_owner(package, name, str(pin.key) if pin else None)
    floor = pin.sequence if pin else 0
    _check_sequence(package, name, floor, is_same_allowed=True)
    _check_package(package, policy)
    return _plan(package, name, None, None, kinds, is_new_signer=pin is None)


def plan_update(
    package: Package,
    record: ComponentRecord,
    pin: TrustedComponent | None,
    policy: HostPolicy,
    before: Manifest | None,
    kinds: Kinds,
) -> InstallPlan:
    """Decide about a new version of an installed name.

    Args:
        package: what is to be installed.
        record: what is installed under that name.
        pin: the key that the package's name belongs to.
        policy: the host's.
        before: the installed version's manifest; None when it cannot be read, and then
            everything that the new one sets is a difference.
        kinds: the capabilities that exist on this host.

    Raises:
        WrongPackage, OwnerChanged, SequenceTooOld, SequenceJumped, VersionNotNewer,
        PackageUnsigned, LimitAbovePolicy: it may not follow the installed one.
    """
    if package.name != record.package_name:
        raise WrongPackage(record.package_name, package.name, where=package.source)
    owner = str(pin.key) if pin else record.owner
    _check_owner(package, record.name, owner)
    _check_sequence(package, record.name, record.floor, is_same_allowed=False)
    if pin is not None:
        _check_sequence(package, record.name, pin.sequence, is_same_allowed=True)
    _check_version(package.version, record)
    _check_package(package, policy)
    is_new_signer = owner is None and package.is_signed
    return _plan(package, record.name, record, before, kinds, is_new_signer=is_new_signer)


def plan_repair(package: Package, record: ComponentRecord, kinds: Kinds) -> InstallPlan:
    """Plan to put back files of an installed version; `package` is that very version."""
    return _plan(package, record.name, None, None, kinds, is_new_signer=False, is_repair=True)


def plan_rollback(record: ComponentRecord, to: str | None) -> str:
    """Decide which version to go back to: `to`, or the one installed before the active one.

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


def _check_owner(package: Package, name: str, owner: str | None) -> None:
    if owner is None:
        return
    if package.verified is None:
        raise PackageUnsigned(package.source)
    if owner not in map(str, package.verified.signers):
        raise OwnerChanged(name, owner, str(package.verified.signer))


def _check_sequence(package: Package, name: str, floor: int, *, is_same_allowed: bool) -> None:
    if not package.is_signed:
        return
    sequence = package.sequence
    if sequence < floor or (sequence == floor and not is_same_allowed):
        raise SequenceTooOld(name, floor, sequence)
    if sequence > floor + SEQUENCE_JUMP_CAP:
        raise SequenceJumped(name, floor, sequence, SEQUENCE_JUMP_CAP)


def _check_package(package: Package, policy: HostPolicy) -> None:
    if not package.is_signed and not policy.install.unsigned:
        raise PackageUnsigned(package.source)
    policy.check(package.manifest)


def _plan(
    package: Package,
    name: str,
    record: ComponentRecord | None,
    before: Manifest | None,
    kinds: Kinds,
    *,
    is_new_signer: bool,
    is_repair: bool = False,
) -> InstallPlan:
    manifest = package.manifest
    granted = read_grants(record.active_version.grants if record else {})
    return InstallPlan(
        name=name,
        version=package.version,
        description=manifest.component.description,
        previous_version=record.active if record else None,
        signer=package.signer.fingerprint if package.signer else None,
        is_new_signer=is_new_signer,
        capabilities=manifest.grants,
        added_capabilities=kinds.beyond(manifest.grants, granted),
        manifest=manifest,
        differences=differences(before, manifest) if record else (),
        package_digest=package.digest,
        wasm_bytes=len(package.wasm),
        is_repair=is_repair,
    )
