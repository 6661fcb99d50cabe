"""The declaration of this block: actors, supervisors and the broker."""

from __future__ import annotations

from airswasm.wit import Block, Check

__all__ = ("BLOCK",)

BLOCK = Block(
    name="actor",
    summary="Supervised actors and the routes between them.",
    errors=("airswasm.actor.errors",),
    checks=(Check("actors", "airswasm.actor._checks:check_build"),),
)
