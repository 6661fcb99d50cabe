"""Names that are easily taken for each other: `acme/echo` and `acme/ech0`.

Names are ASCII, so no letter of another alphabet can pass for one of theirs. What is left are
digits and pairs that look like letters, and a slip of one character.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airswasm.security import PublicKey

__all__ = ("Lookalike", "are_alike", "find_lookalikes")

_SAME = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "-": None})
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A name of another owner.

    Attributes:
        name: The name.
        owner: The fingerprint of its owner's key.
    """

    name: str
    owner: str


def find_lookalikes(
    name: str, signer: PublicKey | None, owners: Mapping[str, PublicKey]
) -> Iterator[Lookalike]:
    """Iterate over the names of other owners for which a name may be taken."""
    for other, owner in sorted(owners.items()):
        if owner != signer and are_alike(name, other):
            yield Lookalike(other, owner.fingerprint)


def are_alike(first: str, second: str) -> bool:
    """Return whether two different names look alike, or differ in one character."""
    if first == second or abs(len(first) - len(second)) > 2:
        return False
    return _skeleton(first) == _skeleton(second) or _is_one_slip(first, second)


def _skeleton(name: str) -> str:
    shape = name.translate(_SAME)
    for pair, single in _PAIRS:
        shape = shape.replace(pair, single)
    return shape


def _is_one_slip(first: str, second: str) -> bool:
    """Return whether one character was changed, added or dropped, or two neighbours swapped."""
    short, long = sorted((first, second), key=len)
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return len(long) - len(short) == 1 and short[at:] == long[at + 1 :]
    is_swap = short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    return short[at + 1 :] == long[at + 1 :] or is_swap
