"""Resources of one instance: which Python object each handle stands for.

A handle that reaches a host function must be lifted exactly once; that is what
releases a borrow. Objects are numbered for each instance, so that a number can
never reach another tenant's object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import _wasmtime as wt
from ._plan import Keep, Unfit
from .shape import HandleOf
from .values import GuestResource

Drop = Callable[[object], None]


class OwnedHandle:
    """A handle of the library's that we free once nobody needs it."""

    __slots__ = ("address",)

    def __init__(self, address: int) -> None:
        self.address = address

    def __del__(self) -> None:
        self.free()

    def free(self) -> None:
        """Frees it; twice is fine."""
        address, self.address = self.address, 0
        if address:
            wt.any_delete(address)


class InstanceHandles:
    """The `Handles` of one instance.

    Attributes:
        allowance: bytes that the value being read may still have.
    """

    __slots__ = ("_context", "_drops", "_guests", "_next", "_objects", "allowance")

    def __init__(self, context: int, drops: Sequence[Drop | None]) -> None:
        self.allowance = 0
        self._context = context
        self._drops = drops
        self._objects: dict[int, tuple[int, object]] = {}
        self._guests: dict[int, OwnedHandle] = {}
        self._next = 0

    def lower_handle(self, type_: HandleOf, value: object, keep: Keep) -> int:
        """The address of a handle for `value`; it lives as long as `keep`."""
        if not type_.resource.is_imported:
            return self._lower_guest(type_, value, keep)
        rep = self._number(type_.resource.number, value)
        owned = OwnedHandle(
            wt.host_handle(self._context, rep, type_.resource.number, owned=type_.is_owned)
        )
        keep.append(owned)
        return owned.address

    def lift_handle(self, type_: HandleOf, address: int) -> object:
        """The value behind a handle, converted exactly once."""
        if not type_.resource.is_imported:
            return self._lift_guest(type_, address)
        rep, is_owned = wt.take_host_handle(self._context, address)
        if is_owned:
            return self._objects.pop(rep)[1]  # the host has it back: nobody will drop it
        return self._objects[rep][1]

    def drop(self, rep: int) -> None:
        """The guest dropped its handle."""
        number, value = self._objects.pop(rep)
        drop = self._drops[number]
        if drop is not None:
            drop(value)

    def drop_all(self) -> None:
        """The instance has ended: what the guest still held is dropped."""
        objects, self._objects = self._objects, {}
        self._guests.clear()
        for number, value in objects.values():
            drop = self._drops[number]
            if drop is not None:
                drop(value)

    def __len__(self) -> int:
        return len(self._objects)

    def _number(self, number: int, value: object) -> int:
        self._next += 1
        self._objects[self._next] = (number, value)
        return self._next

    def _lower_guest(self, type_: HandleOf, value: object, keep: Keep) -> int:
        if not isinstance(value, GuestResource):
            raise Unfit
        handle = self._guests.get(value.handle)
        if handle is None or not handle.address:
            raise Unfit
        if type_.is_owned:
            del self._guests[value.handle]
        keep.append(handle)
        return handle.address

    def _lift_guest(self, type_: HandleOf, address: int) -> GuestResource:
        self._next += 1
        key = self._next
        self._guests[key] = OwnedHandle(wt.clone_handle(address))
        return GuestResource(type_.resource.name, key, lambda: self._forget(key))

    def _forget(self, key: int) -> None:
        self._guests.pop(key, None)
