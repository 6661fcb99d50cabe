"""The bounds of the dead letters: the section `[dead-letters]` of config.toml."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("DeadLetterSettings",)


@dataclass(frozen=True, slots=True)
class DeadLetterSettings:
    """Bounds of the dead letters that a host keeps.

    Attributes:
        letters: The most letters. Where there are more, the component with most of them gives its
            oldest.
        size: The most bytes of them, payloads included; the component that takes most gives its
            oldest.
        age: Seconds after which a letter is let go.

    Raises:
        ValueError: A bound is not above 0.
    """

    letters: int = 10_000
    size: int = 64 * 2**20
    age: float = 30 * 86_400.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0")
