"""Resources of one instance: which Python object each handle stands for.

A handle that reaches a host function must be lifted exactly once; that is what
releases a borrow. Objects are numbered for each instance, so that a number can
never reach another tenant's object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING
from weakref import ReferenceType

from airswasm.wit import Own

from .._shape import Handle
from .._single import Single
from .._values import GuestResource
from .._wasmtime import bindings as wt
from .crossing import Keep, Unfit
from .staging import NO_STAGINGS, Staging, Stagings

if TYPE_CHECKING:
    from .._instance import Instance

Drop = Callable[[object], None]


class OwnedHandle(Single):
    """A handle of the library's, freed with its last reference."""

    __slots__ = ("address",)

    def __init__(self, address: int) -> None:
        self.address = address

    def __del__(self) -> None:
        self.free()

    def free(self) -> None:
        """Free it; twice is fine."""
        address, self.address = self.address, 0
        if address:
            wt.any_delete(address)


class _Lent:
    """A host object that a guest may use for the time of one call."""

    __slots__ = ("_objects", "_rep")

    def __init__(self, objects: dict[int, tuple[int, object]], rep: int) -> None:
        self._objects = objects
        self._rep = rep

    def __del__(self) -> None:
        self._objects.pop(self._rep, None)


class _Passed:
    """Something that changes hands with a call, unless the call cannot begin."""

    __slots__ = ("take_back",)

    def __init__(self, take_back: Callable[[], object]) -> None:
        self.take_back = take_back


class TooManyResources(Exception):
    """The guest holds as many host resources as it may."""


class InstanceHandles(Single):
    """The `Handles` of one instance.

    Args:
        context: The store's.
        drops: What to do with a dropped object, by the number of its resource.
        most: Objects that the guest may hold.
        instance: Theirs.
        lifted: The address of eight bytes for the handle that is being lifted.

    Attributes:
        allowance: bytes that the values being passed may still have.
        instance: theirs, while there is one.
        stagings: the memories that bytes are copied into and out of.
        unstaged: that for which a payload crossed as text, until the call ends.
    """

    __slots__ = (
        "_context",
        "_drops",
        "_lifted",
        "_most",
        "_next",
        "_objects",
        "allowance",
        "instance",
        "stagings",
        "unstaged",
    )

    def __init__(
        self,
        context: int,
        drops: Sequence[Drop | None],
        most: int,
        instance: ReferenceType[Instance],
        lifted: int,
    ) -> None:
        self.allowance = 0
        self.instance = instance
        self.stagings: Stagings = NO_STAGINGS
        self.unstaged: Staging | None = None
        self._context = context
        self._lifted = lifted
        self._drops = drops
        self._most = most
        self._objects: dict[int, tuple[int, object]] = {}
        self._next = 0

    def lower_handle(self, type_: Handle, value: object, keep: Keep) -> int:
        """Return the address of a handle for `value`; it lives as long as `keep`."""
        if not type_.resource.is_imported:
            return self._lower_guest(type_, value, keep)
        number = type_.resource.number
        rep = self._number(number, value)
        is_owned = isinstance(type_, Own)
        if is_owned:
            keep.append(_Passed(partial(self._objects.pop, rep, None)))
        else:
            keep.append(_Lent(self._objects, rep))
        owned = OwnedHandle(wt.host_handle(self._context, rep, number, owned=is_owned))
        keep.append(owned)
        return owned.address

    def lift_handle(self, type_: Handle, address: int) -> object:
        """Return the value behind a handle, converted exactly once."""
        if not type_.resource.is_imported:
            handle = OwnedHandle(wt.clone_handle(address))
            return GuestResource(type_.resource.name, type_.resource, handle, self)
        rep = wt.take_host_handle(self._context, address, self._lifted)
        if isinstance(type_, Own):
            return self._objects.pop(rep)[1]  # the host has it back, and drops it as it likes
        return self._objects[rep][1]

    def take_back(self, keep: Keep) -> None:
        """Give back what the arguments of a call took or gave away that could not begin."""
        for each in keep:
            if isinstance(each, _Passed):
                each.take_back()
        self.unstaged = None
        for staging in self.stagings:
            if staging is not None:
                staging.forget()

    def take_dropped(self, rep: int) -> tuple[Drop | None, object]:
        """Remove what the guest dropped: the object, and what to do with it."""
        number, value = self._objects.pop(rep)
        return self._drops[number], value

    def drop_all(self) -> None:
        """Drop what the guest still held when its instance ended, latest first.

        Each is dropped, whatever the others raise. A stack of callbacks for ten thousand handles
        would be as many new objects, and wake the garbage collector.
        """
        failure: BaseException | None = None
        while self._objects:
            _, (number, value) = self._objects.popitem()
            drop = self._drops[number]
            if drop is not None:
                try:
                    drop(value)
                except BaseException as error:
                    error.__context__ = error.__context__ or failure
                    failure = error
        if failure is not None:
            raise failure

    async def drop_guest(self, resource: GuestResource) -> None:
        """Drop a resource that the guest defined; see `GuestResource.drop`."""
        instance = self.instance()
        if instance is not None and not instance.is_closed:
            await instance._drop_resource(resource)
        resource._handle = None  # also when its instance had ended: nothing is left of it

    def __len__(self) -> int:
        return len(self._objects)

    def _number(self, number: int, value: object) -> int:
        if len(self._objects) >= self._most:
            raise TooManyResources
        self._next += 1
        self._objects[self._next] = (number, value)
        return self._next

    def _lower_guest(self, type_: Handle, value: object, keep: Keep) -> int:
        if (
            not isinstance(value, GuestResource)
            or value._owner is not self
            or value._resource != type_.resource
        ):
            raise Unfit
        handle = value._handle
        if not isinstance(handle, OwnedHandle) or not handle.address:
            raise Unfit
        keep.append(handle)
        if isinstance(type_, Own):
            value._handle = None  # the guest has it again
            keep.append(_Passed(partial(setattr, value, "_handle", handle)))
        return handle.address
