"""The declaration of this block: its errors, and what `doctor` looks at."""

from __future__ import annotations

from ._block import Block

__all__ = ("BLOCK",)

BLOCK = Block(
    name="wit",
    summary="The contract between components and their host.",
    errors=("airswasm.wit.errors",),
)
