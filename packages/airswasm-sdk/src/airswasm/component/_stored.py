"""Stored values with a type: one key, or all keys with a prefix.

They live in the component's storage, so they outlive restarts and updates; each access is a call of
the host. Nothing is cached: what was read is what is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Self, TypeVar, cast, get_args, overload

from ._host import current

__all__ = ("State", "StateMap")

T = TypeVar("T")
_MISSING = object()


class _Typed(Generic[T]):
    """The type of `State[int](…)`, which Python keeps on the object."""

    _default: object = _MISSING

    @property
    def annotation(self) -> object:
        """The type of the values; that of the default where none is given."""
        of_class = getattr(self, "__orig_class__", None)
        if of_class is not None:
            return get_args(of_class)[0]
        return object if self._default in (_MISSING, None) else type(self._default)


class State(_Typed[T]):
    """A stored value under one key.

    In a class it reads and writes as an attribute; in a module it has `get` and `set`.

        class Counter:
            count = State[int]("count", default=0)

            @on_message
            def add(self, number: int) -> int:
                self.count += number
                return self.count

    Args:
        key: The key.
        default: The value while none is stored.
    """

    def __init__(self, key: str, *, default: T | object = _MISSING) -> None:
        self.key, self._default = key, default

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> T | Self:
        return self if instance is None else self.get()

    def __set__(self, instance: object, value: T) -> None:
        self.set(value)

    def __delete__(self, instance: object) -> None:
        self.delete()

    def get(self) -> T:
        """Return the stored value, or the default.

        Raises:
            KeyError: There is neither.
            HostError: The host refused.
            PayloadError: Another type is stored.
        """
        running = current()
        content = running.host.get(self.key)
        if content is not None:
            return cast("T", running.codec.decode(content, self.annotation))
        if self._default is _MISSING:
            raise KeyError(self.key)
        return cast("T", self._default)

    def set(self, value: T, *, ttl: float | None = None) -> None:
        """Store a value; when this returns, it survives a crash of the host.

        Args:
            value: The value.
            ttl: Seconds after which it is gone; None for never.

        Raises:
            HostError: The host refused.
        """
        running = current()
        running.host.set(self.key, running.codec.encode(value), _milliseconds(ttl))

    def delete(self) -> bool:
        """Remove the value; return whether there was one.

        Raises:
            HostError: The host refused.
        """
        return current().host.delete(self.key)


class StateMap(_Typed[T]):
    """Stored values under all keys that begin with a prefix, as a mapping of texts.

        orders = StateMap[Order]("orders/")
        …
        self.orders["7"] = order

    Args:
        prefix: The beginning of each key.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __getitem__(self, key: str) -> T:
        """Return a value.

        Raises:
            KeyError: It is not there.
            HostError: The host refused.
        """
        running = current()
        content = running.host.get(self.prefix + key)
        if content is None:
            raise KeyError(key)
        return cast("T", running.codec.decode(content, self.annotation))

    def get(self, key: str, default: T | None = None) -> T | None:
        """Return a value, or the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def __setitem__(self, key: str, value: T) -> None:
        self.set(key, value)

    def set(self, key: str, value: T, *, ttl: float | None = None) -> None:
        """Store a value; see `State.set`."""
        running = current()
        running.host.set(self.prefix + key, running.codec.encode(value), _milliseconds(ttl))

    def __delitem__(self, key: str) -> None:
        if not current().host.delete(self.prefix + key):
            raise KeyError(key)

    def __contains__(self, key: str) -> bool:
        return current().host.get(self.prefix + key) is not None

    def __iter__(self) -> Iterator[str]:
        for key, _ in self.items():
            yield key

    def items(self, *, reverse: bool = False) -> Iterator[tuple[str, T]]:
        """Yield keys with their values, in the order of the keys; reads a page at a time."""
        running = current()
        after: str | None = None
        while True:
            entries, after = running.host.scan(self.prefix, after, 0, reverse=reverse)
            for key, content in entries:
                value = running.codec.decode(content, self.annotation)
                yield key.removeprefix(self.prefix), cast("T", value)
            if after is None:
                return


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
