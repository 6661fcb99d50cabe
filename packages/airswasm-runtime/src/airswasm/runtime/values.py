"""The Python shapes of WIT values that Python has no type for.

Numbers, strings, lists, tuples and options map onto Python's own types, because
that is what one writes by hand. A `result` does not become an exception and a
`variant` does not become a class of its own: both are values that are passed
on, compared and matched with `match`, so they are small frozen dataclasses.
Generating one class for each variant case was tried and dropped: users had to
import generated names from a component before they could call it.
"""

from __future__ import annotations

from collections.abc import Callable
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


@dataclass(frozen=True, slots=True, eq=False)
class GuestResource:
    """A resource that a guest defined, held by the host.

    It is passed back to the guest it came from as an argument. It belongs to
    one instance and dies with it.

    Attributes:
        name: the resource's name in WIT.
        drop: gives up an owned handle; the guest's destructor runs at the next
            call. Without effect on a borrowed or already passed-on handle.
    """

    name: str
    handle: int
    drop: Callable[[], None]
