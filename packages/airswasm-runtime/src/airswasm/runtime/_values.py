"""The Python shapes of WIT values that Python has no type for.

Numbers, strings, lists, tuples and options map onto Python's own types, because
that is what one writes by hand. A `result` does not become an exception and a
`variant` does not become a class of its own: both are values that are passed
on, compared and matched with `match`, so they are small frozen dataclasses.
Generating one class for each variant case was tried and dropped: users had to
import generated names from a component before they could call it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ._single import Single
from .errors import ResourceDropped

if TYPE_CHECKING:  # errors of other blocks hold values, and need no types
    from ._shape import ResourceIdentity

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Ok(Generic[T_co]):
    """The successful case of a WIT `result`; `Ok(None)` when it carries nothing."""

    value: T_co = None  # type: ignore[assignment]  # the default belongs to result<_, E>


@dataclass(frozen=True, slots=True)
class Err(Generic[T_co]):
    """The failed case of a WIT `result`; `Err(None)` when it carries nothing."""

    value: T_co = None  # type: ignore[assignment]  # the default belongs to result<T>


@dataclass(frozen=True, slots=True)
class Some(Generic[T_co]):
    """A present value where an option lies directly inside an option."""

    value: T_co


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a WIT `variant`: its kebab-case name and its payload, if any."""

    name: str
    value: object = None


class _Owner(Protocol):
    """The instance's side of a resource."""

    async def drop_guest(self, resource: GuestResource) -> None: ...


class GuestResource(Single):
    """A resource that a guest defined, held by the host.

    Pass it back, as an argument, to the instance that it came from; as its own,
    and it is no longer the host's. It belongs to that instance and dies with it.
    `async with` drops it at the end of the block, unless it was given back.
    One that is forgotten, neither given back nor dropped, stays in the guest
    until the instance ends.

    Attributes:
        name: the resource's name in WIT.
    """

    __slots__ = ("_handle", "_owner", "_resource", "name")

    def __init__(
        self, name: str, resource: ResourceIdentity, handle: object, owner: _Owner
    ) -> None:
        self.name: str = name
        self._resource = resource
        self._handle: object = handle
        self._owner = owner

    def __repr__(self) -> str:
        return f"<GuestResource {self.name}{'' if self.is_held else ', which is gone'}>"

    @property
    def is_held(self) -> bool:
        """Whether the host has it: neither dropped nor given back to the guest."""
        return self._handle is not None

    async def drop(self) -> None:
        """Drop it: the guest's destructor runs as a call, under the limits of one.

        Nothing happens when its instance has ended.

        Raises:
            ResourceDropped: it was dropped, or given back to the guest.
            ResourceKept: nothing in the component can drop it.
            GuestFault: the destructor ended the instance.
            InstanceBusy: the instance is in a call.
        """
        if self._handle is None:
            raise ResourceDropped(self.name)
        await self._owner.drop_guest(self)

    async def __aenter__(self) -> GuestResource:
        if self._handle is None:
            raise ResourceDropped(self.name)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        if self._handle is not None:
            await self.drop()
