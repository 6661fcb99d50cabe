"""The declaration of this block: capabilities, trust, signatures and audit."""

from __future__ import annotations

from airswasm.wit import Block, Metric, Section

__all__ = ("BLOCK", "UNWRITTEN")

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
        ),
        Section(
            "audit",
            "airswasm.security:AuditSettings",
            "What the audit log keeps, for how long, and who else gets its lines.",
        ),
        Section(
            "roles",
            "airswasm.security:RolesSettings",
            "What components may do by their roles, beside their grants.",
        ),
        Section("acl", "airswasm.security:AclSettings", "The access list, for single identities."),
        Section("trust", "airswasm.security:TrustSettings", "Whose packages are trusted."),
    ),
    errors=("airswasm.security.errors",),
    metrics=(Metric(UNWRITTEN, "Denials without a line of their own in the audit log."),),
)
