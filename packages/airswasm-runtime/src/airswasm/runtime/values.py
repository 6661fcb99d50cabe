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
from typing import Generic, TypeVar

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


class GuestResource:
    """A resource that a guest defined, held by the host.

    Pass it back, as an argument, to the instance that it came from. It belongs
    to that instance and dies with it: the engine cannot run a guest's destructor
    outside of a call, so one that is never passed back stays until then.

    Attributes:
        name: the resource's name in WIT.
    """

    __slots__ = ("_handle", "_owner", "_resource", "name")

    def __init__(self, name: str, resource: object, handle: object, owner: object) -> None:
        self.name: str = name
        self._resource = resource
        self._handle = handle
        self._owner = owner

    def __repr__(self) -> str:
        return f"<GuestResource {self.name}>"
