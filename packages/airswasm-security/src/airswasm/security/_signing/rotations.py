"""The statement that gives a component's name to another key.

The key until now and the next one sign it, and beside them as many other keys of the name as its
threshold asks for. It carries a sequence, so that a host takes it once, and an end: after it, a
statement that was never used, or that lay in a mailbox for years, gives nothing away.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InvalidStatement
from .envelope import (
    Json,
    canonical,
    check_canonical,
    check_name,
    check_sequence,
    envelope,
    integer_of,
    key_of,
    keys_of,
    open_whole,
    parse_body,
    text_of,
)
from .keys import PrivateKey, PublicKey

__all__ = ("Rotation", "sign_rotation", "verify_rotation")

_TYPE = "airswasm/key-rotation/v2"
_VALID_SECONDS = 30 * 86_400
_LATEST = 253_402_300_799
"""The last second of the year 9999, beyond which no calendar goes."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """The transfer of a component from one key to another.

    Attributes:
        name: The component.
        old: A key of its pin until now: the owner's, or a co-signer's.
        new: The key that replaces it.
        sequence: Must be above the last accepted one, so that it cannot be replayed.
        expires: The time after which no host accepts it, seconds since 1970.
        cosigners: Other keys of the name that sign it, where more than one must.
    """

    name: str
    old: PublicKey
    new: PublicKey
    sequence: int
    expires: int
    cosigners: tuple[PublicKey, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name)
        check_sequence(self.sequence)
        if self.old == self.new:
            raise InvalidStatement("a rotation needs two different keys", field="new")
        if not 0 < self.expires <= _LATEST:
            raise InvalidStatement("its end is no time of a calendar", field="expires")

    @property
    def signers(self) -> tuple[PublicKey, ...]:
        """All keys that sign it: the old one, the new one, and the others."""
        return (self.old, self.new, *self.cosigners)

    def encode(self) -> bytes:
        """Return the canonical JSON to sign."""
        signers: list[Json] = [str(key) for key in self.signers]
        return canonical(
            {
                "type": _TYPE,
                "name": self.name,
                "old": str(self.old),
                "new": str(self.new),
                "sequence": self.sequence,
                "expires": self.expires,
                "signers": signers,
            }
        )


def sign_rotation(
    name: str,
    old: PrivateKey,
    new: PrivateKey,
    sequence: int,
    *,
    expires: float | None = None,
    cosigners: Sequence[PrivateKey | PublicKey] = (),
) -> bytes:
    """Return a rotation statement, signed by both keys.

    Args:
        name: The component.
        old: The key until now.
        new: The key from then on.
        sequence: Above that of the last release.
        expires: Its end, seconds since 1970; by default thirty days from now.
        cosigners: Further keys that must sign. Private ones sign here, and the holders of public
            ones with `cosign`.

    Raises:
        InvalidStatement: A field breaks the rules, or a key is given twice.
    """
    end = int(time.time() + _VALID_SECONDS if expires is None else expires)
    others = tuple(each.public if isinstance(each, PrivateKey) else each for each in cosigners)
    body = Rotation(name, old.public, new.public, sequence, end, others).encode()
    here = [each for each in cosigners if isinstance(each, PrivateKey)]
    return envelope(body, (old, new, *here))


def verify_rotation(signature: bytes) -> Rotation:
    """Verify a rotation statement: all of its signers, and no other key, must have signed it.

    Whether it has ended is for the host to say, by its clock.

    Raises:
        InvalidSignature: The file is malformed, or not signed by exactly these keys.
        SignaturesMissing: A named key has not signed it yet.
        InvalidStatement: The signed statement breaks the format's rules.
    """
    body, signers = open_whole(signature)
    names = ("name", "old", "new", "sequence", "expires", "signers")
    fields = parse_body(body, _TYPE, names)
    rotation = Rotation(
        name=text_of(fields, "name"),
        old=key_of(fields, "old"),
        new=key_of(fields, "new"),
        sequence=integer_of(fields, "sequence"),
        expires=integer_of(fields, "expires"),
        cosigners=keys_of(fields)[2:],
    )
    check_canonical(rotation.encode(), body)
    assert signers == rotation.signers, "the canonical form names old and new first"
    return rotation
