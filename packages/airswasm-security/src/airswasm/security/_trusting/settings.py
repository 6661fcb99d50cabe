"""The section `[trust]` of config.toml: whose packages are granted what they ask for."""

from __future__ import annotations

from dataclasses import dataclass

from .._signing.key_text import MAXIMUM_SIGNERS, is_fingerprint
from ..errors import InvalidPattern
from .sources import source_pattern

__all__ = ("TrustSettings",)


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """`[trust]`: whose packages are granted what they ask for.

    Attributes:
        keys: Fingerprints of keys that are trusted, as `airswasm trust allow` trusts one.
        sources: Patterns of the places whose packages are trusted as those of a trusted key:
            `/srv/packages/**`, `https://host/folder/**`, `git+https://host/team/*@v*#folder`. Files
            that other users can change never count, and every address of a redirect must be
            covered.
        threshold: How many different pinned keys must sign each package, 1 to 8. `airswasm trust
            threshold` asks for more of a single name.
    """

    keys: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    threshold: int = 1

    def __post_init__(self) -> None:
        for each in self.sources:
            try:
                source_pattern(each)
            except InvalidPattern as error:
                raise ValueError(str(error)) from error
        if not 1 <= self.threshold <= MAXIMUM_SIGNERS:
            raise ValueError(f"threshold is not within 1 to {MAXIMUM_SIGNERS}")
        for each in self.keys:
            if not is_fingerprint(each):
                raise ValueError(f"{each[:80]!a} is no fingerprint: 64 digits of lower-case hex")
