"""The declaration of this block: capabilities, trust, signatures and audit."""

from __future__ import annotations

from airswasm.wit import Block, Metric, Section

__all__ = ("BLOCK", "DENIALS", "UNWRITTEN")

DENIALS = "component_denials_total"
UNWRITTEN = "denials_unwritten_total"

BLOCK = Block(
    name="security",
    summary="Capabilities, trust, signatures and audit.",
    interfaces=("airswasm:component/capabilities@0.1.0",),
    provide="airswasm.security:provide",
    sections=(
        Section(
            "security",
            "airswasm.security:SecuritySettings",
            "What holds for every component.",
            reads="reload",
        ),
        Section(
            "audit",
            "airswasm.security:AuditSettings",
            "What the audit log keeps, for how long, and who else gets its lines.",
            reads="reload",
            at_start={
                "messages": "the log of messages opens with the host",
                "durability": "the log is open with it",
                "wait_seconds": "the log is open with it",
            },
        ),
        Section(
            "roles",
            "airswasm.security:RolesSettings",
            "What components may do by their roles, beside their grants.",
            reads="reload",
        ),
        Section(
            "acl",
            "airswasm.security:AclSettings",
            "The access list, for single identities.",
            reads="reload",
        ),
        Section(
            "trust",
            "airswasm.security:TrustSettings",
            "Whose packages are trusted.",
            reads="reload",
        ),
    ),
    errors=("airswasm.security.errors",),
    metrics=(
        Metric(DENIALS, "Calls that were denied, by capability.", label="capability"),
        Metric(UNWRITTEN, "Denials without a line of their own in the audit log."),
    ),
)
