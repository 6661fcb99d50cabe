"""The knowledge of blocks about the health of one host.

A block that knows of a problem adds a function to the host's `HealthSources`; it is asked whenever
the health is looked at, and costs nothing until then. `airswasm-monitoring` turns the answers
and its own figures into the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from airswasm.wit import safe_text

__all__ = ("Finding", "Health", "HealthSources")


class Health(IntEnum):
    """The health of a host, of a part of it, or of a component; a higher one is worse."""

    HEALTHY = 0
    UNKNOWN = 1
    """It is not known yet: a component starts, or a source cannot be asked."""
    DEGRADED = 2
    """It works less well than it should."""
    UNHEALTHY = 3
    """It cannot do its work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem.

    Attributes:
        health: What the subject is while the problem lasts.
        subject: The component's name, `namespace/name`, or the part of the host, which has no `/`.
        text: The problem.
        hint: The remedy; empty where there is nothing to do but to wait.
        is_unready: Whether the host should get no traffic meanwhile.
    """

    health: Health
    subject: str
    text: str
    hint: str = ""
    is_unready: bool = False

    @property
    def is_of_component(self) -> bool:
        """Whether the subject is a component."""
        return "/" in self.subject


class HealthSources:
    """The functions that the blocks of one host have added."""

    def __init__(self) -> None:
        self._sources: dict[str, Callable[[], Iterable[Finding]]] = {}

    def add(self, part: str, look: Callable[[], Iterable[Finding]]) -> None:
        """Ask `look` from now on.

        Args:
            part: The part of the host that it speaks for; a later source replaces an earlier one.
            look: Returns the findings of this moment. It is called on the event loop and must be
                quick.
        """
        self._sources[part] = look

    def findings(self) -> Iterator[Finding]:
        """Iterate over all findings of this moment.

        A source that fails is a finding itself, `UNKNOWN`.
        """
        for part, look in self._sources.items():
            try:
                found = list(look())
            except Exception as error:
                text = f"its health cannot be told: {type(error).__name__}: {safe_text(error)}"
                found = [Finding(Health.UNKNOWN, part, text)]
            yield from found
