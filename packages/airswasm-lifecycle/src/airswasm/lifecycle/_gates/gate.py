"""The protocol of a gate, and what it gets to see of a change of version.

A block brings gates by its declaration (`airswasm.wit.Gate`), as it brings interfaces; the package
of a stranger does so, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from airswasm.runtime import Component

from .._packages.manifest import Manifest
from .._verdicts import Verdict
from .users import Users

__all__ = ("ReadyCandidate", "UpdateGate", "VersionChange", "VersionSide")


class ReadyCandidate(Protocol):
    """The new version, which has started and gets no messages yet."""

    @property
    def component(self) -> Component:
        """The compiled component, for its imports and exports."""
        ...

    @property
    def fuel_used(self) -> int:
        """The fuel that it has used since it was instantiated."""
        ...

    @property
    def memory_bytes(self) -> int:
        """Its peak linear memory."""
        ...

    async def check_health(self, timeout: float) -> bool:
        """Call `health.check`. Return False if it has none.

        Args:
            timeout: Seconds.

        Raises:
            HealthCheckFailed: It answered that it does not work.
            AskTimeout: It did not answer in time.
            GuestFault: It trapped, or reached a limit; it cannot take over any more.
        """
        ...


@dataclass(frozen=True, slots=True)
class VersionSide:
    """One of the two versions.

    Attributes:
        version: Its version.
        manifest: Its manifest.
        read_wasm: Returns the component's bytes. Raises `ArtifactCorrupt` where they are lost.
    """

    version: str
    manifest: Manifest
    read_wasm: Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class VersionChange:
    """A change of version that a gate judges.

    Attributes:
        verb: `update` or `rollback`.
        name: The component.
        old: The version that is installed; None where its files are lost.
        new: The version that is going to replace it.
        users: Finds those who use the component.
        candidate: The new version beside the old one; None where nothing of it runs.
        standing: Why there is no candidate: `no host runs`, `it is stopped`; empty if there is.
    """

    verb: Literal["update", "rollback"]
    name: str
    old: VersionSide | None
    new: VersionSide
    users: Users
    candidate: ReadyCandidate | None = None
    standing: str = ""


class UpdateGate(Protocol):
    """Judges changes of version."""

    async def judge(self, change: VersionChange) -> Verdict:
        """Return a verdict on a change.

        The host bounds its time and cancels it then. What it raises counts as `blocked`. Gates are
        asked side by side, so it must not hold the event loop, and it must leave candidate, data
        and messages as they are.

        Args:
            change: What would change.
        """
        ...
