"""Roles and access lists: a second layer, which can only take away."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from airswasm.security import (
    PLAIN,
    AclEntry,
    AclSettings,
    DecisionLayer,
    Grants,
    Guard,
    Kinds,
    Resource,
    Role,
    RolesInvalid,
    RolesLayer,
    RolesSettings,
    Verdict,
)
from hypothesis import given
from hypothesis import strategies as st

KINDS = Kinds.of(storage_read=PLAIN, storage_write=PLAIN)
WEB, BACK = "shop/web", "shop/back"
ALL = {"storage": {"read": ("everything",), "write": ("everything",)}}
GRANTED = Grants({"storage:read": ("everything",), "storage:write": ("everything",)})


def guard(
    roles: RolesSettings | None = None,
    *entries: AclEntry,
    granted: Grants = GRANTED,
    policy: Grants | None = None,
) -> Guard:
    made = Guard(KINDS, {WEB: granted, BACK: granted}, policy=policy or Grants())
    layer = RolesLayer(KINDS, roles or RolesSettings(), AclSettings(entries))
    if layer.is_needed:
        made.add_layer(layer)
    return made


def role(*members: str, allow: object = ALL) -> Role:
    return Role(members, allow)  # type: ignore[arg-type]


def enforced(**define: Role) -> RolesSettings:
    return RolesSettings(enforce=True, define=define)


def test_without_a_rule_the_layer_is_absent() -> None:
    """Who uses no roles pays for none."""
    assert not RolesLayer(KINDS, RolesSettings(), AclSettings()).is_needed
    assert [each.layer for each in guard().explain(WEB, "storage:read", "a")] == ["grants"]


def test_a_call_needs_grant_and_role() -> None:
    """Each alone is a denial, which names its layer and its rule."""
    orders = role("component:shop/web", allow={"storage": {"read": ("orders/**",)}})
    with_role = guard(enforced(reader=orders))
    assert with_role.decide(WEB, "storage:read", "orders/1")
    refused = with_role.decide(WEB, "storage:read", "users/1")
    assert (refused.is_allowed, refused.layer) == (False, "roles")
    assert "the role reader" in refused.reason
    stranger = with_role.decide(BACK, "storage:read", "orders/1")
    assert "no role has component:shop/back" in stranger.text
    ungranted = guard(enforced(reader=orders), granted=Grants())
    assert ungranted.decide(WEB, "storage:read", "orders/1").layer == "grants"


def test_members_are_patterns_of_principals() -> None:
    """`component:shop/*` is every component of the namespace, and of no other."""
    made = guard(enforced(all=role("component:shop/*")))
    assert made.decide(BACK, "storage:write", "x")
    made.grant("shops/web", GRANTED)
    assert not made.decide("shops/web", "storage:write", "x")


def test_an_entry_denies_one_identity() -> None:
    """It wins over role and grant, also where roles are not enforced."""
    entry = AclEntry("component:shop/web", "deny", ("storage.write", "storage.read"), ("safe/**",))
    for roles in (RolesSettings(), enforced(all=role("component:*/*"))):
        made = guard(roles, entry)
        denied = made.decide(WEB, "storage:write", "safe/1")
        assert (bool(denied), denied.layer) == (False, "acl")
        assert "entry 1 of the access list denies storage.write on safe/**" in denied.text
        assert made.decide(WEB, "storage:write", "else")
        assert made.decide(BACK, "storage:write", "safe/1")
        assert not made.decide(WEB, "storage:read", "", argument="prefix")


def test_an_entry_allows_one_identity_what_no_role_does() -> None:
    """Beside roles, for the exception."""
    entry = AclEntry("component:shop/back", "allow", ("storage.read",), ("orders/**",))
    made = guard(enforced(), entry)
    assert made.decide(BACK, "storage:read", "orders/1")
    assert not made.decide(BACK, "storage:read", "users/1")
    assert not made.decide(WEB, "storage:read", "orders/1")


def test_removing_the_last_role_opens_nothing() -> None:
    """`enforce` stays, and without it a role that allows is refused."""
    assert not guard(enforced()).decide(WEB, "storage:read", "a")
    with pytest.raises(RolesInvalid, match="enforce = true"):
        guard(RolesSettings(define={"reader": role("component:*/*")}))


@pytest.mark.parametrize(
    ("define", "entry", "text"),
    [
        (role("shop/web"), None, "component:shop/"),
        (role("component:shop"), None, "namespace/name"),
        (role("component:shop/[a"), None, "["),
        (role("component:*/*", allow={"storage": {"reed": ("a",)}}), None, "storage.read"),
        (role("component:*/*", allow={"storage": {"read": ("**",)}}), None, '"everything"'),
        (role("component:*/*", allow={"storage": {"read": ("a/../b",)}}), None, ".."),
        (None, AclEntry("component:a/b", "deny", ("storage",), ("a",)), "domain.verb"),
        (None, AclEntry("user:ann", "deny", ("storage.read",), ("a",)), "component:shop/"),
    ],
)
def test_what_cannot_be_read_is_refused(
    define: Role | None, entry: AclEntry | None, text: str
) -> None:
    """A rule that is left out would allow what it denies."""
    roles = enforced(bad=define) if define else RolesSettings()
    with pytest.raises(RolesInvalid) as caught:
        RolesLayer(KINDS, roles, AclSettings((entry,) if entry else ()))
    assert text in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.where, again.reason) == (caught.value.where, caught.value.reason)


def test_a_layer_that_fails_refuses() -> None:
    """What it would have forbidden is not known."""

    class Broken:
        name = "engine"

        def judge(self, component: str, capability: str, resource: Resource) -> Verdict | None:
            raise OSError("its file is gone")

        def effort(self, component: str, capability: str) -> int:
            return 0

    made = guard()
    assert isinstance(Broken(), DecisionLayer)
    assert made.check(WEB, "storage:read", "a")
    made.add_layer(Broken())
    denied = made.check(WEB, "storage:read", "a")
    assert (bool(denied), denied.layer) == (False, "engine")
    assert "its file is gone" in denied.text
    made.remove_layer("engine")
    assert made.check(WEB, "storage:read", "a")


def test_a_changed_layer_holds_for_what_was_decided_before() -> None:
    """Remembered decisions are forgotten with the rules that made them."""
    made = guard(enforced(all=role("component:*/*")))
    assert made.check(WEB, "storage:read", "a")
    made.add_layer(RolesLayer(KINDS, enforced(), AclSettings()))
    assert not made.check(WEB, "storage:read", "a")


patterns = st.sampled_from(["a/**", "a/b", "b", "*/c", "everything", "[ab]", "a*"])
tables = st.dictionaries(
    st.sampled_from(["storage:read", "storage:write"]),
    st.lists(patterns, min_size=1, max_size=3).map(tuple),
)
members = st.lists(
    st.sampled_from(["component:shop/*", "component:shop/web", "component:*/*"]),
    min_size=1,
    max_size=2,
).map(tuple)


def as_tables(table: dict[str, tuple[str, ...]]) -> dict[str, dict[str, tuple[str, ...]]]:
    return {"storage": {name.partition(":")[2]: texts for name, texts in table.items()}}


roles = st.builds(lambda m, a: Role(m, as_tables(a)), members, tables)
entries = st.builds(
    AclEntry,
    st.sampled_from(["component:shop/*", "component:shop/web"]),
    st.sampled_from(["allow", "deny"]),
    st.lists(st.sampled_from(["storage.read", "storage.write"]), min_size=1, max_size=2).map(tuple),
    st.lists(patterns, min_size=1, max_size=2).map(tuple),
)
grants = st.builds(Grants, tables, tables)
ASKED = [
    (capability, resource, argument)
    for capability in ("storage:read", "storage:write")
    for resource in ("a", "b", "a/b", "a/b/c", "x/c", "")
    for argument in ("key", "prefix")
]


def allowed(made: Guard) -> set[tuple[str, str, str]]:
    return {
        (capability, resource, argument)
        for capability, resource, argument in ASKED
        if made.decide(WEB, capability, resource, argument=argument)
    }


@given(
    st.dictionaries(st.sampled_from("xyz"), roles, max_size=3),
    st.lists(entries, max_size=3),
    grants,
    grants.map(lambda each: replace(each, allow={})),
    st.data(),
)
def test_to_deny_more_or_allow_less_never_allows_more(
    define: dict[str, Role],
    acl: list[AclEntry],
    granted: Grants,
    policy: Grants,
    data: st.DataObject,
) -> None:
    """A deny added, a grant, role or entry that allows removed: what was denied stays so."""
    before = allowed(guard(enforced(**define), *acl, granted=granted, policy=policy))
    stricter = data.draw(st.sampled_from(["role", "entry", "deny", "grant", "policy"]))
    extra = data.draw(tables)
    if stricter == "role" and define:
        gone = data.draw(st.sampled_from(sorted(define)))
        define = {name: each for name, each in define.items() if name != gone}
    elif stricter == "entry":
        acl = [*(each for each in acl if each.effect == "deny"),
               AclEntry("component:*/*", "deny", ("storage.read",), ("a/**",))]  # fmt: skip
    elif stricter == "deny":
        granted = Grants(granted.allow, {**extra, **granted.deny})
    elif stricter == "grant" and granted.allow:
        name = data.draw(st.sampled_from(sorted(granted.allow)))
        fewer = granted.allow[name][1:]
        others = {cap: texts for cap, texts in granted.allow.items() if cap != name}
        granted = Grants({**others, name: fewer} if fewer else others, granted.deny)
    else:
        policy = Grants({}, {**extra, **policy.deny})
    after = allowed(guard(enforced(**define), *acl, granted=granted, policy=policy))
    assert after <= before


@given(st.dictionaries(st.sampled_from("xyz"), roles, max_size=2), st.lists(entries, max_size=2))
def test_every_layer_must_agree(define: dict[str, Role], acl: list[AclEntry]) -> None:
    """What grants and roles allow together is what each allows alone."""
    layer = RolesLayer(KINDS, enforced(**define), AclSettings(tuple(acl)))
    only_roles, only_grants = Guard(KINDS, {WEB: GRANTED}), guard()
    only_roles.add_layer(layer)
    narrow = Grants({"storage:read": ("a/**",)})
    only_grants.grant(WEB, narrow)
    both = Guard(KINDS, {WEB: narrow})
    both.add_layer(layer)
    assert allowed(both) == allowed(only_roles) & allowed(only_grants)
