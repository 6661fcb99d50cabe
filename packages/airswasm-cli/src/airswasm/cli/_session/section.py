"""The model of `[cli]` in config.toml; `settings` resolves what holds for one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ("CliSettings",)


@dataclass(frozen=True, slots=True)
class CliSettings:
    """The section `[cli]`: defaults of the command's own options.

    Attributes:
        key: The key that `sign` uses; empty for keys/default.pem in the home.
        timeout: Seconds that `send` waits for a reply.
        color: `auto`, `always` or `never`.
    """

    key: str = ""
    timeout: float = 30.0
    color: Literal["auto", "always", "never"] = "auto"

    def __post_init__(self) -> None:
        if not 0 < self.timeout < 1e9:
            raise ValueError("timeout must be more than 0")
