"""The guard: the one check in front of every host call.

A call is allowed when the component's grants cover its resource, no deny pattern does, and the
host's policy agrees. No grant means denial, and so does any failure of the decision, the audit log
included. `decide` is pure; `check` also writes the audit line; `guarded` puts `check` in front of
every function of an interface as the WIT annotations say, so that contract and enforcement cannot
drift apart.

A decision depends on nothing but component, capability and resource until
grants change, so it is remembered, and with it that its line is in the audit
log. What is remembered of a component is bounded in bytes. A denial is never
remembered: each one is decided again, and the component pays for that.

`DecisionLines` writes the decisions, or counts those of a component that floods the log.

Rejected: checks written by hand inside each provider (one is forgotten sooner or later), and
exceptions for denials (a guest should be able to handle them; only a function whose result has no
`denied` case ends in a trap).
"""

from __future__ import annotations

import functools
import inspect
import shlex
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar, cast

import anyio
from airswasm.runtime import Caller, Case, Err, HostFunction, HostInterface, Meters
from airswasm.wit import Contract, Function, Nothing, Requirement
from airswasm.wit.model import ListOf

from ._auditing.lines import AuditSink
from ._decision import Decision
from ._decision_lines import AllowedLines, DecisionLines
from ._grants import Grants, manifest_line
from ._kinds import Kinds, Rules
from ._layers import DecisionLayer, Verdict, policy_layer
from ._learning import Learning
from ._spelling import Resource
from ._standing import End, Standing
from .errors import (
    InvalidPattern,
    InvalidResource,
    PermissionDenied,
    UnannotatedFunction,
    UnknownCapability,
)

__all__ = ("Guard", "decides_each", "guarded")

Decider = TypeVar("Decider", bound=Callable[..., object])

_NO_GRANTS = Grants()
_FEW = 8
_SETS = 4_096
_REMEMBERED_BYTES = 256 * 1024
"""The most bytes that are remembered of one component."""
_ENTRY_BYTES = 128
_STEP_FUEL = 100
_DECIDES_EACH = "decides_each"
_DENIAL_FUEL = 100_000
"""For deciding, for the sentence, and for the line in the log."""
_SHOWN = 2_048
"""Characters of the patterns that a component has already, in the line that would grant more."""

_Passed: TypeAlias = dict[str, "tuple[str, ...] | set[str]"]
"""For one requirement, the resources that each component may touch.

An empty set takes 216 bytes, and most components touch few resources: so a tuple holds them until
they are many.
"""


class Guard:
    """Decides for every component of one host.

    Args:
        kinds: The capabilities of this host.
        grants: What each component was granted, by its name.
        audit: Where decisions are written before they take effect; None keeps none.
        policy: What the host forbids every component, in its `deny`; and, when its
            `allow` is not empty, the most that any component can be granted.
        allowed_lines: Which allowed calls are written. Denials are.
        remembered: How many decisions are remembered for each component.
        clock: Seconds, for the budgets of lines.
        meters: Counts the denials that are not written.
        line_burst: The lines in the log that a component has at once; the rest is counted.
        lines_per_second: The lines that it earns.
    """

    def __init__(
        self,
        kinds: Kinds,
        grants: Mapping[str, Grants] | None = None,
        *,
        audit: AuditSink | None = None,
        policy: Grants = _NO_GRANTS,
        allowed_lines: AllowedLines = "first",
        remembered: int = 4_096,
        clock: Callable[[], float] = time.monotonic,
        meters: Meters | None = None,
        line_burst: int = 1_000,
        lines_per_second: float = 20.0,
    ) -> None:
        self._kinds = kinds
        self._grants = dict(grants or {})
        self._asked: dict[str, Grants] = {}
        self._rules: dict[int, tuple[Grants, Rules]] = {}
        self._policy = policy
        self._layers: tuple[DecisionLayer, ...] = ()
        if policy.allow or policy.deny:
            self._layers = (policy_layer(kinds, policy),)
        self._remembers = remembered
        self._limit = remembered if allowed_lines != "every" else 0
        self._remembered: dict[str, dict[tuple[str, str | None, str], Decision]] = {}
        self._passed: dict[tuple[str, str | None], _Passed] = {}
        self._kept_bytes: dict[str, int] = {}
        self._learning: dict[str, Learning] = {}
        self._standing = Standing(self._denial)
        self._listeners: tuple[Callable[[Decision], None], ...] = ()
        self._lines = DecisionLines(
            audit, allowed=allowed_lines, clock=clock, meters=meters, burst=line_burst,
            per_second=lines_per_second,
            reads=frozenset(each.annotation for each in kinds if each.only_reads),
        )  # fmt: skip

    @property
    def kinds(self) -> Kinds:
        """The capabilities of this host."""
        return self._kinds

    @property
    def policy(self) -> Grants:
        """The host's policy."""
        return self._policy

    def hold_to(self, policy: Grants) -> None:
        """Hold every component to another policy, from its next call on.

        What a component holds open and may hold no longer ends at once.

        Raises:
            InvalidPattern: A pattern of it cannot be read; the present one stays.
        """
        layer = policy_layer(self._kinds, policy)
        self._policy = policy
        if policy.allow or policy.deny:
            self.add_layer(layer)
        else:
            self.remove_layer(layer.name)

    def write_lines(self, allowed: AllowedLines, *, burst: int, per_second: float) -> None:
        """Write other lines to the audit log, from the next decision on; see `Guard`."""
        self._lines.write_by(allowed, burst=burst, per_second=per_second)
        self._limit = self._remembers if allowed != "every" else 0
        self.forget_all_decisions()

    def add_layer(self, layer: DecisionLayer, *, first: bool = False) -> None:
        """Add a layer that must agree to every call, from the next one on.

        Args:
            layer: The layer; one of the same name is replaced, in its place.
            first: Ask it before the present ones.
        """
        names = [each.name for each in self._layers]
        others = tuple(each for each in self._layers if each.name != layer.name)
        place = 0 if first else len(others)
        if layer.name in names and not first:
            place = names.index(layer.name)
        self._layers = (*others[:place], layer, *others[place:])
        self.forget_all_decisions()

    def remove_layer(self, name: str) -> None:
        """Remove the layer of that name. Harmless if there is none."""
        self._layers = tuple(each for each in self._layers if each.name != name)
        self.forget_all_decisions()

    def grant(self, component: str, grants: Grants, *, asked: Grants | None = None) -> None:
        """Set a component's grants, from its next call on.

        Args:
            component: Its name.
            grants: What it may do.
            asked: What its manifest asks for, where a record of grants decides. Then a denial says
                whether the record or the manifest lacks the grant.
        """
        self._grants[component] = grants
        if asked is not None:
            self._asked[component] = asked
        else:
            self._asked.pop(component, None)
        self._forget(component)
        self._end_denied(component)

    def keep(
        self,
        component: str,
        capability: str,
        resource: str,
        end: End,
        *,
        also: Sequence[str] = (),
    ) -> Callable[[], None]:
        """Note what a component holds open on the strength of a decision.

        When its grants or a layer change so that the decision is a denial, `end` is called.

        Args:
            component: Its name.
            capability: `domain:verb`.
            resource: The resource, as it was decided.
            end: Ends it, at once and without waiting; called with the denial.
            also: Other names of the resource, which a rule may forbid: an address of a host.

        Returns:
            A function to call when it ends otherwise.
        """
        return self._standing.keep(component, capability, resource, end, also)

    def listen(self, listener: Callable[[Decision], None]) -> Callable[[], None]:
        """Show every denied call of a component from now on; return what ends that."""
        self._listeners = (*self._listeners, listener)

        def end() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return end

    def count_held(self, component: str) -> int:
        """Return how much a component holds open on the strength of decisions."""
        return self._standing.count_of(component)

    def _denial(
        self, component: str, capability: str, resource: str, also: Sequence[str]
    ) -> str | None:
        decision = self.decide(component, capability, resource)
        if not decision.is_allowed:
            return decision.text
        for name in also:
            forbidden = self.forbids(component, capability, name)
            if forbidden is not None:
                return forbidden.text
        return None

    def _end_denied(self, component: str) -> None:
        for capability, resource, text in self._standing.end_denied(component):
            self._lines.note_end(component, capability, resource, text)

    def revoke(self, component: str) -> None:
        """Remove all grants of a component. Harmless if it has none."""
        self._grants.pop(component, None)
        self._asked.pop(component, None)
        self._lines.forget(component)
        self._forget(component)
        self._end_denied(component)

    def remembered_bytes(self, component: str) -> int:
        """Return what remembered decisions of a component take."""
        return self._kept_bytes.get(component, 0)

    def forget_decisions(self, component: str) -> None:
        """Forget what was decided for a component: the next calls are decided anew."""
        self._forget(component)

    def forget_all_decisions(self) -> None:
        """Forget what was decided for every component: a layer's rules have changed."""
        for component in list(self._kept_bytes):
            self._forget(component)
        for component in self._standing.components():
            self._end_denied(component)

    def start_learning(self, component: str) -> Learning:
        """Allow a component what only its grants lack, and note what it uses, from now on."""
        self._forget(component)
        self._learning[component] = Learning()
        return self._learning[component]

    def is_learning(self, component: str) -> bool:
        """Return whether a component may use what only its grants lack."""
        return component in self._learning

    def stop_learning(self, component: str) -> None:
        """Hold a component to its grants again, and keep nothing of what it used."""
        self._learning.pop(component, None)
        self._forget(component)

    def _note_use(
        self, component: str, capability: str, resource: str, argument: str | None
    ) -> None:
        learning = self._learning.get(component)
        if learning is not None:
            touched = self._kinds.resource(capability, resource, argument)
            learning.note(capability, touched.granting_pattern)

    def unwritten_denials(self, component: str) -> int:
        """Return how many denials of a component have no line of their own in the audit log."""
        return self._lines.unwritten(component)

    def line_of(self, component: str, capability: str, resource: str) -> int:
        """Return the number of the line in the audit log that allowed a call; 0 if it is not known.

        Args:
            component: The caller.
            capability: `domain:verb`.
            resource: The resource, as the caller gave it.
        """
        line = self._lines.line_of(component, capability, resource)
        if line:
            return line
        try:
            canonical = self._kinds.resource(capability, resource, None).text
        except (InvalidResource, InvalidPattern, UnknownCapability):
            return 0
        return self._lines.line_of(component, capability, canonical)

    def note_unwritten(self) -> None:
        """Write how many decisions of each component were only counted since the last call.

        The host calls this every few seconds, so that a flood that has ended leaves its number.
        """
        self._lines.note()

    def grants_of(self, component: str) -> Grants:
        """Return the grants of a component."""
        return self._grants.get(component, _NO_GRANTS)

    def decide(
        self, component: str, capability: str, resource: str, *, argument: str | None = None
    ) -> Decision:
        """Decide whether `component` may use `capability` on `resource`. Changes nothing.

        Args:
            component: Its name.
            capability: `domain:verb`.
            resource: The key, path, target, URL, ... as the caller gave it.
            argument: The argument's name in the contract; `prefix` asks for every resource with
                that prefix.

        Raises:
            UnknownCapability: No installed block declares `capability`.
        """
        try:
            touched = self._kinds.resource(capability, resource, argument)
            return self._decide(component, capability, touched)
        except (InvalidResource, InvalidPattern) as error:
            return Decision(False, component, capability, resource, error.reason, layer="spelling")

    def check(
        self, component: str, capability: str, resource: str, *, argument: str | None = None
    ) -> Decision:
        """Decide, and write the audit line before the caller acts on it.

        If the line of an allowed call cannot be written, the answer is a denial.

        Raises:
            UnknownCapability: No installed block declares `capability`.
        """
        mine = self._remembered.get(component, {})
        key = (capability, argument, resource)
        known = mine.get(key)
        if known is not None:
            return known
        decision = self.decide(component, capability, resource, argument=argument)
        passed = self._passed.get((capability, argument), {})
        if resource not in passed.get(component, ()):
            decision = self._lines.write(decision)
        if decision.is_allowed:
            self._note_use(component, capability, resource, argument)
        if decision.is_allowed and self._limit:
            self._make_room(component, resource)
            mine = self._remembered.setdefault(component, {})
            if len(mine) >= self._limit:
                mine.clear()
            mine[key] = decision
        return decision

    def recent_users(self, capability: str, resource: str) -> tuple[str, ...]:
        """Return the components that have used a capability on a resource of late.

        These are the calls that the guard remembers because they were allowed: until the
        component's grants or the rules change, and no more than it remembers for each.
        """
        called = [
            mine
            for (name, _), passed in self._passed.items()
            if name == capability
            for mine, resources in passed.items()
            if resource in resources
        ]
        checked = [
            mine
            for mine, known in self._remembered.items()
            if any((each[0], each[2]) == (capability, resource) for each in known)
        ]
        return tuple(sorted({*called, *checked}))

    def enforce(
        self, component: str, capability: str, resource: str, *, argument: str | None = None
    ) -> None:
        """Check, for callers that work with exceptions.

        Raises:
            PermissionDenied: The call is not allowed; the error carries the sentence for people.
            UnknownCapability: No installed block declares `capability`.
        """
        decision = self.check(component, capability, resource, argument=argument)
        if not decision.is_allowed:
            raise PermissionDenied(component, capability, resource, decision.text)

    def guarded(
        self, interface: HostInterface, contract: Contract, *, is_rehearsal: bool = False
    ) -> HostInterface:
        """Return the interface with this guard in front of every function.

        Args:
            interface: An interface that a block offers to components.
            contract: States the requirements of each function.
            is_rehearsal: Whether its calls have no effect. Then decisions leave no trace: no line
                says that the component did it, and none of its budget of lines is used.

        Raises:
            UnannotatedFunction: The contract does not state a function's requirements.
        """
        declared = contract.interface(interface.name)
        if declared is None:
            raise UnannotatedFunction(interface.name, "*", "the contract has no such interface")
        functions = {
            name: self._guarded_function(
                interface.name, name, function, declared.functions, is_rehearsal=is_rehearsal
            )
            for name, function in interface.functions.items()
        }
        return replace(interface, functions=functions)

    def _guarded_function(
        self,
        interface: str,
        name: str,
        function: HostFunction,
        declared: Mapping[str, Function],
        *,
        is_rehearsal: bool,
    ) -> HostFunction:
        signature = declared.get(name)
        if signature is None:
            raise UnannotatedFunction(interface, name, "the contract has no such function")
        requirements = signature.requirements
        if isinstance(requirements, Nothing):
            return function
        if requirements is None:
            raise UnannotatedFunction(interface, name, "it says nothing about permissions")
        answer = _answer_of(signature)
        for requirement in requirements:
            if _names_a_list(signature, requirement):
                self._check_decider(interface, signature, requirement, function)
            else:
                function = self._door(
                    interface, signature, requirement, function, answer, is_rehearsal=is_rehearsal
                )
        return function

    def _check_decider(
        self, interface: str, signature: Function, requirement: Requirement, function: HostFunction
    ) -> None:
        """Hold that a function of a list of resources decides for each of them."""
        name = signature.name
        if requirement.capability not in self._kinds:
            raise UnannotatedFunction(
                interface, name, f"no block declares {requirement.capability}"
            )
        if not getattr(function, _DECIDES_EACH, False):
            raise UnannotatedFunction(
                interface,
                name,
                "its resources are a list",
                "have it call Guard.admit for each of them, and mark it `decides_each`",
            )

    def _door(
        self,
        interface: str,
        signature: Function,
        requirement: Requirement,
        function: HostFunction,
        answer: Callable[[Decision], object],
        *,
        is_rehearsal: bool,
    ) -> HostFunction:
        positions = _positions(interface, signature, requirement)
        if requirement.capability not in self._kinds:
            raise UnannotatedFunction(
                interface, signature.name, f"no block declares {requirement.capability}"
            )
        capability, argument = requirement.capability, requirement.argument
        passed = self._passed.setdefault((capability, argument), {})

        def refusal(caller: Caller, resource: object) -> Decision | None:
            if not isinstance(resource, str):
                raise UnannotatedFunction(interface, signature.name, "its resource is not a text")
            if is_rehearsal:
                decision = self._priced(caller, capability, resource, argument)
                return None if decision.is_allowed else decision
            return self._refusal(caller, capability, resource, argument, passed)

        def hold(caller: Caller, resource: str, end: End) -> Callable[[], None]:
            return self.keep(caller.name, capability, resource, end)

        return _wrapped(function, positions, passed, refusal, answer, hold)

    def _refusal(
        self,
        caller: Caller,
        capability: str,
        resource: str,
        argument: str | None,
        passed: _Passed,
    ) -> Decision | None:
        """Decide at the caller's expense; return the denial, or note that it may pass."""
        component = caller.name
        if (capability, argument, resource) not in self._remembered.get(component, ()):
            decision = self._priced(caller, capability, resource, argument)
            decision = self._lines.write(decision)
            if not decision.is_allowed:
                for listener in self._listeners:
                    listener(decision)
                return decision
            self._note_use(component, capability, resource, argument)
        if self._limit:
            self._make_room(component, resource)
            passed[component] = _with(passed.get(component, ()), resource, self._limit)
        return None

    def _priced(
        self, caller: Caller, capability: str, resource: str, argument: str | None
    ) -> Decision:
        """Decide at the caller's expense."""
        caller.charge(self._effort(caller.name, capability) * _STEP_FUEL)
        decision = self.decide(caller.name, capability, resource, argument=argument)
        if not decision.is_allowed:
            caller.charge(_DENIAL_FUEL)
        return decision

    def admit(
        self, caller: Caller, capability: str, resource: str, *, argument: str | None = None
    ) -> None:
        """Decide about one of several resources of a call, as `guarded` does about the one.

        Args:
            caller: Who calls, and pays for the decision.
            capability: `domain:verb`.
            resource: One of the resources.
            argument: The argument's name where the contract has it alone, so that decisions about
                it are remembered together.

        Raises:
            PermissionDenied: It is not allowed.
        """
        passed = self._passed.setdefault((capability, argument), {})
        if resource not in passed.get(caller.name, ()):
            denied = self._refusal(caller, capability, resource, argument, passed)
            if denied is not None:
                _raise_denied(denied)

    def explain(
        self, component: str, capability: str, resource: str, *, argument: str | None = None
    ) -> tuple[Verdict, ...]:
        """Return what each layer says to a call, in the order in which they decide.

        Layers that no rule was configured for are absent, and so are those that say nothing.

        Raises:
            UnknownCapability: No installed block declares `capability`.
        """
        try:
            touched = self._kinds.resource(capability, resource, argument)
            return tuple(self._verdicts(component, capability, touched))
        except (InvalidResource, InvalidPattern) as error:
            return (Verdict("spelling", is_allowed=False, rule=error.reason, is_explicit=True),)

    def forbids(self, component: str, capability: str, resource: str) -> Decision | None:
        """Return the denial if a rule forbids the call, whether or not it was granted.

        Blocks ask it about the second name of a thing: the address that a host's name resolved to,
        the file that a program's link leads to.
        """
        for verdict in self.explain(component, capability, resource):
            if verdict.is_explicit and not verdict.is_allowed:
                return Decision(
                    False, component, capability, resource, verdict.rule, layer=verdict.layer
                )
        return None

    def _verdicts(self, component: str, capability: str, touched: Resource) -> Iterator[Verdict]:
        for layer in self._layers:
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
        if component in self._learning:
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

    def _decide(self, component: str, capability: str, touched: Resource) -> Decision:
        for layer in self._layers:
            verdict = _judged(layer, component, capability, touched)
            if verdict is not None and not verdict.is_allowed:
                return _decided(component, capability, touched, verdict)
        verdict = self._granted(component, capability, touched)
        return _decided(component, capability, touched, verdict)

    def answer(self, caller: Caller, capability: str, resource: str) -> bool:
        """Return whether the caller may do something, at the caller's expense; nothing is written.

        Raises:
            FuelExhausted: The caller cannot pay for the answer.
        """
        if capability not in self._kinds:
            return False
        steps = self._effort(caller.name, capability)
        caller.charge(steps * _STEP_FUEL)
        return self.decide(caller.name, capability, resource).is_allowed

    def _effort(self, component: str, capability: str) -> int:
        mine = self._rules_of(self.grants_of(component)).effort(capability)
        return mine + sum(layer.effort(component, capability) for layer in self._layers)

    def _make_room(self, component: str, resource: str) -> None:
        """Count what is remembered of a component; forget all of it when it is too much."""
        kept = self._kept_bytes.get(component, 0) + 4 * len(resource) + _ENTRY_BYTES
        if kept > _REMEMBERED_BYTES:
            self._forget(component)
            kept = 4 * len(resource) + _ENTRY_BYTES
        self._kept_bytes[component] = kept

    def _rules_of(self, grants: Grants) -> Rules:
        """Return the rules of a set of grants; ten thousand names of one package share one set."""
        known = self._rules.get(id(grants))
        if known is None:
            if len(self._rules) >= _SETS:
                self._rules.clear()
            known = self._rules[id(grants)] = grants, self._kinds.rules(grants)
        return known[1]

    def _forget(self, component: str) -> None:
        self._remembered.pop(component, None)
        self._kept_bytes.pop(component, None)
        for passed in self._passed.values():
            passed.pop(component, None)


def decides_each(function: Decider) -> Decider:
    """Mark a host function that calls `Guard.admit` for each of a list of resources.

    A requirement such as `@requires messaging:send(targets)`, with a list, is met by the function
    itself: one denial need not keep it from the others. The guard takes no other for such.
    """
    setattr(function, _DECIDES_EACH, True)
    return function


def guarded(interface: HostInterface, contract: Contract, guard: Guard) -> HostInterface:
    """Return `guard.guarded(interface, contract)`."""
    return guard.guarded(interface, contract)


def _wrapped(
    function: HostFunction,
    positions: tuple[int, ...],
    passed: _Passed,
    refusal: Callable[[Caller, object], Decision | None],
    answer: Callable[[Decision], object],
    hold: Callable[[Caller, str, End], Callable[[], None]],
) -> HostFunction:
    """Wrap a function; the hot path is two look-ups.

    One that waits ends when its grant does.
    """
    position = positions[0] if positions else None
    has_parts = len(positions) > 1
    if inspect.iscoroutinefunction(function):
        awaitable = cast("Callable[..., Awaitable[object]]", function)

        @functools.wraps(function)
        async def wait(caller: Caller, *args: object) -> object:
            resource = "" if position is None else args[position]
            if has_parts:
                resource = _joined(args, positions)
            if resource not in passed.get(caller.name, ()):
                refused = refusal(caller, resource)
                if refused is not None:
                    return answer(refused)
            with anyio.CancelScope() as scope:
                forget = hold(caller, str(resource), lambda _text: scope.cancel())
                try:
                    return await awaitable(caller, *args)
                finally:
                    forget()
            refused = refusal(caller, resource)  # only the end of its grant cancels this scope
            return None if refused is None else answer(refused)

        return wait

    @functools.wraps(function)
    def call(caller: Caller, *args: object) -> object:
        resource = "" if position is None else args[position]
        if has_parts:
            resource = _joined(args, positions)
        if resource not in passed.get(caller.name, ()):
            refused = refusal(caller, resource)
            if refused is not None:
                return answer(refused)
        return function(caller, *args)

    return call


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


def _names_a_list(signature: Function, requirement: Requirement) -> bool:
    """Whether the only resource of a requirement is a list of them."""
    types = {parameter.name: parameter.type for parameter in signature.parameters}
    return not requirement.further and isinstance(types.get(requirement.argument or ""), ListOf)


def _positions(interface: str, signature: Function, requirement: Requirement) -> tuple[int, ...]:
    names = [parameter.name for parameter in signature.parameters]
    for argument in requirement.arguments:
        if argument not in names:
            raise UnannotatedFunction(interface, signature.name, f"it has no argument {argument}")
    return tuple(map(names.index, requirement.arguments))


def _joined(args: tuple[object, ...], positions: tuple[int, ...]) -> object:
    """Return the resource that several arguments make: their texts, as a shell quotes them."""
    words: list[str] = []
    for position in positions:
        value = args[position]
        words.extend([value] if isinstance(value, str) else cast("list[str]", value))
    return shlex.join(words)


def _answer_of(signature: Function) -> Callable[[Decision], object]:
    """Return the function that refuses: by the result's `denied` case, or else by a trap."""
    error = getattr(signature.result, "error", None)
    cases = {case.name for case in getattr(error, "cases", ())}
    return _answer_denied if "denied" in cases else _raise_denied


def _answer_denied(decision: Decision) -> object:
    return Err(Case("denied", decision.text))


def _raise_denied(decision: Decision) -> object:
    raise PermissionDenied(
        decision.component, decision.capability, decision.resource, decision.text
    )


def _judged(
    layer: DecisionLayer, component: str, capability: str, touched: Resource
) -> Verdict | None:
    """Ask a layer; one that fails refuses, because what it would have forbidden is not known."""
    try:
        return layer.judge(component, capability, touched)
    except Exception as error:
        rule = f"the layer {layer.name} failed: {type(error).__name__}: {error}"
        return Verdict(layer.name, is_allowed=False, rule=rule, is_explicit=True)


def _decided(component: str, capability: str, touched: Resource, verdict: Verdict) -> Decision:
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
