"""Plan an install or update: decide, and show the decision, before any change.

Pure functions over the registry's record, the package and the policy. They return the plan that the
approver sees, or raise the reason for a refusal. A plan has a digest over every byte of the package
and the effect of the change on this host, so one process can show it and another carry out exactly
what was approved.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from airswasm.security import Grants, Kinds, PublicKey, TrustedComponent, fingerprint_of

from .._home.policy import HostPolicy
from .._packages.differences import Difference, differences
from .._packages.manifest import LimitsSection, Manifest
from .._packages.package import Package, digest_over
from .._packages.requests import read_grants
from .._packages.semver import precedence
from .._verdicts import GateVerdict
from ..errors import (
    AlreadyInstalled,
    OwnerChanged,
    PackageUnsigned,
    RolledBackPast,
    SequenceJumped,
    SequenceTooOld,
    VersionActive,
    VersionNotNewer,
    VersionNotRetained,
    WrongPackage,
)
from .data_plan import DataPlan
from .lookalikes import Lookalike
from .registry import ComponentRecord, VersionRecord

__all__ = (
    "InstallPlan",
    "TrustLevel",
    "plan_install",
    "plan_repair",
    "plan_rollback",
    "plan_swap",
    "plan_update",
    "version_to_return_to",
)

SEQUENCE_JUMP_CAP = 2**32
"""Sequences default to seconds since 1970: below this they fit with margin, and 2**63 does not."""


@dataclass(frozen=True, slots=True)
class InstallPlan:
    """A change for an operator to approve."""

    name: str
    version: str
    description: str
    previous_version: str | None
    """The version that it replaces; None for an install."""
    signer: str | None
    """The fingerprint of the key that signed it; None if it is unsigned."""
    is_new_signer: bool
    """Whether this key has not yet been approved for this name."""
    cosigners: tuple[str, ...]
    """The fingerprints of the keys that signed it beside that one."""
    capabilities: Grants
    """All capabilities that it asks for."""
    added_capabilities: Grants
    """The capabilities that the installed version lacks."""
    manifest: Manifest
    """The package's manifest, with its limits, supervision, health, environment and config."""
    differences: tuple[Difference, ...]
    """Keys that an update sets differently from the installed version; empty for an install."""
    package_digest: str
    """Over every file of the package; see `Package.digest`."""
    wasm_bytes: int
    lookalikes: tuple[Lookalike, ...] = ()
    """Names of other owners that the name of an install is easily taken for."""
    absent_needs: tuple[str, ...] = ()
    """The needs that are not installed: it will wait for them. The digest leaves them out."""
    older_than: str = ""
    """The newer version that was installed here before, where an install goes back behind it."""
    withheld: Grants = field(default_factory=Grants)
    """The requests that the answer does not change: an update's that stay denied, and a rollback's
    that are not in force any more."""
    is_repair: bool = False
    """Whether it only restores files of the installed version that the disk lost."""
    is_rollback: bool = False
    """Whether it returns to a version that was approved before."""
    level: TrustLevel = "unknown"
    """The trust level of the package: `trusted` for its key, `source` for the place that it came
    from, `development` or `unknown`."""
    source: str = ""
    """Where it comes from, in canonical form; empty if it has no source."""
    pin: str = ""
    """The source's name for exactly this content."""
    origin: str = ""
    """The canonical text of its source; empty where it is not known."""
    verdicts: tuple[GateVerdict, ...] = ()
    """The verdicts of the gates on an update or a rollback; without those that try a candidate,
    which nothing starts for a plan."""
    data: DataPlan | None = None
    """The choice about its data; for a rollback only."""

    @property
    def limits(self) -> LimitsSection:
        """The limits of the new version."""
        return self.manifest.limits

    @property
    def raises(self) -> tuple[Difference, ...]:
        """The differences that may give it more than the installed version had."""
        return tuple(each for each in self.differences if each.is_raise)

    @property
    def needs_approval(self) -> bool:
        """Whether an operator must approve: not for an update that asks for no more.

        Nor for a package of a trusted key, or of the development level, nor for a rollback: that
        version was approved. An install of an older version than before always asks.
        """
        if self.older_than:
            return True
        if self.is_repair or self.is_rollback or self.level != "unknown":
            return False
        is_update = self.previous_version is not None
        return not is_update or bool(self.added_capabilities or self.raises) or self.is_new_signer

    @property
    def digest(self) -> str:
        """The SHA-256 that identifies this change.

        It covers every byte of the package, the name, and everything that the decision depends on:
        the replaced version and what the new one may do beyond it. When the host's state changes in
        between, the same package has a plan with another digest.
        """
        meaning = (
            self.name,
            self.previous_version,
            self.package_digest,
            self.is_new_signer,
            self.cosigners,
            self.older_than,
            self.is_repair,
            self.level,
            self.source,
            self.pin,
            self.added_capabilities.manifest_lines(),
            [(each.key, each.before, each.after) for each in self.differences],
        )
        return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()


TrustLevel: TypeAlias = Literal["trusted", "source", "unknown", "development"]


def plan_install(
    package: Package,
    name: str,
    record: ComponentRecord | None,
    pin: TrustedComponent | None,
    policy: HostPolicy,
    kinds: Kinds,
    level: TrustLevel = "unknown",
) -> InstallPlan:
    """Plan the install of a new name.

    Args:
        package: The package to install.
        name: The name to install it under.
        record: The record under that name, if any.
        pin: The key that owns the package's name.
        policy: The host's policy.
        kinds: The capabilities that exist on this host.
        level: The trust level of the package.

    Raises:
        AlreadyInstalled, OwnerChanged, PackageUnsigned, SequenceTooOld, SequenceJumped,
            LimitAbovePolicy: The host must refuse it.
    """
    if record is not None:
        raise AlreadyInstalled(name, record.active)
    _check_owner(package, name, pin.key if pin else None)
    floor = pin.sequence if pin else 0
    _check_sequence(package, name, floor, is_same_allowed=True)
    _check_package(package, policy)
    return _plan(package, name, None, None, kinds, is_new_signer=pin is None, level=level)


def plan_update(
    package: Package,
    record: ComponentRecord,
    pin: TrustedComponent | None,
    policy: HostPolicy,
    before: Manifest | None,
    kinds: Kinds,
    level: TrustLevel = "unknown",
) -> InstallPlan:
    """Plan a new version of an installed name.

    Args:
        package: The package to install.
        record: The record under that name.
        pin: The key that owns the package's name.
        policy: The host's policy.
        before: The installed version's manifest; None when it is unreadable, and then everything
            that the new one sets is a difference.
        kinds: The capabilities that exist on this host.
        level: The trust level of the package.

    Raises:
        WrongPackage, OwnerChanged, SequenceTooOld, SequenceJumped, VersionNotNewer,
            PackageUnsigned, LimitAbovePolicy: The package may not follow the installed one.
    """
    if package.name != record.package_name:
        raise WrongPackage(record.package_name, package.name, where=package.source)
    _check_owner(package, record.name, _owner_of(record, pin))
    _check_sequence(package, record.name, record.floor, is_same_allowed=False)
    if pin is not None:
        _check_sequence(package, record.name, pin.sequence, is_same_allowed=True)
    _check_version(package.version, record)
    _check_package(package, policy)
    is_new_signer = pin is None and package.is_signed
    return _plan(
        package, record.name, record, before, kinds, is_new_signer=is_new_signer, level=level
    )


def plan_swap(
    package: Package,
    name: str,
    record: ComponentRecord | None,
    policy: HostPolicy,
    kinds: Kinds,
    level: TrustLevel,
) -> InstallPlan:
    """Plan to put a development build in the place of a version, whatever that is called.

    Raises:
        PackageUnsigned, LimitAbovePolicy: The host must refuse it.
    """
    _check_package(package, policy)
    return _plan(package, name, record, None, kinds, is_new_signer=False, level=level)


def plan_repair(package: Package, record: ComponentRecord, kinds: Kinds) -> InstallPlan:
    """Plan to restore files of an installed version; `package` is that very version."""
    return _plan(package, record.name, None, None, kinds, is_new_signer=False, is_repair=True)


def plan_rollback(
    record: ComponentRecord,
    version: VersionRecord,
    manifest: Manifest,
    before: Manifest | None,
    kinds: Kinds,
    held: Grants,
    wasm_bytes: int,
) -> InstallPlan:
    """Plan the return to a retained version.

    It was approved once and is the same to the byte, so on a bad day no question stands before it.
    It brings back no grant: what was withdrawn since stays withdrawn.

    Args:
        record: The record.
        version: The version to return to.
        manifest: Its manifest.
        before: The active version's manifest; None when it is unreadable.
        kinds: The capabilities that exist on this host.
        held: What the record grants that version now.
        wasm_bytes: The size of its component.
    """
    return InstallPlan(
        name=record.name,
        version=version.version,
        description=manifest.component.description,
        previous_version=record.active,
        signer=fingerprint_of(version.signer) if version.signer is not None else None,
        is_new_signer=False,
        cosigners=(),
        capabilities=manifest.grants,
        added_capabilities=Grants(),
        withheld=kinds.beyond(Grants(manifest.grants.allow), held),
        is_rollback=True,
        manifest=manifest,
        differences=differences(before, manifest),
        package_digest=digest_over(version.files),
        wasm_bytes=wasm_bytes,
        source=version.source,
        pin=version.pin,
    )


def version_to_return_to(record: ComponentRecord, to: str | None) -> str:
    """Return the version to go back to: `to`, or the one that the active one replaced.

    That is, of the versions installed before the active one, the one that was left last: a version
    that was rolled back is passed over. `to` can be the active one, where that has data to go back
    to.

    Raises:
        VersionActive: It is the active version already.
        VersionNotRetained: The host does not retain that version.
    """
    retained = [each.version for each in record.versions]
    if to is not None:
        if to == record.active and record.active_version.checkpoint is None:
            raise VersionActive(record.name, to, retained)
        if to not in retained:
            raise VersionNotRetained(record.name, to, retained)
        return to
    position = retained.index(record.active)
    if position == 0:
        raise RolledBackPast(record.name, None, retained)
    earlier = reversed(record.versions[:position])
    return max(earlier, key=lambda each: each.replaced_at or 0.0).version


def _check_version(version: str, record: ComponentRecord) -> None:
    is_retained = record.has_version(version)
    if is_retained or precedence(version) <= precedence(record.active):
        raise VersionNotNewer(record.name, record.active, version, is_retained=is_retained)


def _owner_of(record: ComponentRecord, pin: TrustedComponent | None) -> PublicKey | None:
    """Return the key that may update an installed component.

    A pin decides only where it continues from the installed owner: to remove a pin and to add
    another is no transfer.
    """
    owner = PublicKey.from_text(record.owner) if record.owner is not None else None
    if pin is not None and (owner is None or pin.succeeds(owner)):
        return pin.key
    return owner


def _check_owner(package: Package, name: str, owner: PublicKey | None) -> None:
    if owner is None:
        return
    if package.signer is None:
        raise PackageUnsigned(package.source, name=name, owner=owner.fingerprint)
    if package.signer != owner:
        raise OwnerChanged(name, owner.fingerprint, package.signer.fingerprint)


def _check_sequence(package: Package, name: str, floor: int, *, is_same_allowed: bool) -> None:
    if not package.is_signed:
        return
    sequence = package.sequence
    if sequence < floor or (sequence == floor and not is_same_allowed):
        raise SequenceTooOld(name, floor, sequence)
    if sequence > floor + SEQUENCE_JUMP_CAP:
        raise SequenceJumped(name, floor, sequence, SEQUENCE_JUMP_CAP)


def _check_package(package: Package, policy: HostPolicy) -> None:
    if not package.is_signed and not policy.accepts_unsigned:
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
    level: TrustLevel = "unknown",
) -> InstallPlan:
    manifest = package.manifest
    granted = decided_before(record, level) if record else Grants()
    asked = kinds.beyond(manifest.grants, granted)
    denied = record.grants.denied_of(asked, kinds) if record else Grants()
    return InstallPlan(
        name=name,
        version=package.version,
        description=manifest.component.description,
        previous_version=record.active if record else None,
        signer=package.signer.fingerprint if package.signer else None,
        is_new_signer=is_new_signer,
        cosigners=tuple(each.fingerprint for each in package.cosigners),
        capabilities=manifest.grants,
        added_capabilities=_without(asked, denied),
        withheld=denied,
        manifest=manifest,
        differences=differences(before, manifest) if record else (),
        package_digest=package.digest,
        wasm_bytes=len(package.wasm),
        is_repair=is_repair,
        level=level,
        source=package.recorded_source,
        pin=package.pin,
        origin=package.origin,
    )


def _without(asked: Grants, denied: Grants) -> Grants:
    """Return what is asked for without what stays denied whatever is answered."""
    left = {
        name: tuple(each for each in patterns if each not in denied.allow.get(name, ()))
        for name, patterns in asked.allow.items()
    }
    return Grants({name: patterns for name, patterns in left.items() if patterns})


def decided_before(record: ComponentRecord, level: TrustLevel) -> Grants:
    """Return what was asked for and decided until now.

    What the development level granted was not decided by an operator: a later version of another
    level asks about all of it.
    """
    is_by_level = any(each.by == "level" for each in record.grants.entries)
    if is_by_level and level != "development":
        return Grants()
    return read_grants(record.active_version.asked)
