"""The declaration of this block: capabilities, trust, signatures and audit."""

from __future__ import annotations

from airswasm.wit import Block, Section

__all__ = ("BLOCK",)

BLOCK = Block(
    name="security",
    summary="Capabilities, trust, signatures and audit.",
    interfaces=("airswasm:component/capabilities@0.1.0",),
    provide="airswasm.security:provide",
    sections=(
        Section(
            "security",
            "airswasm.security:SecuritySettings",
            "What holds for every component, and what the audit log keeps.",
        ),
    ),
    errors=("airswasm.security.errors",),
)
