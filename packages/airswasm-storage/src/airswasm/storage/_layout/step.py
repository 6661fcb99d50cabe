"""One change that is computed but not applied yet, so that several can be applied as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .._backends.backend import Change


@dataclass(frozen=True, slots=True)
class Step:
    """Changes, and the update of the state in memory that goes with them.

    Attributes:
        changes: For the backend, in this order.
        settle: Called once, right after the changes were applied; never if they were not.
    """

    changes: list[Change]
    settle: Callable[[], None]
