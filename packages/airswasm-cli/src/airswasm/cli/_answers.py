"""Documents that no block below has a class for.

Everything else that a host answers is a public dataclass of the block that knows it. These are
the command's own. They are apart from `host`, because the OpenAPI document is made from their
types, and a verb that talks to a running host needs neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airswasm.lifecycle import (
    Difference,
    HealthSection,
    InstallPlan,
    LimitsSection,
    SupervisionSection,
)

__all__ = ("HostAbout", "PlanDocument", "StoredEntry", "plan_document")

API_VERSION = 1


@dataclass(frozen=True, slots=True)
class HostAbout:
    """Which host answers.

    Attributes:
        version: Of `airswasm-cli`.
        pid: The process.
        home: Its home.
        started_at: Seconds since 1970.
        api: The version of the control API.
    """

    version: str
    pid: int
    home: str
    started_at: float
    api: int = API_VERSION


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A key of a component's storage.

    Attributes:
        key: The key.
        size_bytes: The size of its value.
    """

    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PlanDocument:
    """An install plan as the operator who approves it is shown it.

    Attributes:
        digest: Identifies the plan; an approval names it.
        needs_approval: Whether there is anything to ask.
        name: The component.
        version: Its new version.
        description: Of the package's author.
        previous_version: The version that it replaces.
        signer: The fingerprint of the key that signed it; None if it is not signed.
        is_new_signer: Whether this key signed no package of this name before.
        is_repair: Whether it only puts back what the disk has lost.
        capabilities: What it asks for, as lines of a manifest.
        added_capabilities: What the installed version could not do.
        differences: What else it sets otherwise than the installed version.
        limits: The most that it may use.
        supervision: What follows a crash.
        health: How often it is asked for its health; None for never.
        environment: The environment variables that it sets for itself.
        config: The configuration that it is started with.
        package_digest: The SHA-256 over every file of the package.
        wasm_bytes: The size of the component itself.
    """

    digest: str
    needs_approval: bool
    name: str
    version: str
    description: str
    previous_version: str | None
    signer: str | None
    is_new_signer: bool
    is_repair: bool
    capabilities: tuple[str, ...]
    added_capabilities: tuple[str, ...]
    differences: tuple[Difference, ...]
    limits: LimitsSection
    supervision: SupervisionSection
    health: HealthSection | None
    environment: Mapping[str, str]
    config: Mapping[str, object]
    package_digest: str
    wasm_bytes: int


def plan_document(plan: InstallPlan) -> PlanDocument:
    """Return an install plan as the operator who approves it is shown it."""
    manifest = plan.manifest
    return PlanDocument(
        digest=plan.digest,
        needs_approval=plan.needs_approval,
        name=plan.name,
        version=plan.version,
        description=plan.description,
        previous_version=plan.previous_version,
        signer=plan.signer,
        is_new_signer=plan.is_new_signer,
        is_repair=plan.is_repair,
        capabilities=plan.capabilities.manifest_lines(),
        added_capabilities=plan.added_capabilities.manifest_lines(),
        differences=plan.differences,
        limits=manifest.limits,
        supervision=manifest.supervision,
        health=manifest.health,
        environment=manifest.environment,
        config=manifest.config,
        package_digest=plan.package_digest,
        wasm_bytes=plan.wasm_bytes,
    )
