"""The stored list of durable names: their terms and their subscriptions.

A host reads it when it opens, before any component runs: messages for a component that is stopped,
or not started yet, are accepted at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, cast

import cbor2

from .._delivery import Delivery
from ..errors import RecordUnreadable

if TYPE_CHECKING:
    from airswasm.storage import Store

__all__ = ("Known", "KnownNames")

_NAMESPACE = "airswasm-durable"
"""Contains no slash, so no component has this name."""
_NO_QUOTA = 2**62


@dataclass(slots=True)
class Known:
    """One durable name.

    Attributes:
        terms: The terms of its mailbox; None where only its topics are durable.
        patterns: The patterns that it has subscribed to.
    """

    terms: Delivery | None = None
    patterns: set[str] = field(default_factory=set[str])


class KnownNames:
    """The durable names of a store.

    Args:
        store: The store.
        on_damage: Told of a record that cannot be read. Its name is left out until it is declared,
            or subscribes, again; its messages stay in their log.
    """

    def __init__(self, store: Store, on_damage: Callable[[RecordUnreadable], None]) -> None:
        self._on_damage = on_damage
        self._space = store.namespace(
            _NAMESPACE, quota_bytes=_NO_QUOTA, durability=None, has_batch_bounds=False
        )

    def load(self) -> Iterator[tuple[str, Known]]:
        """Yield every name with what is known of it.

        Raises:
            StorageError: The store cannot be read.
        """
        after: str | None = None
        while True:
            page = self._space.read_page("", after)
            for entry in page.entries:
                try:
                    yield entry.key, _unpack(entry.value)
                except RecordUnreadable as error:
                    self._on_damage(error)
            after = page.next
            if after is None:
                return

    async def forget(self, name: str) -> None:
        """Forget a name, and wait until the disk has that.

        Raises:
            StorageError: The store refuses.
        """
        await self._space.delete(name)

    def save(self, name: str, known: Known | None) -> None:
        """Write what is known of a name, or forget it; the disk has it with its next wait.

        Raises:
            StorageError: The store refuses.
        """
        value = None
        if known is not None:
            terms = None if known.terms is None else astuple(known.terms)
            value = cbor2.dumps([terms, sorted(known.patterns)])
        self._space.write({name: value}, lambda _error: None)


def _unpack(stored: bytes) -> Known:
    """Return what is known of a name.

    Raises:
        RecordUnreadable: The bytes are damaged, or of a newer version.
    """
    try:
        terms, patterns = cbor2.loads(stored)
        known = Known(terms and Delivery(*terms))
        found = list(cast("Iterable[object]", patterns))
    except Exception as error:  # whatever a damaged record makes of the terms
        raise RecordUnreadable(str(error)) from error
    for each in found:
        if not isinstance(each, str):
            raise RecordUnreadable("its patterns are no texts")
        known.patterns.add(each)
    return known
