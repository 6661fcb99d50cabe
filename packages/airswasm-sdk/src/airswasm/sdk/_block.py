"""The declaration of this block: writing, building and testing components."""

from __future__ import annotations

from airswasm.wit import Block, Check, Section

__all__ = ("BLOCK",)

BLOCK = Block(
    name="sdk",
    summary="Write, build and test components.",
    sections=(
        Section(
            "builds",
            "airswasm.sdk:BuildLimits",
            "Bounds for builds from source (`--build`).",
            reads="use",
        ),
    ),
    errors=("airswasm.sdk.errors",),
    checks=(
        Check("tools", "airswasm.sdk._checks:check_tools"),
        Check("builds", "airswasm.sdk._checks:check_builds"),
    ),
)
