"""Bounds in number and bytes that a flood cannot use against others: the largest gives first.

What an item takes of both bounds is one number, so that the name that takes most is the same for
both, and a heap finds it. Rejected: a fixed part for each name. Four floods would fill the whole
with their quarters, and one name alone could not use what no other needs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

__all__ = ("Shares",)

_MOST_STALE = 64


class Shares:
    """The items of each name, oldest first, within bounds over all names.

    Args:
        most_items: The most items.
        most_bytes: The most bytes of them together.

    Attributes:
        size_bytes: The bytes of all items.
    """

    def __init__(self, most_items: int, most_bytes: int) -> None:
        self.size_bytes = 0
        self._most_items, self._most_bytes = most_items, most_bytes
        self._items: dict[str, tuple[str, int]] = {}
        self._by_name: dict[str, OrderedDict[str, int]] = {}
        self._loads: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: str) -> bool:
        return key in self._items

    def counts(self) -> Iterator[tuple[str, int]]:
        """Iterate over the names, with the number of items of each."""
        return ((name, len(items)) for name, items in self._by_name.items())

    def add(self, key: str, name: str, size_bytes: int) -> list[str]:
        """Add an item as the newest one of a name.

        Returns:
            The items that had to go for it, this one perhaps among them.
        """
        self._items[key] = name, size_bytes
        self._by_name.setdefault(name, OrderedDict())[key] = size_bytes
        self.size_bytes += size_bytes
        self._weigh(name, self._cost(size_bytes))
        return self._let_go()

    def hold_to(self, most_items: int, most_bytes: int) -> list[str]:
        """Bound the items anew; return those that had to go for it."""
        self._most_items, self._most_bytes = most_items, most_bytes
        self._loads = {
            name: sum(map(self._cost, items.values())) for name, items in self._by_name.items()
        }
        self._build_heap()
        return self._let_go()

    def _let_go(self) -> list[str]:
        gone: list[str] = []
        while len(self._items) > self._most_items or self.size_bytes > self._most_bytes:
            oldest = next(iter(self._by_name[self._largest()]))
            self.remove(oldest)
            gone.append(oldest)
        return gone

    def remove(self, key: str) -> bool:
        """Remove an item; return whether it was there."""
        found = self._items.pop(key, None)
        if found is None:
            return False
        name, size_bytes = found
        items = self._by_name[name]
        del items[key]
        self.size_bytes -= size_bytes
        if items:
            self._weigh(name, -self._cost(size_bytes))
        else:
            del self._by_name[name], self._loads[name]
        return True

    def _cost(self, size_bytes: int) -> int:
        """Return the part that an item takes of both bounds, as a whole number."""
        return size_bytes * self._most_items + self._most_bytes

    def _weigh(self, name: str, cost: int) -> None:
        load = self._loads[name] = self._loads.get(name, 0) + cost
        heappush(self._heap, (-load, name))
        if len(self._heap) > 2 * len(self._loads) + _MOST_STALE:
            self._build_heap()

    def _build_heap(self) -> None:
        self._heap = [(-load, name) for name, load in self._loads.items()]
        heapify(self._heap)

    def _largest(self) -> str:
        while True:
            load, name = self._heap[0]
            if self._loads.get(name) == -load:
                return name
            heappop(self._heap)
