"""The section `[security]` of config.toml: rules for every component."""

from __future__ import annotations

from dataclasses import dataclass, field

from airswasm.wit import Forbidden

from .._kinds.grants import Grants, grants_of_tables

__all__ = ("SecuritySettings",)

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
