"""While one version takes over from another, both work under one name."""

from __future__ import annotations

from airswasm.lifecycle._registry.in_force import merged_grants
from airswasm.security import PLAIN, Grants, Guard, Kinds
from hypothesis import given
from hypothesis import strategies as st

CAPABILITIES = st.sampled_from(["storage:read", "storage:write", "messaging:send"])
PATTERNS = st.sampled_from(["a/**", "a/b", "b", "**", "local/x"])
TABLES = st.dictionaries(CAPABILITIES, st.lists(PATTERNS, max_size=3).map(tuple), max_size=3)
GRANTS = st.builds(Grants, TABLES, TABLES)
RESOURCES = st.sampled_from(["a/b", "a/c", "b", "c", "local/x"])


def allows(grants: Grants, capability: str, resource: str) -> bool:
    kinds = Kinds.of(storage_read=PLAIN, storage_write=PLAIN, messaging_send=PLAIN)
    return Guard(kinds, {"local/x": grants}).decide("local/x", capability, resource).is_allowed


@given(first=GRANTS, second=GRANTS, capability=CAPABILITIES, resource=RESOURCES)
def test_each_version_may_do_what_it_may_do_alone(
    first: Grants, second: Grants, capability: str, resource: str
) -> None:
    """Or a message in hand would be refused because the other version is about to take over."""
    merged = merged_grants(first, second)
    for alone in (first, second):
        if allows(alone, capability, resource):
            assert allows(merged, capability, resource)


@given(first=GRANTS, second=GRANTS, capability=CAPABILITIES, resource=RESOURCES)
def test_what_neither_was_granted_stays_denied(
    first: Grants, second: Grants, capability: str, resource: str
) -> None:
    """And what both deny in the same words is denied."""
    merged = merged_grants(first, second)
    if allows(merged, capability, resource):
        bare = (Grants(each.allow) for each in (first, second))
        assert any(allows(each, capability, resource) for each in bare)
    for pattern in first.deny.get(capability, ()):
        if pattern in second.deny.get(capability, ()):
            assert pattern in merged.deny[capability]


@given(grants=GRANTS)
def test_a_version_with_the_same_grants_changes_nothing(grants: Grants) -> None:
    """The same patterns, in the same order, none twice."""
    merged = merged_grants(grants, grants)
    assert dict(merged.allow) == {
        capability: tuple(dict.fromkeys(patterns)) for capability, patterns in grants.allow.items()
    }
    assert {key: set(each) for key, each in merged.deny.items()} == {
        key: set(each) for key, each in grants.deny.items()
    }
