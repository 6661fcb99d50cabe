"""The declaration of this block: writing, building and testing components."""

from __future__ import annotations

from airswasm.wit import Block, Check

__all__ = ("BLOCK",)

BLOCK = Block(
    name="sdk",
    summary="Write, build and test components.",
    errors=("airswasm.sdk.errors",),
    checks=(Check("tools", "airswasm.sdk._checks:check_tools"),),
)
