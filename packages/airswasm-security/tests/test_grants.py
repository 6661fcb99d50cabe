"""Grants as a value: reading them, and what an update asks for anew."""

import tomllib

import pytest
from airswasm.security import Grants, InvalidCapability, InvalidPattern, manifest_line, resource_of
from hypothesis import given
from hypothesis import strategies as st

patterns = st.sampled_from(["**", "a", "a/*", "a/**", "*", "a/b", "b/**"])
grants = st.builds(
    Grants,
    st.dictionaries(st.just("storage:read"), st.lists(patterns, max_size=3).map(tuple)),
    st.dictionaries(st.just("storage:read"), st.lists(patterns, max_size=2).map(tuple)),
)
keys = st.sampled_from(["", "a", "b", "a/b", "a/b/c", "b/c", "c"])


def allows(rules: Grants, key: str) -> bool:
    resource = resource_of("storage:read", "key", key)
    return (
        rules.denying("storage:read", resource) is None
        and rules.covering("storage:read", resource) is not None
    )


def test_reads_a_manifest_table() -> None:
    """Dotted keys grant; the same below `deny` denies."""
    table = tomllib.loads(
        'storage.read = ["**"]\nmessaging.send = ["local/*"]\ndeny.storage.read = ["secret/**"]'
    )
    rules = Grants.from_manifest(table)
    assert rules.allow == {"storage:read": ("**",), "messaging:send": ("local/*",)}
    assert rules.deny == {"storage:read": ("secret/**",)}
    assert allows(rules, "a")
    assert not allows(rules, "secret/x")


@given(grants)
def test_manifest_lines_say_the_same(rules: Grants) -> None:
    """What is written as lines of Component.toml reads back as the same grants."""
    assert Grants.from_manifest(tomllib.loads("\n".join(rules.manifest_lines()))) == rules


@given(st.text(max_size=20))
def test_a_suggested_line_is_toml(text: str) -> None:
    """Whatever a component asks for, the line that would grant it parses back to just that."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        return
    line = manifest_line("storage:read", [text])
    assert tomllib.loads(line) == {"storage": {"read": [text]}}
    assert line.isprintable()


@pytest.mark.parametrize(
    "table", [{"storage": ["**"]}, {"deny": 1}, {"Storage": {"read": []}}, {"a": {"b c": []}}]
)
def test_refuses_what_is_no_capability(table: dict[str, object]) -> None:
    """Areas hold verbs."""
    with pytest.raises(InvalidCapability):
        Grants.from_manifest(table)


@pytest.mark.parametrize("patterns", ["**", [1], [""], ["a/../b"], None])
def test_refuses_what_is_no_list_of_patterns(patterns: object) -> None:
    """A capability holds a list of usable patterns."""
    with pytest.raises(InvalidPattern):
        Grants.from_manifest({"storage": {"read": patterns}})


@given(grants, patterns, keys)
def test_a_deny_never_allows(rules: Grants, pattern: str, key: str) -> None:
    """Adding a denial, or dropping every grant, allows nothing that was not allowed."""
    more_denied = Grants(
        rules.allow, {"storage:read": (*rules.deny.get("storage:read", ()), pattern)}
    )
    if not allows(rules, key):
        assert not allows(more_denied, key)
        assert not allows(Grants({}, rules.deny), key)


@given(grants, grants, keys)
def test_an_update_asks_for_whatever_it_widens(new: Grants, old: Grants, key: str) -> None:
    """When nothing is asked for anew, the update can do nothing that it could not before."""
    if not new.beyond(old) and allows(new, key):
        assert allows(old, key)


def test_an_update_that_stays_within_asks_for_nothing() -> None:
    """Narrower grants and additional denials need no approval."""
    old = Grants({"storage:read": ("**",)})
    assert not Grants({"storage:read": ("a/**",)}, {"storage:read": ("a/b",)}).beyond(old)
    assert Grants({"storage:write": ("a",)}).beyond(old).allow == {"storage:write": ("a",)}
