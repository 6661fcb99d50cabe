"""Decide about calls: what each layer says, and what follows from it.

A call is allowed when no layer refuses it, the component's grants cover its resource, and no denial
of theirs does. Nothing here is written, remembered or charged: `Guard` does that.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from .._deciding.decision import Decision
from .._deciding.layers import DecisionLayer, Verdict
from .._kinds.grants import Grants, manifest_line
from .._kinds.kinds import Kinds, Rules
from .._kinds.spelling import Resource
from ..errors import InvalidPattern, InvalidResource

__all__ = ("NO_GRANTS", "Verdicts")

NO_GRANTS = Grants()
_SETS = 4_096
_SHOWN = 2_048
"""Characters of the patterns that a component has already, in the line that would grant more."""


class Verdicts:
    """The grants of the components of one host, the layers beside them, and what they decide.

    Attributes:
        kinds: The capabilities of the host.
        layers: What must agree to every call, in the order in which it is asked.
        learning: The components that may use what only their grants lack.
    """

    def __init__(self, kinds: Kinds, grants: Mapping[str, Grants]) -> None:
        self.kinds = kinds
        self.layers: tuple[DecisionLayer, ...] = ()
        self.learning: set[str] = set()
        self._grants = dict(grants)
        self._asked: dict[str, Grants] = {}
        self._rules: dict[int, tuple[Grants, Rules]] = {}

    def set_layer(self, layer: DecisionLayer, *, first: bool = False) -> None:
        """Add a layer last, or first; it takes the place of one of the same name."""
        names = [each.name for each in self.layers]
        others = tuple(each for each in self.layers if each.name != layer.name)
        place = 0 if first else len(others)
        if layer.name in names and not first:
            place = names.index(layer.name)
        self.layers = (*others[:place], layer, *others[place:])

    def remove_layer(self, name: str) -> None:
        """Remove the layer of that name. Harmless if there is none."""
        self.layers = tuple(each for each in self.layers if each.name != name)

    def grant(self, component: str, grants: Grants, asked: Grants | None) -> None:
        """Set a component's grants and, where a record decides, what its manifest asks for."""
        self._grants[component] = grants
        if asked is not None:
            self._asked[component] = asked
        else:
            self._asked.pop(component, None)

    def revoke(self, component: str) -> None:
        """Remove all grants of a component. Harmless if it has none."""
        self._grants.pop(component, None)
        self._asked.pop(component, None)

    def grants_of(self, component: str) -> Grants:
        """Return the grants of a component."""
        return self._grants.get(component, NO_GRANTS)

    def decide(
        self, component: str, capability: str, resource: str, argument: str | None = None
    ) -> Decision:
        """Decide about a call; see `Guard.decide`."""
        try:
            touched = self.kinds.resource(capability, resource, argument)
            verdict = self._deciding(component, capability, touched)
        except (InvalidResource, InvalidPattern) as error:
            return Decision(False, component, capability, resource, error.reason, layer="spelling")
        return Decision(
            verdict.is_allowed,
            component,
            capability,
            touched.text,
            verdict.rule,
            verdict.line,
            verdict.layer,
            verdict.command,
        )

    def explain(
        self, component: str, capability: str, resource: str, argument: str | None = None
    ) -> tuple[Verdict, ...]:
        """Return what each layer says; see `Guard.explain`."""
        try:
            touched = self.kinds.resource(capability, resource, argument)
            return tuple(self._each(component, capability, touched))
        except (InvalidResource, InvalidPattern) as error:
            return (Verdict("spelling", is_allowed=False, rule=error.reason, is_explicit=True),)

    def forbid(self, component: str, capability: str, resource: str) -> Decision | None:
        """Return the denial if a rule forbids the call, whether or not it was granted."""
        for verdict in self.explain(component, capability, resource):
            if verdict.is_explicit and not verdict.is_allowed:
                return Decision(
                    False, component, capability, resource, verdict.rule, layer=verdict.layer
                )
        return None

    def denial(
        self, component: str, capability: str, resource: str, also: Sequence[str]
    ) -> str | None:
        """Return why a resource, or one of its other names, may not be used now; None if it may."""
        decision = self.decide(component, capability, resource)
        if not decision.is_allowed:
            return decision.text
        for name in also:
            forbidden = self.forbid(component, capability, name)
            if forbidden is not None:
                return forbidden.text
        return None

    def effort(self, component: str, capability: str) -> int:
        """Return how long a decision may take, in the steps of `Pattern.effort`."""
        mine = self._rules_of(self.grants_of(component)).effort(capability)
        return mine + sum(layer.effort(component, capability) for layer in self.layers)

    def _deciding(self, component: str, capability: str, touched: Resource) -> Verdict:
        """Return the first refusal of a layer, or else what the grants say."""
        for layer in self.layers:
            verdict = _judged(layer, component, capability, touched)
            if verdict is not None and not verdict.is_allowed:
                return verdict
        return self._granted(component, capability, touched)

    def _each(self, component: str, capability: str, touched: Resource) -> Iterator[Verdict]:
        for layer in self.layers:
            verdict = _judged(layer, component, capability, touched)
            if verdict is not None:
                yield verdict
        yield self._granted(component, capability, touched)

    def _granted(self, component: str, capability: str, touched: Resource) -> Verdict:
        grants, asked = self.grants_of(component), self._asked.get(component)
        rules = self._rules_of(grants)
        denying = rules.denying(capability, touched)
        if denying is not None:
            if asked is None or self._rules_of(asked).denying(capability, touched) is not None:
                rule = f"the component denies {capability.replace(':', '.')} on {denying}"
                return Verdict("grants", is_allowed=False, rule=rule, is_explicit=True)
            rule = f"its record of grants denies {capability.replace(':', '.')} on {denying}"
            lift = self._lifting(component, capability, touched, denying)
            return Verdict("grants", False, rule, is_explicit=True, command=lift)
        covering = rules.covering(capability, touched)
        if covering is not None:
            return Verdict("grants", is_allowed=True, rule=covering)
        if component in self.learning:
            return Verdict("grants", is_allowed=True, rule=touched.granting_pattern)
        rule, line = "it was not granted", _granting_line(grants, capability, touched)
        if asked is None:
            return Verdict("grants", is_allowed=False, rule=rule, line=line)
        command = _command("add", component, capability, touched.granting_pattern)
        if self._rules_of(asked).covering(capability, touched) is not None:
            rule = "Component.toml asks for it, and its record of grants does not grant it"
            return Verdict("grants", is_allowed=False, rule=rule, command=command)
        return Verdict("grants", is_allowed=False, rule=rule, line=line, command=command)

    def _lifting(
        self, component: str, capability: str, touched: Resource, denying: str
    ) -> str | None:
        """Return the command that lifts a denial of the record and grants what is missing then."""
        lift = _command("remove", component, capability, denying, " --denial")
        if self._rules_of(self.grants_of(component)).covering(capability, touched) is not None:
            return lift
        add = _command("add", component, capability, touched.granting_pattern)
        if denying == touched.granting_pattern:  # a grant lifts the denials that it covers
            return add
        return f"{lift} && {add}" if lift and add else None

    def _rules_of(self, grants: Grants) -> Rules:
        """Return the rules of a set of grants; ten thousand names of one package share one set."""
        known = self._rules.get(id(grants))
        if known is None:
            if len(self._rules) >= _SETS:
                self._rules.clear()
            known = self._rules[id(grants)] = grants, self.kinds.rules(grants)
        return known[1]


def _judged(
    layer: DecisionLayer, component: str, capability: str, touched: Resource
) -> Verdict | None:
    """Ask a layer; one that fails refuses, because what it would have forbidden is not known."""
    try:
        return layer.judge(component, capability, touched)
    except Exception as error:
        rule = f"the layer {layer.name} failed: {type(error).__name__}: {error}"
        return Verdict(layer.name, is_allowed=False, rule=rule, is_explicit=True)


def _command(
    verb: str, component: str, capability: str, pattern: str, options: str = ""
) -> str | None:
    """Return the command that changes a record of grants; None where no terminal shows it."""
    if not pattern.isprintable():
        return None
    name = capability.replace(":", ".")
    return f"airswasm grants {verb} {component} {name} {shlex.quote(pattern)}{options}"


def _granting_line(grants: Grants, capability: str, touched: Resource) -> str:
    present = grants.allow.get(capability, ())
    if sum(map(len, present)) > _SHOWN:  # the line would be longer than what it is about
        present = ("…",)
    return manifest_line(capability, (*present, touched.granting_pattern))
