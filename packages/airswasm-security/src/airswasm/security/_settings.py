"""The sections `[security]` and `[trust]` of config.toml: rules for every component."""

from __future__ import annotations

from dataclasses import dataclass, field

from airswasm.wit import Forbidden

from ._grants import Grants, grants_of_tables
from ._key_text import MAXIMUM_SIGNERS, is_fingerprint
from ._sources import source_pattern
from .errors import InvalidPattern

__all__ = ("SecuritySettings", "TrustSettings")

_Table = dict[str, dict[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """`[security]`: the most that any component may do.

    Attributes:
        allow: The most that any component can be granted: domain, verb, patterns, as in
            Component.toml (`storage.read = ["everything"]`). Empty sets no bound.
        deny: Capabilities that no component may use, whatever it was granted.
        forbidden: Adds to the forbidden list, which is asked before everything else, also in
            development mode: domain, verb, patterns, as in `deny`.
    """

    allow: _Table = field(default_factory=_Table)
    deny: _Table = field(default_factory=_Table)
    forbidden: _Table = field(default_factory=_Table)

    @property
    def policy(self) -> Grants:
        """The two tables as grants.

        Raises:
            InvalidCapability: A name in them is not of the form `domain.verb`.
        """
        return Grants(grants_of_tables(self.allow), grants_of_tables(self.deny))

    @property
    def forbidden_entries(self) -> tuple[Forbidden, ...]:
        """The entries that config.toml adds to the forbidden list.

        Raises:
            ValueError: A name in them is not of the form `domain.verb`.
        """
        return tuple(
            Forbidden("config.toml", annotation.replace(":", "."), patterns)
            for annotation, patterns in grants_of_tables(self.forbidden).items()
        )


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
