"""The answer of the guard to one request."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ("Decision",)


class Decision(NamedTuple):  # one is made for each call: a dataclass takes three times as long
    """The decision on a request, with its reason.

    Attributes:
        is_allowed: The answer.
        component: The caller.
        capability: The requested capability.
        resource: The resource, in canonical form if it has one.
        reason: The pattern that allows it, or the rule that forbids it.
        manifest_line: For a missing request, the line of Component.toml that would ask for it;
            otherwise None.
        layer: The layer that decided: `grants`, `policy`, `roles`, ...; `spelling` when the
            resource has no safe reading.
        command: The command of an operator that would allow it; None if there is none.
    """

    is_allowed: bool
    component: str
    capability: str
    resource: str
    reason: str
    manifest_line: str | None = None
    layer: str = "grants"
    command: str | None = None

    def __bool__(self) -> bool:
        return self.is_allowed

    def refused(self, reason: str) -> Decision:
        """Return a denial of the same call for another reason, which no grant would change."""
        return self._replace(is_allowed=False, reason=reason, manifest_line=None)

    @property
    def text(self) -> str:
        """One sentence for people; for a missing grant it says how to get it."""
        what = f"{self.capability.replace(':', '.')} on {self.resource!a}"
        if self.is_allowed:
            return f"{what} is allowed by {self.reason}"
        advice: list[str] = []
        if self.manifest_line is not None:
            advice.append(f"add to [capabilities] in Component.toml: {self.manifest_line}")
        if self.command is not None:
            advice.append(f"to allow it on this host: {self.command}")
        return "; ".join((f"{what} is denied: {self.reason}", *advice))
