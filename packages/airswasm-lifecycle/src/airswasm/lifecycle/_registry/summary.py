"""One line of a list of components.

Apart from the status, because a list is what people ask for most, and each dataclass takes a
millisecond to make.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("ComponentSummary",)


@dataclass(frozen=True, slots=True)
class ComponentSummary:
    """One line of a list."""

    name: str
    version: str
    state: str
    """`running`, `starting`, `stopped`, `restarting`, `given up`; `offline` without a host."""
    signer: str | None
    """The fingerprint of the first key that signed the active version; None if unsigned."""
    installed_at: float
