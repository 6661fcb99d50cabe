"""Documents for which no block below has a class.

Every other answer of a host is a public dataclass of the block that owns it. These classes belong
to the command itself. They are separate from `host`, because the OpenAPI document is generated from
their types, and a verb that talks to a running host needs neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airswasm.actor import Receipt
from airswasm.lifecycle import (
    DataPlan,
    Difference,
    GateVerdict,
    HealthSection,
    HostPolicy,
    InstallPlan,
    LimitsSection,
    Lookalike,
    SupervisionSection,
    SystemStatus,
)
from airswasm.security import Kinds

__all__ = (
    "AuditNewest",
    "AuditVerified",
    "CodecReport",
    "HostAbout",
    "HostStatus",
    "MessageReport",
    "PlanDocument",
    "Publication",
    "StorageVerified",
    "StoredDifference",
    "StoredEntry",
    "StoredNamespace",
    "Wish",
    "plan_document",
)

API_VERSION = 1


@dataclass(frozen=True, slots=True)
class HostStatus(SystemStatus):
    """The status of the host, with its health.

    Attributes:
        health: `healthy`, `degraded`, `unhealthy` or `unknown`; empty where it is not watched.
        health_reasons: The worst findings, each with its subject.
        health_findings: How many there are.
    """

    health: str = ""
    health_reasons: tuple[str, ...] = ()
    health_findings: int = 0


@dataclass(frozen=True, slots=True)
class HostAbout:
    """The identity of the host that answers.

    Attributes:
        version: Version of `airswasm-cli`.
        pid: Id of the host's process.
        home: Folder of the host's home.
        started_at: Seconds since 1970.
        api: Version of the control API.
    """

    version: str
    pid: int
    home: str
    started_at: float
    api: int = API_VERSION


@dataclass(frozen=True, slots=True)
class AuditNewest:
    """The newest line of the audit log.

    Attributes:
        line: Its number; 0 while there is none.
        sha256: Its hash.
        kept_line: The number of the line whose hash the host's store has.
    """

    line: int
    sha256: str
    kept_line: int


@dataclass(frozen=True, slots=True)
class AuditVerified:
    """An audit log that is whole.

    Attributes:
        lines: The number of lines.
        first_line: The number of the oldest one that is left.
        head: The newest one, `NUMBER:SHA256`.
        files: The number of files.
        torn_bytes: Bytes of a last line that a crash tore.
        compared: The places of the heads that it has, each with the number of its line.
    """

    lines: int
    first_line: int
    head: str
    files: int
    torn_bytes: int
    compared: Mapping[str, int]


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
class Publication:
    """A message that was published.

    Attributes:
        topic: The topic.
        mailboxes: The number of mailboxes that it was put into.
    """

    topic: str
    mailboxes: int


@dataclass(frozen=True, slots=True)
class MessageReport:
    """A message that a component has handled.

    Attributes:
        reply: The reply in base64; None if there is none.
        error: The component's error, as an error document has it; None without one.
        receipt: What the handling took.
    """

    reply: str | None
    error: Mapping[str, object] | None
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class CodecReport:
    """The codecs of the messages that a component reads.

    Attributes:
        accepts: Names of codecs; `any` alone takes every payload, unexamined.
        prefers: The codec for a sender that has the choice; None if it declares none.
    """

    accepts: tuple[str, ...]
    prefers: str | None


@dataclass(frozen=True, slots=True)
class StoredNamespace:
    """The size of what one name stores.

    Attributes:
        name: The component, or a namespace of the host's own.
        kind: `component`, `left` for the data of an uninstalled one, or `host`.
        used_bytes: The bytes that count into the quota.
        keys: The number of keys.
        quota_bytes: The most that `used_bytes` may become; None for the host's own.
        quota_keys: The most that `keys` may become; None for the host's own.
        checkpoints: The number of checkpoints.
        checkpoint_bytes: The bytes of the checkpoints, which count into no quota.
    """

    name: str
    kind: str
    used_bytes: int
    keys: int
    quota_bytes: int | None
    quota_keys: int | None
    checkpoints: int
    checkpoint_bytes: int


@dataclass(frozen=True, slots=True)
class StorageWork:
    """A long operation on stored data that is at work.

    Attributes:
        name: The component; empty for the store as a whole.
        act: `verify`, `import`, `delete`, `create checkpoint` or `restore checkpoint`.
        done: The keys, or the records of the store, that it has read or written so far.
        seconds: How long it has been at work.
    """

    name: str
    act: str
    done: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StorageVerified:
    """The result of reading all stored data.

    Attributes:
        records: The number of records that were read, those of the store itself included.
        namespaces: The number of namespaces that were counted anew.
        engine: The storage engine.
    """

    records: int
    namespaces: int
    engine: str


@dataclass(frozen=True, slots=True)
class StoredDifference:
    """A key that differs from a checkpoint.

    Attributes:
        key: The key.
        change: `added`, `changed` or `removed` since the checkpoint.
        before_bytes: The size of its value in the checkpoint; None if it has none.
        now_bytes: The size of its value now; None if it has none.
    """

    key: str
    change: str
    before_bytes: int | None
    now_bytes: int | None


@dataclass(frozen=True, slots=True)
class Wish:
    """A capability that a plan asks about.

    Attributes:
        capability: The capability.
        patterns: The patterns that are asked for, and not yet decided.
        sentence: What it allows, in words.
        reason: The package author's reason; empty for none.
    """

    capability: str
    patterns: tuple[str, ...]
    sentence: str
    reason: str


@dataclass(frozen=True, slots=True)
class PlanDocument:
    """An install plan as its approver sees it.

    Attributes:
        digest: Identifies the plan; an approval names it.
        needs_approval: Whether an operator must approve.
        name: The component.
        version: Its new version.
        description: The package author's description.
        previous_version: The version that it replaces.
        signer: The fingerprint of the key that signed it; None if it is unsigned.
        is_new_signer: Whether this key has not yet signed a package of this name.
        cosigners: The fingerprints of the keys that signed it beside that one.
        lookalikes: Names of other owners that its name is easily taken for.
        absent_needs: What it needs and is not installed: it will wait for that.
        older_than: The newer version that was installed here before; empty if there is none.
        is_repair: Whether it only restores files that the disk lost.
        level: How much its origin decides: `trusted`, `source`, `development` or `unknown`.
        origin: The canonical text of its source; empty where it is not known.
        capabilities: The capabilities that it asks for, as lines of a manifest.
        added_capabilities: The capabilities that the installed version lacks.
        withheld: The capabilities that it asks for and does not get whatever is answered, as lines
            of a manifest: denied ones, and for a rollback all that are not granted any more.
        wishes: The capabilities that the approval decides about, with sentences and reasons.
        differences: Other keys that it sets differently from the installed version.
        limits: The most that it may use, with the host's value where the package has none.
        supervision: Reactions to a crash.
        health: The interval of health checks; None for none.
        environment: The environment variables that it sets for itself.
        config: The configuration that it starts with.
        package_digest: The SHA-256 over every file of the package.
        wasm_bytes: The size of the component itself.
        source: Where it comes from; empty if it has no source.
        pin: The source's name for exactly this content.
        verdicts: The verdicts of the gates that need no running version, on an update or rollback.
        data: The choice about the component's data; for a rollback only.
    """

    digest: str
    needs_approval: bool
    name: str
    version: str
    description: str
    previous_version: str | None
    signer: str | None
    is_new_signer: bool
    cosigners: tuple[str, ...]
    lookalikes: tuple[Lookalike, ...]
    absent_needs: tuple[str, ...]
    older_than: str
    is_repair: bool
    level: str
    origin: str
    capabilities: tuple[str, ...]
    added_capabilities: tuple[str, ...]
    withheld: tuple[str, ...]
    wishes: tuple[Wish, ...]
    differences: tuple[Difference, ...]
    limits: LimitsSection
    supervision: SupervisionSection
    health: HealthSection | None
    environment: Mapping[str, str]
    config: Mapping[str, object]
    package_digest: str
    wasm_bytes: int
    source: str
    pin: str
    verdicts: tuple[GateVerdict, ...]
    data: DataPlan | None


def plan_document(plan: InstallPlan, kinds: Kinds, policy: HostPolicy) -> PlanDocument:
    """Return an install plan as its approver sees it."""
    from airswasm.lifecycle import limits_in_force

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
        cosigners=plan.cosigners,
        lookalikes=plan.lookalikes,
        absent_needs=plan.absent_needs,
        older_than=plan.older_than,
        is_repair=plan.is_repair,
        level=plan.level,
        origin=plan.origin,
        capabilities=plan.capabilities.manifest_lines(),
        added_capabilities=plan.added_capabilities.manifest_lines(),
        withheld=plan.withheld.manifest_lines(),
        wishes=tuple(_wishes(plan, kinds)),
        differences=plan.differences,
        limits=limits_in_force(plan.name, manifest, policy.limits),
        supervision=manifest.supervision,
        health=manifest.health,
        environment=manifest.environment,
        config=manifest.config,
        package_digest=plan.package_digest,
        wasm_bytes=plan.wasm_bytes,
        source=plan.source,
        pin=plan.pin,
        verdicts=plan.verdicts,
        data=plan.data,
    )


def _wishes(plan: InstallPlan, kinds: Kinds) -> Iterator[Wish]:
    for annotation, patterns in sorted(plan.added_capabilities.allow.items()):
        name = annotation.replace(":", ".")
        is_known = annotation in kinds
        sentence = kinds.sentence(annotation, patterns) if is_known else f"use {name}"
        yield Wish(name, patterns, sentence, plan.manifest.reasons.get(name, ""))
