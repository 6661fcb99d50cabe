"""Roles and access lists: the operator's second word beside the grants.

A role has members and says what they may do; an entry of the access list says of one identity what
it may do, or may not. Identities are principals, `component:shop/web`, and patterns of them;
permissions are the capabilities, over the same resources and patterns as grants. A denial wins over
everything. Where `[roles] enforce` is set, a call also needs a role or an entry that allows it, so
that to remove the last role opens nothing.

Rejected: roles that grant what the component never asked for (its author's manifest would bound
nothing), roles that deny (to remove one would allow), and an order of entries that decides (a
denial could be hidden by a line above it).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .._kinds.grants import Grants, grants_of_tables
from .._kinds.kinds import Kinds, Rules
from .._kinds.patterns import AnyPattern, Pattern
from .._kinds.spelling import Resource
from ..errors import InvalidCapability, InvalidPattern, RolesInvalid
from .layers import Verdict

__all__ = ("AclEntry", "AclSettings", "Role", "RolesLayer", "RolesSettings")

_PREFIX = "component:"
_NAMES = 16_384
_Table = dict[str, dict[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Role:
    """A role: its members, and what they may do.

    Attributes:
        members: Principals: `component:shop/web`, `component:shop/*`.
        allow: Domain, verb, patterns, as in Component.toml.
    """

    members: tuple[str, ...] = ()
    allow: _Table = field(default_factory=_Table)


@dataclass(frozen=True, slots=True)
class AclEntry:
    """One entry of the access list.

    Attributes:
        who: A principal, or a pattern of principals.
        effect: `allow` or `deny`.
        permissions: Capabilities: `storage.read`.
        resources: Patterns of what they are about.
    """

    who: str
    effect: Literal["allow", "deny"]
    permissions: tuple[str, ...]
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RolesSettings:
    """`[roles]`: what components may do by their roles, beside their grants.

    Attributes:
        enforce: Whether a call also needs a role, or an entry of the access list, that allows it.
            Without, the access list can only deny.
        define: The roles by their names: `[roles.define.clerk]` with `members` and `allow`.
        file: A file with further tables `[roles]` and `[acl]`, relative to the home.
    """

    enforce: bool = False
    define: dict[str, Role] = field(default_factory=dict[str, Role])
    file: str = ""


@dataclass(frozen=True, slots=True)
class AclSettings:
    """`[acl]`: the access list, for single identities.

    Attributes:
        entries: Each says what `who` may or may not do: `{ who = "component:shop/web", effect =
            "deny", permissions = ["storage.write"], resources = ["archive/**"] }`.
    """

    entries: tuple[AclEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rule:
    """A role, or an entry, ready to be matched.

    Attributes:
        layer: `roles` or `acl`.
        name: What people call it.
        members: Patterns of components.
        rules: What it allows and denies.
    """

    layer: str
    name: str
    members: tuple[Pattern, ...]
    rules: Rules


@dataclass(frozen=True, slots=True)
class _Sorted:
    """The rules for one component and one capability.

    Attributes:
        denying: Those that deny some of it.
        allowing: Each pattern that allows, with the verdict.
    """

    denying: tuple[_Rule, ...]
    allowing: tuple[tuple[AnyPattern, Verdict], ...]


class RolesLayer:
    """The layer of the guard that asks roles and access list.

    Args:
        kinds: The capabilities of the host.
        roles: `[roles]`.
        acl: `[acl]`.

    Raises:
        RolesInvalid: A role or an entry cannot be read.
    """

    name = "roles"

    def __init__(self, kinds: Kinds, roles: RolesSettings, acl: AclSettings) -> None:
        if roles.define and not roles.enforce:
            raise RolesInvalid("roles.define", "roles count only with enforce = true")
        self._must_allow = roles.enforce
        named = ((f"the role {name}", role) for name, role in roles.define.items())
        self._rules = (
            *(_entry_rule(kinds, number, entry) for number, entry in enumerate(acl.entries, 1)),
            *(_role_rule(kinds, name, role) for name, role in named),
        )
        self._of_component: dict[str, tuple[_Rule, ...]] = {}
        self._of_call: dict[tuple[str, str], _Sorted] = {}

    @property
    def is_needed(self) -> bool:
        """Whether any rule is there; otherwise the layer may be left out."""
        return self._must_allow or bool(self._rules)

    def judge(self, component: str, capability: str, resource: Resource) -> Verdict | None:
        """Refuse what a role or entry denies, and what none allows where one must."""
        mine = self._of_call.get((component, capability)) or self._sorted(component, capability)
        for rule in mine.denying:
            denied = rule.rules.denying(capability, resource)
            if denied is not None:
                text = f"{rule.name} denies {capability.replace(':', '.')} on {denied}"
                return Verdict(rule.layer, is_allowed=False, rule=text, is_explicit=True)
        for pattern, verdict in mine.allowing:
            if resource.is_covered_by(pattern):
                return verdict
        if not self._must_allow:
            return None
        names = ", ".join(rule.name for rule in self._rules_of(component))
        text = f"it is not allowed by {names}" if names else f"no role has {_PREFIX}{component}"
        return Verdict(self.name, is_allowed=False, rule=text)

    def effort(self, component: str, capability: str) -> int:
        """Return the effort of all patterns that concern the component."""
        return sum(rule.rules.effort(capability) for rule in self._rules_of(component))

    def _sorted(self, component: str, capability: str) -> _Sorted:
        """Return the rules that concern a component and a capability; remember them."""
        rules = self._rules_of(component)
        allowing = [
            (pattern, Verdict(rule.layer, True, f"{rule.name} allows it by {pattern}"))
            for rule in rules
            for pattern in rule.rules.allow.get(capability, ())
        ]
        if len(self._of_call) >= _NAMES:
            self._of_call.clear()
        found = _Sorted(
            tuple(rule for rule in rules if capability in rule.rules.deny), tuple(allowing)
        )
        self._of_call[component, capability] = found
        return found

    def _rules_of(self, component: str) -> tuple[_Rule, ...]:
        known = self._of_component.get(component)
        if known is None:
            if len(self._of_component) >= _NAMES:
                self._of_component.clear()
            known = tuple(
                rule
                for rule in self._rules
                if any(each.matches(component) for each in rule.members)
            )
            self._of_component[component] = known
        return known


def _role_rule(kinds: Kinds, name: str, role: Role) -> _Rule:
    allow = grants_of_tables(role.allow)
    return _Rule("roles", name, _members(name, role.members), _rules(kinds, name, allow, {}))


def _entry_rule(kinds: Kinds, number: int, entry: AclEntry) -> _Rule:
    name = f"entry {number} of the access list"
    table = {each.replace(".", ":", 1): entry.resources for each in entry.permissions}
    allow, deny = (table, {}) if entry.effect == "allow" else ({}, table)
    return _Rule("acl", name, _members(name, (entry.who,)), _rules(kinds, name, allow, deny))


def _rules(
    kinds: Kinds,
    name: str,
    allow: Mapping[str, Sequence[str]],
    deny: Mapping[str, Sequence[str]],
) -> Rules:
    try:
        grants = Grants(_tuples(allow), _tuples(deny))
        kinds.check(grants)
        return kinds.rules(grants)
    except (InvalidCapability, InvalidPattern) as error:
        raise RolesInvalid(name, str(error)) from error


def _tuples(table: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {capability: tuple(patterns) for capability, patterns in table.items()}


def _members(name: str, principals: Iterable[str]) -> tuple[Pattern, ...]:
    return tuple(_read_members(name, principals))


def _read_members(name: str, principals: Iterable[str]) -> Iterator[Pattern]:
    for principal in principals:
        if not principal.startswith(_PREFIX):
            meant = f"{_PREFIX}{principal if '/' in principal else 'shop/*'}"
            raise RolesInvalid(name, f"{principal!a} is no principal: write {ascii(meant)[1:-1]}")
        pattern = principal.removeprefix(_PREFIX)
        if pattern.count("/") != 1:
            reason = f"{principal!a} can match no component, whose name is namespace/name"
            raise RolesInvalid(name, reason)
        try:
            yield Pattern(pattern)
        except InvalidPattern as error:
            raise RolesInvalid(name, str(error)) from error
