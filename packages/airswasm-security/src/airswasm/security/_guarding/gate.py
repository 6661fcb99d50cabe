"""Decide about one call of a component, charge it, write its line, and remember it.

A line is in the log before the call takes effect, and a decision whose line cannot be written is a
denial. Deciding takes time that depends on the patterns of grants and layers, so a component pays
for each decision that is not remembered.
"""

from __future__ import annotations

from collections.abc import Callable

from airswasm.runtime import Caller

from .._deciding.decision import Decision
from .._deciding.learning import Learning
from .decision_lines import DecisionLines
from .memory import Memory, Passed
from .verdicts import Verdicts

__all__ = ("Gate",)

_STEP_FUEL = 100
_DENIAL_FUEL = 100_000
"""For deciding, for the sentence, and for the line in the log."""


class Gate:
    """Lets calls pass, or refuses them."""

    def __init__(self, verdicts: Verdicts, memory: Memory, lines: DecisionLines) -> None:
        self.kinds = verdicts.kinds
        self._verdicts = verdicts
        self._memory = memory
        self._lines = lines
        self._learning: dict[str, Learning] = {}
        self._listeners: tuple[Callable[[Decision], None], ...] = ()

    def listen(self, listener: Callable[[Decision], None]) -> Callable[[], None]:
        """Show every denied call from now on; return what ends that."""
        self._listeners = (*self._listeners, listener)

        def end() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return end

    def start_learning(self, component: str) -> Learning:
        """Allow a component what only its grants lack, and note what it uses."""
        self._memory.forget(component)
        self._verdicts.learning.add(component)
        self._learning[component] = Learning()
        return self._learning[component]

    def stop_learning(self, component: str) -> None:
        """Hold a component to its grants again, and keep nothing of what it used."""
        self._verdicts.learning.discard(component)
        self._learning.pop(component, None)
        self._memory.forget(component)

    def check(
        self, component: str, capability: str, resource: str, argument: str | None
    ) -> Decision:
        """Decide for the host; see `Guard.check`."""
        key = (capability, argument, resource)
        known = self._memory.checked(component, key)
        if known is not None:
            return known
        decision = self._verdicts.decide(component, capability, resource, argument)
        if not self._memory.has_passed(component, capability, argument, resource):
            decision = self._lines.write(decision)
        if decision.is_allowed:
            self._note_use(component, capability, resource, argument)
            self._memory.note_checked(component, key, decision)
        return decision

    def passed(self, capability: str, argument: str | None) -> Passed:
        """Return what may pass on one requirement without a decision."""
        return self._memory.passed(capability, argument)

    def refusal(
        self, caller: Caller, capability: str, resource: str, argument: str | None
    ) -> Decision | None:
        """Decide at the caller's expense; return the denial, or note that it may pass."""
        component = caller.name
        if self._memory.checked(component, (capability, argument, resource)) is None:
            decision = self._lines.write(self._priced(caller, capability, resource, argument))
            if not decision.is_allowed:
                for listener in self._listeners:
                    listener(decision)
                return decision
            self._note_use(component, capability, resource, argument)
        self._memory.note_passed(component, resource, self.passed(capability, argument))
        return None

    def rehearse(
        self, caller: Caller, capability: str, resource: str, argument: str | None
    ) -> Decision | None:
        """Decide at the caller's expense, and leave no trace; return the denial."""
        decision = self._priced(caller, capability, resource, argument)
        return None if decision.is_allowed else decision

    def answer(self, caller: Caller, capability: str, resource: str) -> bool:
        """Return whether the caller may do something, at its expense; see `Guard.answer`."""
        if capability not in self.kinds:
            return False
        caller.charge(self._verdicts.effort(caller.name, capability) * _STEP_FUEL)
        return self._verdicts.decide(caller.name, capability, resource).is_allowed

    def _priced(
        self, caller: Caller, capability: str, resource: str, argument: str | None
    ) -> Decision:
        caller.charge(self._verdicts.effort(caller.name, capability) * _STEP_FUEL)
        decision = self._verdicts.decide(caller.name, capability, resource, argument)
        if not decision.is_allowed:
            caller.charge(_DENIAL_FUEL)
        return decision

    def _note_use(
        self, component: str, capability: str, resource: str, argument: str | None
    ) -> None:
        learning = self._learning.get(component)
        if learning is not None:
            touched = self.kinds.resource(capability, resource, argument)
            learning.note(capability, touched.granting_pattern)
