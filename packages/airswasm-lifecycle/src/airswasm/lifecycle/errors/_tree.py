"""The base of the tree, and one problem of a file."""

from __future__ import annotations

from dataclasses import dataclass

from airswasm.wit import AirswasmError, ErrorCode

__all__ = (
    "LifecycleError",
    "ManifestProblem",
)


class LifecycleError(AirswasmError):
    """Base of every error that this block raises itself."""

    explanation = ErrorCode(
        "E0300",
        "lifecycle problem",
        "Installing or hosting failed without a code of its own.",
        "run the command again with -vv to see where it failed",
    )

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class ManifestProblem:
    """One problem in a manifest, with its place."""

    file: str
    """The file; or a variable of the environment, or nothing where a value was just typed."""
    line: int
    """Counted from 1; the table's line if the key is missing; 0 for what is in no file."""
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.text) if part)
