"""The dead letters of a host, kept in a log of its store.

A letter is noted in memory, in a few microseconds, where the message died, and written with the
others of that moment. One index has all letters, written or not, and the bounds hold over both: so
a flood of letters costs memory, disk and time up to the bounds, and what the disk refuses waits
within them for a disk that works again. A letter that was not written when the host was killed is
lost; nothing waits for it, because the message has died in any case.

Rejected: a write for each letter (a flood would wait for the disk a million times), and a log for
each component (their bounds add up to more than any host has).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import anyio
import anyio.lowlevel
from airswasm.actor import (
    ActorRef,
    DeadLetter,
    DeadLetters,
    Message,
    MessageBroker,
    Subscription,
)
from airswasm.runtime import Finding, Health, Meters
from airswasm.storage import LogBounds, LogEntry, StorageError, Store

from .._block import LETTERS_DROPPED, LETTERS_KEPT, LETTERS_REPLAYED
from .._rates import Rate, TokenBucket
from ..errors import LetterUnkept, LetterUnknown, RecordUnreadable
from .counts import DeadLetterCounts
from .evidence import short_text
from .letter import KeptLetter, pack_letter, unpack_letter, weight_of
from .making import Identify, LetterMaker
from .replaying import Replayed, Replays, outcome_of, replay_envelope
from .settings import DeadLetterSettings
from .shares import Shares

__all__ = ("LOG_NAME", "DeadLetterStore")

LOG_NAME = "airswasm-dead-letters"

_GATHER = 0.5
"""Seconds between two writes, in which letters gather."""
_REST = 20.0
"""A flood is written a twentieth of the time."""
_LONGEST_REST = 10.0
_LOOK = 60.0
"""Seconds between two looks for letters that are too old."""
_CLOSING = 10.0
_LETTERS_PER_SECOND = 1_000.0
"""Letters to one actor that are looked at, after as many at once as the bounds keep."""
_MOST_BUCKETS = 10_000
_CHUNK_LETTERS, _CHUNK_BYTES = 128, 2**20
_REMOVED_AT_ONCE = 1_024
_ROOM = 64 * 1024
"""Of the largest value of the store, for what a letter has beside its payload."""
_SHARE = 4
"""No payload takes more than such a part of all letters."""
_NO_BOUNDS = LogBounds(entries=2**62, size_bytes=2**62)
"""The index holds the bounds; the log knows no names."""


@dataclass(slots=True)
class _Entry:
    """A letter in the index.

    Attributes:
        target: The actor that it was for.
        sender: The sender's name.
        time: When it died.
        reason: Why.
        number: Its place in the log; 0 until it is written.
        letter: The letter itself until then.
    """

    target: str
    sender: str
    time: float
    reason: str
    number: int = 0
    letter: KeptLetter | None = None


Fate = Literal["dropped", "discarded", "replayed", "forgotten"]


class DeadLetterStore:
    """Keeps dead letters, and finds, drops and forgets them.

    Args:
        store: The open store.
        settings: The bounds.
        clock: Returns the seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        settings: DeadLetterSettings | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings or DeadLetterSettings()
        self._clock = clock
        self._meters: Meters | None = None
        self._log = store.log(LOG_NAME, _NO_BOUNDS)
        self._room = store.limits.value_bytes - _ROOM
        self._maker = LetterMaker(clock, self._most_payload())
        self._shares = Shares(self._settings.letters, self._settings.size)
        self._entries: dict[str, _Entry] = {}
        self._waiting: dict[str, _Entry] = {}
        self._gone: list[int] = []
        """Numbers of entries of the log that are no letters any more."""
        self._fates = Counter[str]()
        self._found = self._noted = 0
        self._replays = Replays()
        self._ignored: set[str] = set()
        self._rate = Rate(_LETTERS_PER_SECOND, self._settings.letters)
        self._buckets: dict[str, TokenBucket] = {}
        self._failure = ""
        self._newest: tuple[BaseException | None, str] = (None, "")
        self._is_loaded = False
        self._turn = anyio.Lock()
        self._news = anyio.Event()
        self._subscription: Subscription | None = None

    def hold_to(self, settings: DeadLetterSettings) -> None:
        """Bound the letters anew from now on; those that are too many go with the next write."""
        self._settings = settings
        self._maker.most_payload = self._most_payload()
        self._rate = Rate(_LETTERS_PER_SECOND, settings.letters)
        self._buckets.clear()
        for name in self._shares.hold_to(settings.letters, settings.size):
            self._end(name, "dropped")
        self._news.set()  # for those that are too old

    def _most_payload(self) -> int:
        return max(0, min(self._settings.size // _SHARE, self._room))

    # -- taking letters ------------------------------------------------------------------------

    def listen(
        self,
        letters: DeadLetters,
        *,
        id_of: Callable[[Message], str] | None = None,
        identify: Identify | None = None,
        meters: Meters | None = None,
    ) -> None:
        """Keep the letters of a system from now on, until `aclose`.

        Args:
            letters: The system's.
            id_of: Returns the id of a message; without it, its number is the id.
            identify: Tells the version that runs under a name.
            meters: Counts for each component.
        """
        self._maker.message_id = id_of or self._maker.message_id
        self._maker.identify = identify or self._maker.identify
        self._meters = meters
        self._subscription = letters.listen(self.note)

    def note(self, letter: DeadLetter) -> None:
        """Take a letter; it is written soon. Of a flood, no more are read than can be kept."""
        if letter.target in self._ignored:
            return
        self._noted += 1
        bucket = self._buckets.get(letter.target)
        if bucket is None:
            bucket = self._buckets[letter.target] = TokenBucket(self._rate)
        if not bucket.take():
            self._count_dropped(letter.target, is_written=False)
            return
        kept = self._maker.make(letter, self._replays)
        entry = _Entry(kept.target, kept.sender, kept.time, kept.reason, 0, kept)
        self._waiting[kept.id] = entry
        self._keep(kept.id, entry, weight_of(kept))
        self._newest = letter.cause, kept.id
        if kept.replays:
            self._replays.note_death(kept)
        self._news.set()

    def id_of(self, letter: DeadLetter) -> str:
        """Return the id under which a letter of this host's run is kept."""
        return self._maker.id_of(letter)

    def id_for(self, cause: BaseException | None) -> str:
        """Return the id of the newest letter if it has this cause; else an empty text."""
        known, name = self._newest
        return name if cause is not None and known is cause and name in self._entries else ""

    def _keep(self, name: str, entry: _Entry, size_bytes: int) -> None:
        """Add a letter to the index, and let go of what is too much for it."""
        self._entries[name] = entry
        for each in self._shares.add(name, entry.target, size_bytes):
            self._end(each, "dropped")

    def _end(self, name: str, fate: Fate) -> None:
        """Take a letter out of the index; its entry in the log goes with the next write."""
        entry = self._entries.pop(name)
        self._shares.remove(name)
        is_written = self._waiting.pop(name, None) is None
        if is_written:
            self._gone.append(entry.number)
            self._news.set()
        if fate == "dropped":
            self._count_dropped(entry.target, is_written=is_written)
        else:
            self._fates[fate] += 1

    def _count_dropped(self, target: str, *, is_written: bool) -> None:
        self._fates["dropped"] += 1
        if self._failure and not is_written:
            self._fates["lost"] += 1
        if self._meters is not None:
            self._meters.add(LETTERS_DROPPED, target)

    # -- writing -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write letters, and let go of those that are too old, until cancelled.

        Begins with the letters that are there, so that `counts` has them. The first letter after a
        rest is written at once; others gather meanwhile.
        """
        self._news.set()
        while True:
            with anyio.move_on_after(_LOOK):
                await self._news.wait()
            self._news = anyio.Event()
            began = anyio.current_time()
            with suppress(StorageError):
                await self.flush()
            spent = anyio.current_time() - began
            if self._failure:
                self._news.set()
            await anyio.sleep(max(_GATHER, min(spent * _REST, _LONGEST_REST)))

    async def aclose(self) -> None:
        """Take no letters any more, and write what waits; what the disk refuses is lost."""
        if self._subscription is not None:
            self._subscription.cancel()
        with anyio.move_on_after(_CLOSING, shield=True), suppress(StorageError):
            await self.flush()

    async def flush(self) -> None:
        """Write all that has changed by now.

        Raises:
            StorageError: The disk refuses. The letters wait within their bounds.
        """
        async with self._turn:
            try:
                await self._load()
                self._drop_aged()
                while self._gone or self._waiting:
                    await self._remove_some()
                    await self._write_some()
            except StorageError as error:
                self._failure = short_text(str(error), 500)
                raise
            self._failure = ""
            if len(self._buckets) > _MOST_BUCKETS:
                self._buckets.clear()
            if self._meters is not None:
                for name, letters in self._shares.counts():
                    self._meters.set(LETTERS_KEPT, name, letters)

    async def _remove_some(self) -> None:
        some = self._gone[:_REMOVED_AT_ONCE]
        if some:
            await self._log.remove(*some)
            del self._gone[: len(some)]

    async def _write_some(self) -> None:
        chunk: list[tuple[str, _Entry]] = []
        payloads: list[bytes] = []
        size = 0
        for name, entry in self._waiting.items():
            assert entry.letter is not None
            payload = pack_letter(entry.letter)
            size += len(payload)
            if payloads and (size > _CHUNK_BYTES or len(chunk) == _CHUNK_LETTERS):
                break
            chunk.append((name, entry))
            payloads.append(payload)
        if not chunk:
            return
        numbers = range(0)
        with anyio.CancelScope(shield=True):  # half a step would write them twice
            numbers = await self._log.extend(payloads)
        for (name, entry), number in zip(chunk, numbers, strict=True):
            entry.number, entry.letter = number, None
            if self._waiting.pop(name, None) is None:  # it has gone meanwhile
                self._gone.append(number)

    def _drop_aged(self) -> None:
        oldest = self._clock() - self._settings.age
        for name in [name for name, each in self._entries.items() if each.time < oldest]:
            self._end(name, "dropped")

    async def _load(self) -> None:
        """Read the letters that are there into the index, once."""
        if self._is_loaded:
            return
        found: dict[str, tuple[_Entry, int]] = {}
        after: int | None = 0
        while after is not None:
            page = await self._log.read(after)
            for stored in page.entries:
                self._take_in(stored, found)
            after = page.next
        self._is_loaded = True
        self._found = len(found)
        noted, self._entries = self._entries, {}
        self._shares = Shares(self._settings.letters, self._settings.size)
        for name, (entry, size_bytes) in found.items():
            self._keep(name, entry, size_bytes)
        for name, entry in noted.items():  # they are younger, and give way last
            assert entry.letter is not None
            self._keep(name, entry, weight_of(entry.letter))

    def _take_in(self, stored: LogEntry, found: dict[str, tuple[_Entry, int]]) -> None:
        try:
            letter = unpack_letter(stored.payload)
        except RecordUnreadable:
            self._gone.append(stored.number)
            return
        entry = _Entry(letter.target, letter.sender, letter.time, letter.reason, stored.number)
        known = found.pop(letter.id, None)
        if known is not None:  # a disk that failed may have kept what it refused
            self._gone.append(known[0].number)
        found[letter.id] = entry, weight_of(letter)

    # -- looking -------------------------------------------------------------------------------

    async def letters(
        self, name: str = "", *, reason: str = "", since: float | None = None, last: int = 0
    ) -> AsyncGenerator[KeptLetter]:
        """Iterate over letters, oldest first.

        Args:
            name: Only those to this actor; all of them without it.
            reason: Only those with this reason.
            since: Only those that died at that time or later, in seconds since 1970.
            last: The newest so many; 0 for all.

        Raises:
            StorageError: The store cannot be read.
        """
        await self._loaded()
        found = [
            key
            for key, each in self._entries.items()
            if (not name or each.target == name)
            and (not reason or each.reason == reason)
            and (since is None or each.time >= since)
        ]
        for key in found[-last:] if last else found:
            await anyio.lowlevel.checkpoint()
            letter = self._read(key)
            if letter is not None:
                yield letter

    async def get(self, letter_id: str) -> KeptLetter:
        """Return one letter.

        Raises:
            LetterUnknown: There is none of that id.
            StorageError: The store cannot be read.
        """
        await self._loaded()
        letter = self._read(letter_id)
        if letter is None:
            raise LetterUnknown(letter_id)
        return letter

    def _read(self, name: str) -> KeptLetter | None:
        entry = self._entries.get(name)
        if entry is None or entry.letter is not None:
            return None if entry is None else entry.letter
        found = self._log.read_page(entry.number - 1, 1).entries
        if not found or found[0].number != entry.number:
            return None
        return unpack_letter(found[0].payload)

    def counts(self) -> DeadLetterCounts:
        """Return the books of this moment."""
        waiting = len(self._waiting)
        return DeadLetterCounts(
            found=self._found,
            noted=self._noted,
            stored=len(self._entries) - waiting,
            waiting=waiting,
            size_bytes=self._shares.size_bytes,
            dropped=self._fates["dropped"],
            lost=self._fates["lost"],
            discarded=self._fates["discarded"],
            replayed=self._fates["replayed"],
            forgotten=self._fates["forgotten"],
            failure=self._failure,
        )

    def findings(self) -> Iterator[Finding]:
        """Iterate over what is wrong with the keeping of letters."""
        if self._failure:
            text = f"{len(self._waiting):,} dead letters wait in memory: {self._failure}"
            hint = "free space on the disk of the home; they are lost when the host ends"
            yield Finding(Health.DEGRADED, "dead letters", text, hint)
        if self._fates["lost"]:
            text = f"{self._fates['lost']:,} dead letters were not kept: the disk refused them"
            yield Finding(Health.DEGRADED, "dead letters", text, "airswasm status")

    # -- ending --------------------------------------------------------------------------------

    async def drop(self, *letter_ids: str) -> None:
        """Remove letters, all or none, and wait until that is durable.

        Raises:
            LetterUnknown: There is none of one of the ids.
            StorageError: The disk refuses; they go when it works again.
        """
        await self._loaded()
        unknown = [each for each in letter_ids if each not in self._entries]
        if unknown:
            raise LetterUnknown(unknown[0])
        await self._end_all(dict.fromkeys(letter_ids), "discarded")

    async def drop_all(self, target: str) -> int:
        """Remove all letters to a name, as they are at one moment; return how many there were.

        Raises:
            StorageError: The disk refuses; they go when it works again.
        """
        await self._loaded()
        own = [key for key, each in self._entries.items() if each.target == target]
        await self._end_all(own, "discarded")
        return len(own)

    async def count_to(self, target: str) -> int:
        """Return the number of letters to a name.

        Raises:
            StorageError: The store cannot be read.
        """
        await self._loaded()
        return sum(each.target == target for each in self._entries.values())

    async def forget(self, name: str) -> int:
        """Remove every letter to or from a name; return how many there were.

        Raises:
            StorageError: The disk refuses; it can be called again.
        """
        await self._loaded()
        own = [key for key, each in self._entries.items() if name in (each.target, each.sender)]
        await self._end_all(own, "forgotten")
        return len(own)

    async def _end_all(self, names: Iterable[str], fate: Fate) -> None:
        for name in names:
            self._end(name, fate)
        await self.flush()

    async def _loaded(self) -> None:
        async with self._turn:
            await self._load()

    # -- replaying -----------------------------------------------------------------------------

    @contextmanager
    def ignoring(self, name: str) -> Generator[None]:
        """Keep no letters to a name inside the block."""
        self._ignored.add(name)
        try:
            yield
        finally:
            self._ignored.discard(name)

    async def try_on(
        self, ref: ActorRef, letter: KeptLetter, message_id: str, *, timeout: float
    ) -> Replayed:
        """Send the message of a letter to another actor, and wait for the outcome; it stays.

        Args:
            ref: The actor.
            letter: The letter, with its payload.
            message_id: The id of the new message.
            timeout: Seconds to wait.

        Raises:
            DeliveryError: The actor did not take the message.
        """
        request = ref.request(
            letter.payload, lambda _request: None, timeout=timeout,
            sender=letter.sender, topic=letter.topic,
            envelope=replay_envelope(letter, message_id),
        )  # fmt: skip
        outcome, reply, error = await outcome_of(request)
        return Replayed(letter.id, letter.target, message_id, outcome, reply, error)

    async def replay(self, letter_id: str, broker: MessageBroker, *, timeout: float) -> Replayed:
        """Send the message of a letter again, as a new message, and wait for what becomes of it.

        The new message has the sender, the topic and the correlation of the old one, and names the
        letter. It passes what every message passes at its receiver: codec, size, room in the
        mailbox. The sender's rate and grants are not asked, because an operator sends it. The
        letter is removed once the receiver's mailbox has taken the message.

        Args:
            letter_id: The letter.
            broker: Delivers the message.
            timeout: Seconds to wait for the outcome; the message is handled after that, too.

        Raises:
            LetterUnknown: There is none of that id.
            LetterUnkept: Its payload was not kept.
            DeliveryError: The receiver did not take the message; the letter stays.
            StorageError: The store cannot be read, or not written: then the message was accepted,
                and the letter goes when the disk works again.
        """
        letter = await self.get(letter_id)
        if letter.payload is None:
            raise LetterUnkept(letter_id, letter.unkept)
        envelope = replay_envelope(letter, broker.new_id())
        with self._replays.following(letter):
            request = broker.request(
                letter.target, letter.payload, lambda _request: None, timeout=timeout,
                sender=letter.sender, topic=letter.topic, envelope=envelope,
            )  # fmt: skip
            if self._meters is not None:
                self._meters.add(LETTERS_REPLAYED, letter.target)
            with anyio.CancelScope(shield=True):
                if letter_id in self._entries:  # it may have given way meanwhile
                    await self._end_all((letter_id,), "replayed")
            outcome, reply, error = await outcome_of(request)
            return Replayed(
                letter_id, letter.target, envelope.id, outcome, reply, error,
                self._replays.died_as(letter_id),
            )  # fmt: skip
