"""The guard: the one check in front of every host call.

No grant means denial, and so does any failure of the decision, the audit log included. `decide`
changes nothing; `check` also writes the audit line; `guarded` puts `check` in front of every
function of an interface.

- `Verdicts` decides, from grants and layers.
- `Memory` keeps what was allowed: such a decision, and that its line is in the audit log, holds
  until grants or rules change.
- `Gate` charges a decision, has it written, and remembers it.
- `DecisionLines` writes the decisions, or counts those of a component that floods the log.
- `Standing` ends what a component holds open when the decision behind it changes.

Rejected: checks written by hand inside each provider (one is forgotten sooner or later), and
exceptions for denials (a guest should be able to handle them; only a function whose result has no
`denied` case ends in a trap).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from airswasm.runtime import Caller, HostInterface, Meters
from airswasm.wit import Contract

from .._auditing.lines import AuditSink
from .._deciding.decision import Decision
from .._deciding.layers import DecisionLayer, Verdict, policy_layer
from .._deciding.learning import Learning
from .._kinds.grants import Grants
from .._kinds.kinds import Kinds
from ..errors import InvalidPattern, InvalidResource, PermissionDenied, UnknownCapability
from .decision_lines import AllowedLines, DecisionLines
from .doors import guard_interface, raise_denied
from .gate import Gate
from .memory import Memory
from .standing import End, Standing
from .verdicts import NO_GRANTS, Verdicts

__all__ = ("Guard", "guarded")


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
        policy: Grants = NO_GRANTS,
        allowed_lines: AllowedLines = "first",
        remembered: int = 4_096,
        clock: Callable[[], float] = time.monotonic,
        meters: Meters | None = None,
        line_burst: int = 1_000,
        lines_per_second: float = 20.0,
    ) -> None:
        self._verdicts = Verdicts(kinds, grants or {})
        self._policy = policy
        if policy.allow or policy.deny:
            self._verdicts.set_layer(policy_layer(kinds, policy))
        self._remembers = remembered
        self._memory = Memory(remembered if allowed_lines != "every" else 0)
        self._lines = DecisionLines(
            audit, allowed=allowed_lines, clock=clock, meters=meters, burst=line_burst,
            per_second=lines_per_second,
            reads=frozenset(each.annotation for each in kinds if each.only_reads),
        )  # fmt: skip
        self._gate = Gate(self._verdicts, self._memory, self._lines)
        self._standing = Standing(self._verdicts.denial)

    @property
    def kinds(self) -> Kinds:
        """The capabilities of this host."""
        return self._verdicts.kinds

    @property
    def policy(self) -> Grants:
        """The host's policy."""
        return self._policy

    @property
    def layers(self) -> tuple[DecisionLayer, ...]:
        """The decisions that must all agree to a call, in the order in which they are made."""
        return self._verdicts.layers

    def hold_to(self, policy: Grants) -> None:
        """Hold every component to another policy, from its next call on.

        What a component holds open and may hold no longer ends at once.

        Raises:
            InvalidPattern: A pattern of it cannot be read; the present one stays.
        """
        layer = policy_layer(self.kinds, policy)
        self._policy = policy
        if policy.allow or policy.deny:
            self.add_layer(layer)
        else:
            self.remove_layer(layer.name)

    def write_lines(self, allowed: AllowedLines, *, burst: int, per_second: float) -> None:
        """Write other lines to the audit log, from the next decision on; see `Guard`."""
        self._lines.write_by(allowed, burst=burst, per_second=per_second)
        self._memory.limit = self._remembers if allowed != "every" else 0
        self.forget_all_decisions()

    def add_layer(self, layer: DecisionLayer, *, first: bool = False) -> None:
        """Add a layer that must agree to every call, from the next one on.

        Args:
            layer: The layer; one of the same name is replaced, in its place.
            first: Ask it before the present ones.
        """
        self._verdicts.set_layer(layer, first=first)
        self.forget_all_decisions()

    def remove_layer(self, name: str) -> None:
        """Remove the layer of that name. Harmless if there is none."""
        self._verdicts.remove_layer(name)
        self.forget_all_decisions()

    def grant(self, component: str, grants: Grants, *, asked: Grants | None = None) -> None:
        """Set a component's grants, from its next call on.

        Args:
            component: Its name.
            grants: What it may do.
            asked: What its manifest asks for, where a record of grants decides. Then a denial says
                whether the record or the manifest lacks the grant.
        """
        self._verdicts.grant(component, grants, asked)
        self._memory.forget(component)
        self._end_denied(component)

    def revoke(self, component: str) -> None:
        """Remove all grants of a component. Harmless if it has none."""
        self._verdicts.revoke(component)
        self._lines.forget(component)
        self._memory.forget(component)
        self._end_denied(component)

    def grants_of(self, component: str) -> Grants:
        """Return the grants of a component."""
        return self._verdicts.grants_of(component)

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

    def count_held(self, component: str) -> int:
        """Return how much a component holds open on the strength of decisions."""
        return self._standing.count_of(component)

    def listen(self, listener: Callable[[Decision], None]) -> Callable[[], None]:
        """Show every denied call of a component from now on; return what ends that."""
        return self._gate.listen(listener)

    def remembered_bytes(self, component: str) -> int:
        """Return what remembered decisions of a component take."""
        return self._memory.bytes_of(component)

    def forget_decisions(self, component: str) -> None:
        """Forget what was decided for a component: the next calls are decided anew."""
        self._memory.forget(component)

    def forget_all_decisions(self) -> None:
        """Forget what was decided for every component: a layer's rules have changed."""
        for component in self._memory.components():
            self._memory.forget(component)
        for component in self._standing.components():
            self._end_denied(component)

    def recent_users(self, capability: str, resource: str) -> tuple[str, ...]:
        """Return the components that have used a capability on a resource of late.

        These are the calls that the guard remembers because they were allowed: until the
        component's grants or the rules change, and no more than it remembers for each.
        """
        return self._memory.users_of(capability, resource)

    def start_learning(self, component: str) -> Learning:
        """Allow a component what only its grants lack, and note what it uses, from now on."""
        return self._gate.start_learning(component)

    def is_learning(self, component: str) -> bool:
        """Return whether a component may use what only its grants lack."""
        return component in self._verdicts.learning

    def stop_learning(self, component: str) -> None:
        """Hold a component to its grants again, and keep nothing of what it used."""
        self._gate.stop_learning(component)

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
            canonical = self.kinds.resource(capability, resource, None).text
        except (InvalidResource, InvalidPattern, UnknownCapability):
            return 0
        return self._lines.line_of(component, capability, canonical)

    def note_unwritten(self) -> None:
        """Write how many decisions of each component were only counted since the last call.

        The host calls this every few seconds, so that a flood that has ended leaves its number.
        """
        self._lines.note()

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
        return self._verdicts.decide(component, capability, resource, argument)

    def explain(
        self, component: str, capability: str, resource: str, *, argument: str | None = None
    ) -> tuple[Verdict, ...]:
        """Return what each layer says to a call, in the order in which they decide.

        Layers that no rule was configured for are absent, and so are those that say nothing.

        Raises:
            UnknownCapability: No installed block declares `capability`.
        """
        return self._verdicts.explain(component, capability, resource, argument)

    def forbids(self, component: str, capability: str, resource: str) -> Decision | None:
        """Return the denial if a rule forbids the call, whether or not it was granted.

        Blocks ask it about the second name of a thing: the address that a host's name resolved to,
        the file that a program's link leads to.
        """
        return self._verdicts.forbid(component, capability, resource)

    def check(
        self, component: str, capability: str, resource: str, *, argument: str | None = None
    ) -> Decision:
        """Decide, and write the audit line before the caller acts on it.

        If the line of an allowed call cannot be written, the answer is a denial.

        Raises:
            UnknownCapability: No installed block declares `capability`.
        """
        return self._gate.check(component, capability, resource, argument)

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

    def answer(self, caller: Caller, capability: str, resource: str) -> bool:
        """Return whether the caller may do something, at the caller's expense; nothing is written.

        Raises:
            FuelExhausted: The caller cannot pay for the answer.
        """
        return self._gate.answer(caller, capability, resource)

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
        if resource not in self._gate.passed(capability, argument).get(caller.name, ()):
            denied = self._gate.refusal(caller, capability, resource, argument)
            if denied is not None:
                raise_denied(denied)

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
        gate, keep = self._gate, self._standing.keep
        return guard_interface(gate, keep, interface, contract, is_rehearsal=is_rehearsal)

    def _end_denied(self, component: str) -> None:
        for capability, resource, text in self._standing.end_denied(component):
            self._lines.note_end(component, capability, resource, text)


def guarded(interface: HostInterface, contract: Contract, guard: Guard) -> HostInterface:
    """Return `guard.guarded(interface, contract)`."""
    return guard.guarded(interface, contract)
