"""Decision layers: each must agree before a component's call passes the guard.

A layer gives a `Verdict` on one call, or None when it has nothing to say to it. The first refusal
decides, and the denial names the layer and its rule; a call passes when no layer refuses it and the
component's grants cover it. So a further layer can only take away: no layer, and no rule in one,
makes up for a grant that is missing.

A block adds a layer of its own, such as a policy engine, by `Block.decide`.

Rejected: votes and priorities (an operator must be able to read one rule and know what it forbids),
and layers that are asked after the effect.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from .._kinds.grants import Grants
from .._kinds.kinds import Kinds, Rules
from .._kinds.spelling import Resource

__all__ = ("DecisionLayer", "Verdict")


class Verdict(NamedTuple):
    """The answer of one layer.

    Attributes:
        layer: Its name: `policy`, `grants`, `roles`.
        is_allowed: The answer.
        rule: The rule that decided, for people: a pattern, or a sentence.
        line: For a missing request, the line of Component.toml that would ask for it.
        is_explicit: Whether a rule forbids the call; otherwise a refusal means that none allows it.
        command: The command of an operator that would allow the call; None if there is none.
    """

    layer: str
    is_allowed: bool
    rule: str
    line: str | None = None
    is_explicit: bool = False
    command: str | None = None


@runtime_checkable
class DecisionLayer(Protocol):
    """A layer of the guard.

    Attributes:
        name: What denials call it.
    """

    name: str

    def judge(self, component: str, capability: str, resource: Resource) -> Verdict | None:
        """Judge a call; None when no rule here concerns it.

        It has no effect, does not wait, and answers the same until the guard is told to forget its
        decisions. What it raises refuses the call.
        """
        ...

    def effort(self, component: str, capability: str) -> int:
        """Return how long `judge` may take, in steps of some 60 ns; the component pays for them."""
        ...


def policy_layer(kinds: Kinds, policy: Grants) -> PolicyLayer:
    """Return the layer of a policy.

    Raises:
        InvalidPattern: A pattern of it cannot be read.
    """
    return PolicyLayer(kinds.rules(policy), is_bounding=bool(policy.allow))


class PolicyLayer:
    """The host's policy: what no component may do, and the most that any can be granted."""

    name = "policy"

    def __init__(self, rules: Rules, *, is_bounding: bool) -> None:
        self._rules = rules
        self._is_bounding = is_bounding

    def judge(self, component: str, capability: str, resource: Resource) -> Verdict | None:
        """Refuse what it denies, and what is beyond its bound."""
        del component
        denying = self._rules.denying(capability, resource)
        if denying is not None:
            rule = f"the host's policy denies {capability.replace(':', '.')} on {denying}"
            return Verdict(self.name, is_allowed=False, rule=rule, is_explicit=True)
        if not self._is_bounding:
            return None
        covering = self._rules.covering(capability, resource)
        if covering is None:
            rule = "the host's policy does not permit it to any component"
            return Verdict(self.name, is_allowed=False, rule=rule)
        return Verdict(self.name, is_allowed=True, rule=covering)

    def effort(self, component: str, capability: str) -> int:
        """Return the effort of its patterns."""
        del component
        return self._rules.effort(capability)
