"""Remember decisions, so that a call that was allowed once costs two look-ups from then on.

A decision depends on component, capability and resource alone until grants or rules change; then
what is remembered of the component is forgotten. What is remembered of one component is bounded in
number and in bytes, because a component chooses the resources that it names. Only what is allowed
is remembered: a denial is decided again, and the component pays for that.
"""

from __future__ import annotations

from typing import TypeAlias

from .._deciding.decision import Decision

__all__ = ("Memory", "Passed")

Passed: TypeAlias = dict[str, "tuple[str, ...] | set[str]"]
"""For one requirement, the resources that each component may touch.

An empty set takes 216 bytes, and most components touch few resources: so a tuple holds them until
they are many.
"""

_Key: TypeAlias = tuple[str, "str | None", str]

_FEW = 8
_REMEMBERED_BYTES = 256 * 1024
"""The most bytes that are remembered of one component."""
_ENTRY_BYTES = 128


class Memory:
    """The allowed decisions of the components of one host.

    Attributes:
        limit: How many decisions are remembered for each component; 0 remembers none.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._checked: dict[str, dict[_Key, Decision]] = {}
        self._passed: dict[tuple[str, str | None], Passed] = {}
        self._kept_bytes: dict[str, int] = {}

    def passed(self, capability: str, argument: str | None) -> Passed:
        """Return what may pass on one requirement: the same object for as long as this lives."""
        return self._passed.setdefault((capability, argument), {})

    def has_passed(self, component: str, capability: str, argument: str | None, name: str) -> bool:
        """Return whether a guarded call on the resource of that name has passed."""
        return name in self._passed.get((capability, argument), {}).get(component, ())

    def checked(self, component: str, key: _Key) -> Decision | None:
        """Return what `Guard.check` decided about capability, argument and resource."""
        return self._checked.get(component, {}).get(key)

    def note_checked(self, component: str, key: _Key, decision: Decision) -> None:
        """Remember an allowed decision of `Guard.check`."""
        if not self.limit:
            return
        self._make_room(component, key[2])
        mine = self._checked.setdefault(component, {})
        if len(mine) >= self.limit:
            mine.clear()
        mine[key] = decision

    def note_passed(self, component: str, resource: str, passed: Passed) -> None:
        """Remember that a guarded call may pass."""
        if not self.limit:
            return
        self._make_room(component, resource)
        passed[component] = _with(passed.get(component, ()), resource, self.limit)

    def users_of(self, capability: str, resource: str) -> tuple[str, ...]:
        """Return the components for which a decision about the resource is remembered."""
        called = [
            mine
            for (name, _), passed in self._passed.items()
            if name == capability
            for mine, resources in passed.items()
            if resource in resources
        ]
        checked = [
            mine
            for mine, known in self._checked.items()
            if any((each[0], each[2]) == (capability, resource) for each in known)
        ]
        return tuple(sorted({*called, *checked}))

    def components(self) -> tuple[str, ...]:
        """Return the components of which something is remembered."""
        return tuple(self._kept_bytes)

    def bytes_of(self, component: str) -> int:
        """Return what the remembered decisions of a component take."""
        return self._kept_bytes.get(component, 0)

    def forget(self, component: str) -> None:
        """Forget what was decided for a component."""
        self._checked.pop(component, None)
        self._kept_bytes.pop(component, None)
        for passed in self._passed.values():
            passed.pop(component, None)

    def _make_room(self, component: str, resource: str) -> None:
        """Count what is remembered of a component; forget all of it when it is too much."""
        kept = self._kept_bytes.get(component, 0) + 4 * len(resource) + _ENTRY_BYTES
        if kept > _REMEMBERED_BYTES:
            self.forget(component)
            kept = 4 * len(resource) + _ENTRY_BYTES
        self._kept_bytes[component] = kept


def _with(
    known: tuple[str, ...] | set[str], resource: str, most: int
) -> tuple[str, ...] | set[str]:
    """Add a resource to the known ones; forget all when there would be too many."""
    if len(known) >= most:
        return (resource,)
    if isinstance(known, set):
        known.add(resource)
        return known
    return (*known, resource) if len(known) < _FEW else {*known, resource}
