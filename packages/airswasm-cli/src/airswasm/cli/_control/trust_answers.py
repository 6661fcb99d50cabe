"""The documents of the operations on trust."""

from __future__ import annotations

from dataclasses import dataclass

from airswasm.security import FormerKey, Revocation, TrustedComponent

__all__ = (
    "AllowedKey",
    "Cosigner",
    "Disallowed",
    "FormerOwner",
    "RevokedKey",
    "Revoked",
    "Threshold",
    "Trust",
    "TrustedName",
)


@dataclass(frozen=True, slots=True)
class FormerOwner:
    """A key that another one replaced; versions that it signed still run.

    Attributes:
        fingerprint: Of the key.
        sequence: The highest sequence that it signed.
        until: The time of its replacement, seconds since 1970.
    """

    fingerprint: str
    sequence: int
    until: float

    @classmethod
    def of(cls, former: FormerKey) -> FormerOwner:
        """Return the document of a former key."""
        return cls(former.key.fingerprint, former.sequence, former.until)


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A key that counts beside the owner's where several must sign.

    Attributes:
        fingerprint: Of the key.
        key: The key, as base64 of its 32 bytes.
    """

    fingerprint: str
    key: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """The number of keys that must sign a name.

    Attributes:
        name: The component.
        needed: The number of different pinned keys.
    """

    name: str
    needed: int


@dataclass(frozen=True, slots=True)
class TrustedName:
    """A component that is pinned to its owner's key.

    Attributes:
        name: The component.
        fingerprint: Of the owner's key.
        key: The key, as base64 of its 32 bytes.
        label: The publisher's name, for people.
        sequence: The highest sequence that was accepted.
        since: The time of the pin, seconds since 1970.
        former: The owners before, oldest first.
        cosigners: Further keys that count where several must sign.
        needed: How many of the pinned keys must sign.
    """

    name: str
    fingerprint: str
    key: str
    label: str
    sequence: int
    since: float
    former: tuple[FormerOwner, ...]
    cosigners: tuple[Cosigner, ...]
    needed: int

    @classmethod
    def of(cls, pin: TrustedComponent, needed: int) -> TrustedName:
        """Return the document of a pin."""
        former = tuple(map(FormerOwner.of, pin.former))
        others = tuple(Cosigner(each.fingerprint, str(each)) for each in pin.cosigners)
        return cls(
            pin.name, pin.key.fingerprint, str(pin.key), pin.label, pin.sequence, pin.since,
            former, others, needed,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RevokedKey:
    """A key that is refused whatever is pinned to it.

    Attributes:
        fingerprint: Of the key.
        reason: For people.
        since: Seconds since 1970.
    """

    fingerprint: str
    reason: str
    since: float

    @classmethod
    def of(cls, revocation: Revocation) -> RevokedKey:
        """Return the document of a revocation."""
        return cls(revocation.fingerprint, revocation.reason, revocation.since)


@dataclass(frozen=True, slots=True)
class AllowedKey:
    """A key whose packages are granted what they ask for.

    Attributes:
        fingerprint: Of the key.
        label: The publisher's name, for people.
        since: Seconds since 1970; 0 for a key that config.toml lists.
    """

    fingerprint: str
    label: str
    since: float


@dataclass(frozen=True, slots=True)
class Disallowed:
    """The effect of trusting a key no longer.

    Attributes:
        fingerprint: Of the key.
        narrowed: The components that lost what they were granted because the key was trusted.
    """

    fingerprint: str
    narrowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys that a host trusts, and those that it refuses.

    Attributes:
        components: The pinned names, sorted.
        revoked: The revoked keys, oldest first.
        keys: The keys whose packages are granted what they ask for, oldest first.
        threshold: How many keys must sign any name.
        thresholds: The names of which more must sign, sorted.
    """

    components: tuple[TrustedName, ...]
    revoked: tuple[RevokedKey, ...]
    keys: tuple[AllowedKey, ...]
    threshold: int
    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True, slots=True)
class Revoked:
    """The effect of a revocation.

    Attributes:
        fingerprint: Of the revoked key.
        quarantined: The components whose code has ended, and does not start again.
    """

    fingerprint: str
    quarantined: tuple[str, ...]
