"""The recordings of an open home, as an operator uses them: look, replay, forget."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable

from airswasm.security import AuditEvent, AuditSink

from .._hosting.running import Running
from .._registry.info import RecordingInfo
from .._registry.registry import ComponentRecord
from ..errors import HostOffline, VersionNotRetained
from .recorded import Recorded
from .recordings import KeptRecordings, Recordings
from .replaying import Replaying, Tried
from .report import ReplayReport

__all__ = ("RecordedMessages",)


class RecordedMessages:
    """The recordings of one home.

    Args:
        kept: Has them; None for a home that holds nothing yet.
        installed: Returns the names of the installed components.
        audit: Gets a line before each replay, and before a recording is removed; None where nothing
            may change.
        running: What is installed; None where nothing may change.
        replaying: Replays; None where nothing may change.
    """

    def __init__(
        self,
        kept: KeptRecordings | None,
        installed: Callable[[], Iterable[str]],
        audit: AuditSink | None = None,
        running: Running | None = None,
        replaying: Replaying | None = None,
    ) -> None:
        self._kept, self._installed, self._audit = kept, installed, audit
        self._running, self._replaying = running, replaying

    def list(self) -> tuple[RecordingInfo, ...]:
        """Return the extent of each recording, by the names of the components.

        The components whose messages are to be recorded are there before the first message is.
        """
        if self._kept is None:
            return ()
        found = {each.name: each for each in self._kept.list()}
        covered = filter(self._kept.settings.covers, self._installed())
        for name in covered:
            found.setdefault(name, RecordingInfo(name, is_recording=True))
        return tuple(found[name] for name in sorted(found))

    def get(self, name: str) -> RecordingInfo:
        """Return the extent of a component's recording."""
        if self._kept is None:
            return RecordingInfo(name, is_recording=False)
        return self._kept.status(name)

    async def messages(self, name: str) -> AsyncGenerator[Recorded]:
        """Iterate over the recorded messages of a component, the oldest first.

        The starts of its incarnations are among them; what is damaged is left out.

        Raises:
            StorageError: The store cannot be read.
        """
        if self._kept is None:
            return
        async for each in self._kept.entries(name):
            if each is not None:
                yield each

    async def forget(self, name: str) -> int:
        """Remove the recording of a component; return how many messages it had.

        Its messages are recorded all the same as long as the settings say so.

        Raises:
            HostOffline: The home was opened read-only.
            AuditUnavailable: The audit log cannot be written; nothing is removed.
            StorageError: The disk refuses; it can be called again.
        """
        if self._audit is None or not isinstance(self._kept, Recordings):
            raise HostOffline("changing recordings")
        count = self._kept.status(name).messages
        if count:
            reason = f"its recording is removed: {count} messages"
            self._audit.record(AuditEvent("recording", name, "done", reason=reason))
        return await self._kept.forget(name)

    async def replay(self, name: str, to: str | None = None) -> ReplayReport:
        """Let a retained version handle the recorded messages of a component, on a copy.

        Nothing of it has an effect. See `ReplayReport` for what is compared.

        Args:
            name: The component.
            to: The version; by default the one that runs, which shows what can be compared.

        Raises:
            HostOffline: The home was opened read-only.
            NotInstalled, VersionNotRetained: There is no such version.
            NothingRecorded: No message of it is recorded.
            ArtifactCorrupt, SecurityError, EngineError: A version must not run, or cannot.
            StorageError: The data cannot be copied.
        """
        if self._running is None or self._replaying is None or self._audit is None:
            raise HostOffline("replaying")
        record = self._running.registry.get(name)
        version = to or record.active
        if not record.has_version(version):
            raise VersionNotRetained(name, version, [each.version for each in record.versions])
        running, candidate = await self._tried(record, record.active), None
        if version != record.active:
            candidate = await self._tried(record, version)
        text = f"tried with version {version}"
        self._audit.record(AuditEvent("recording", name, "done", reason=text))
        return await self._replaying.replay(name, running, candidate or running)

    async def _tried(self, record: ComponentRecord, version: str) -> Tried:
        assert self._running is not None
        found = record.version(version)
        asked = await self._running.verified_manifest(record, found)
        manifest, _ = self._running.policy.hold(asked)
        return Tried(version, found.wasm_digest, manifest)
