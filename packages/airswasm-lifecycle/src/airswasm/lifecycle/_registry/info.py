"""All that is known of one component.

Apart from the status, because it shows a manifest, and reading one needs pydantic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from .._home.artifacts import ArtifactStore
from .._packages.manifest import MANIFEST_NAME, LimitsSection, Manifest
from .._verdicts import GateVerdict
from .checkpoint import DataCheckpoint
from .registry import ComponentRecord
from .retention import KeptBy
from .worlds import InterfaceInfo

if TYPE_CHECKING:
    from airswasm.messaging import ScheduledMessage

__all__ = (
    "RECORDINGS_NAMESPACE",
    "ComponentInfo",
    "DeliveryInfo",
    "RecordingInfo",
    "TimerInfo",
    "VersionInfo",
    "read_manifest",
)


RECORDINGS_NAMESPACE = "airswasm-recordings"
"""Contains no slash, so no component has this name."""


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One retained version."""

    version: str
    sequence: int
    wasm_digest: str
    installed_at: float
    is_active: bool
    signer: str | None
    """The fingerprint of its owner's key at that time; None if it is unsigned."""
    source: str = ""
    """Where it came from; empty if it has no source to go back to."""
    pin: str = ""
    """The source's name for exactly this version: a commit, a digest."""
    overridden: Mapping[str, str] = field(default_factory=dict[str, str])
    """The gates that would have stopped it, with an operator's reasons to override them."""
    checkpoint: DataCheckpoint | None = None
    """The copy of its data, for a rollback with data; None if there is none."""
    is_swapped: bool = False
    """Whether it is a development build that was swapped in."""
    replaced_at: float | None = None
    """When it stopped being active; None if it is, or if that is not known."""
    is_pinned: bool = False
    """Whether an operator keeps it."""
    kept_by: KeptBy = ""
    """The rule that keeps it: `active`, `pinned`, `migration`, `newest`, `recent`; empty if the
    next clean-up removes it."""
    kept_until: float | None = None
    """When no rule keeps it any more, if time alone ends that."""


@dataclass(frozen=True, slots=True)
class TimerInfo:
    """One message that a component, or an actor in Python, sends at a later time."""

    id: int
    owner: str
    target: str
    payload_bytes: int
    seconds: float
    """The delay, or the interval."""
    repeats: bool
    is_durable: bool
    due: float
    """When it is sent next, in seconds since 1970."""
    fired: int
    """Times that it was sent since the host started."""
    missed: int
    """Times that passed unused since the host started."""

    @classmethod
    def of(cls, timer: ScheduledMessage) -> Self:
        """Return what is shown of a timer."""
        return cls(
            timer.number, timer.owner, timer.target, timer.payload_bytes, timer.seconds,
            timer.repeats, timer.is_durable, timer.due, timer.fired, timer.missed,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """The extent of the recording of one component."""

    name: str
    is_recording: bool
    """Whether its messages are recorded, from its next start on."""
    messages: int = 0
    """Messages that are kept, the starts of its incarnations included."""
    size_bytes: int = 0
    """Their bytes."""
    oldest: float | None = None
    """When the oldest was kept, in seconds since 1970; None without one."""

    @property
    def line(self) -> bytes:
        """Its numbers as one line, for a reader of the disk, who reads no logs."""
        return f"{self.messages} {self.size_bytes} {self.oldest or 0.0!r}".encode()

    @classmethod
    def of_line(cls, name: str, line: bytes, *, is_recording: bool) -> Self:
        """Return what `line` was made of; without numbers where it is damaged."""
        try:
            messages, size, oldest = line.split()
            return cls(name, is_recording, int(messages), int(size), float(oldest) or None)
        except ValueError:
            return cls(name, is_recording)


@dataclass(frozen=True, slots=True)
class DeliveryInfo:
    """The terms on which a component gets its messages."""

    mode: str = "memory"
    """`memory` or `durable`."""
    by: str = "default"
    """The source of the terms: `manifest`, `[durable]` of config.toml, or `default`."""
    attempts: int | None = None
    """Tries of a message, after which it is a dead letter; this and the next ones if `durable`."""
    messages: int | None = None
    """Messages that may wait."""
    size_bytes: int | None = None
    """Bytes that may wait."""
    age: float | None = None
    """Seconds after which a message expires that was not handled; None for never."""


@dataclass(frozen=True, slots=True)
class ComponentInfo:
    """All that is known of one installed component."""

    name: str
    package_name: str
    version: str
    state: str
    wanted: str
    owner: str | None
    """The owner's public key, as text."""
    signer: str | None
    """The fingerprint of the first key that signed the active version; None if unsigned."""
    floor: int
    versions: tuple[VersionInfo, ...]
    manifest: Manifest
    limits: LimitsSection
    """Every limit that holds: the manifest's, and the host's where it says nothing."""
    imports: tuple[InterfaceInfo, ...] = ()
    """The functions that it imports; none are shown before `System.read_world` has read them."""
    exports: tuple[InterfaceInfo, ...] = ()
    """The functions that it exports; the same."""
    storage_bytes: int | None = None
    """The bytes that it stores; None when that is not known."""
    is_durable: bool = False
    """Whether messages to it, or on topics that it has subscribed to, wait on the disk."""
    durable_messages: int = 0
    """Messages that wait on the disk; 0 where no host runs."""
    durable_bytes: int = 0
    """Bytes of their records."""
    oldest_durable_age: float | None = None
    """Seconds since the first of them was accepted; None where none waits."""
    delivery: DeliveryInfo = DeliveryInfo()
    """The terms in force: the manifest's within the host's, or the host's own."""
    timers: tuple[TimerInfo, ...] = ()
    """Its timers; none are shown where no host runs."""
    held: tuple[str, ...] = ()
    """The numbers of its manifest that the host's policy does not allow, with what holds."""
    needs: Mapping[str, str] = field(default_factory=dict[str, str])
    """The components that must be ready before it starts, each with its state."""
    recording: RecordingInfo | None = None
    """Its recorded messages; None where it has none and none are recorded."""
    verdicts: tuple[GateVerdict, ...] = ()
    """The verdicts of the gates, in the result of an update or a rollback."""


def read_manifest(artifacts: ArtifactStore, record: ComponentRecord) -> Manifest:
    """Read the active version's manifest, for showing; hashed, and not verified further.

    Raises:
        ArtifactCorrupt: It is missing or changed.
    """
    content = artifacts.read(record.active_version.files[MANIFEST_NAME])
    return Manifest.parse(content, file=f"{record.name}/{MANIFEST_NAME}")
