"""The dead letters of an open home, as an operator uses them: look, replay, try, drop.

A replay goes to what runs. A retained version that does not run gets the message as a trial, in an
instance of its own, without a name and without grants: two versions of one name must not act on the
same data. So a trial shows whether the code ends at this payload, not what it would have done.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import anyio
from airswasm.actor import ActorStopped, ActorSystem, ComponentActor
from airswasm.messaging import (
    DeadLetterCounts,
    DeadLetterStore,
    KeptLetter,
    LetterUnkept,
    LetterUnknown,
    Replayed,
)
from airswasm.security import AuditEvent, AuditSink
from airswasm.wit import safe_text

from .._registry.limits import limits_of
from .._registry.registry import ComponentRecord
from ..errors import HostOffline, NotRunning, VersionNotRetained
from .loading import Loader
from .running import Running

__all__ = ("DeadLetterQueue",)


class DeadLetterQueue:
    """The dead letters of one home.

    Args:
        letters: Keeps them; None for a home that holds nothing yet.
        audit: Gets a line before each replay and each drop; None where nothing may change.
        running: The components; None where none runs.
        actors: Delivers replays; None where none runs.
        loader: Loads versions that do not run; None where none runs.
    """

    def __init__(
        self,
        letters: DeadLetterStore | None,
        audit: AuditSink | None = None,
        running: Running | None = None,
        actors: ActorSystem | None = None,
        loader: Loader | None = None,
    ) -> None:
        self._kept, self._audit = letters, audit
        self._running, self._actors, self._loader = running, actors, loader

    def counts(self) -> DeadLetterCounts:
        """Return how many there are, and what became of the others."""
        return DeadLetterCounts() if self._kept is None else self._kept.counts()

    def list(
        self, name: str = "", *, reason: str = "", since: float | None = None, last: int = 0
    ) -> AsyncGenerator[KeptLetter]:
        """Iterate over letters, oldest first.

        Args:
            name: Only those to this component.
            reason: Only those with this reason.
            since: Only those that died at that time or later, in seconds since 1970.
            last: The newest so many; 0 for all.

        Raises:
            StorageError: The store cannot be read.
        """
        if self._kept is None:
            return _nothing()
        return self._kept.letters(name, reason=reason, since=since, last=last)

    async def get(self, letter_id: str) -> KeptLetter:
        """Return one letter.

        Raises:
            LetterUnknown: There is none of that id.
            StorageError: The store cannot be read.
        """
        if self._kept is None:
            raise LetterUnknown(letter_id)
        return await self._kept.get(letter_id)

    async def drop_all(self, name: str) -> int:
        """Remove all letters to a component; return how many there were. Raises as `drop`."""
        if self._audit is None:
            raise HostOffline("changing dead letters")
        found = await self._letters.count_to(name)
        if not found:
            return 0
        reason = f"dropped, all {found} of them"
        self._audit.record(AuditEvent("dead-letter", name, "done", reason=reason))
        return await self._letters.drop_all(name)

    async def drop(self, *letter_ids: str) -> None:
        """Remove letters, all or none.

        Raises:
            HostOffline: The home was opened read-only.
            LetterUnknown: There is none of one of the ids.
            AuditUnavailable: The audit log cannot be written; nothing is removed.
            StorageError: The disk refuses; they go when it works again.
        """
        if self._audit is None:
            raise HostOffline("changing dead letters")
        for letter_id in letter_ids:
            self._note(await self.get(letter_id), "dropped")
        await self._letters.drop(*letter_ids)

    async def replay(
        self, letter_id: str, *, to: str | None = None, timeout: float = 30.0
    ) -> Replayed:
        """Send the message of a letter again, as a new message, and wait for the outcome.

        See `DeadLetterStore.replay`. A retained version that does not run tries the message in an
        instance without a name and without grants; the letter stays then.

        Args:
            letter_id: The letter.
            to: The version that is to get it; the one that runs without it.
            timeout: Seconds to wait for the outcome.

        Raises:
            HostOffline: This system runs no components.
            LetterUnknown: There is none of that id.
            LetterUnkept: Its payload was not kept.
            NotInstalled, NotRunning, VersionNotRetained: Nothing can get it.
            DeliveryError: The receiver did not take the message; the letter stays.
            AuditUnavailable, StorageError: It could not be recorded.
        """
        if self._running is None or self._actors is None:
            raise HostOffline("replaying")
        letter = await self.get(letter_id)
        if letter.payload is None:
            raise LetterUnkept(letter_id, letter.unkept)
        record = self._running.registry.find(letter.target)
        if to is not None:
            record = self._running.registry.get(letter.target)
            if not record.has_version(to):
                retained = [each.version for each in record.versions]
                raise VersionNotRetained(record.name, to, retained)
            if to != record.active:
                self._note(letter, f"tried with version {to}")
                return await self._try(letter, record, to, timeout)
        if record is not None and not self._running.hosting.can_receive(record.name):
            raise NotRunning(record.name, self._running.hosting.state(record.name))
        self._note(letter, "replayed")
        return await self._letters.replay(letter_id, self._actors.broker, timeout=timeout)

    async def _try(
        self, letter: KeptLetter, record: ComponentRecord, to: str, timeout: float
    ) -> Replayed:
        assert self._running is not None
        assert self._actors is not None
        assert self._loader is not None
        version = record.version(to)
        asked = await self._running.verified_manifest(record, version)
        manifest, _ = self._running.policy.hold(asked)
        linked = await self._loader.load(version.wasm_digest, record.name)
        message_id = self._actors.broker.new_id()
        name = f"trial-{message_id}"  # of one letter, two may be tried at once
        actor = ComponentActor(
            linked, name, limits=limits_of(manifest), config=manifest.config, version=to
        )
        with self._letters.ignoring(name):
            ref = self._actors.spawn(actor, name=name)
            try:
                await self._actors.started(ref)
                tried = await self._letters.try_on(ref, letter, message_id, timeout=timeout)
                if tried.outcome == "waits":
                    text = f"it had not ended after {timeout:g} s, and was stopped"
                    tried = replace(tried, error=text)
            except ActorStopped as error:
                text = f"it does not start: {safe_text(error.__cause__ or error)}"
                tried = Replayed(letter.id, letter.target, "", "died", None, text)
            finally:
                with anyio.CancelScope(shield=True):
                    await self._actors.stop(ref, timeout=0)
                self._actors.receipts.forget(name)
        return replace(tried, version=to)

    @property
    def _letters(self) -> DeadLetterStore:
        assert self._kept is not None  # only a home that changes nothing has no store
        return self._kept

    def _note(self, letter: KeptLetter, act: str) -> None:
        """Record an act before its effect."""
        if self._audit is None:
            raise HostOffline("changing dead letters")
        detail = {"sender": letter.sender, "died": letter.reason}
        event = AuditEvent("dead-letter", letter.target, "done", "", letter.id, act, detail)
        self._audit.record(event)


async def _nothing() -> AsyncGenerator[KeptLetter]:
    for each in tuple[KeptLetter, ...]():
        yield each
