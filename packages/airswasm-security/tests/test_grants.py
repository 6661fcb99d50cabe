"""Grants as a value: what was written, as it was written."""

import tomllib

import pytest
from airswasm.security import Grants, InvalidCapability, InvalidPattern, manifest_line
from hypothesis import given
from hypothesis import strategies as st

patterns = st.sampled_from(["**", "a", "a/*", "a/**", "*", "a/b", "b/**"])
grants = st.builds(
    Grants,
    st.dictionaries(st.just("storage:read"), st.lists(patterns, max_size=3).map(tuple)),
    st.dictionaries(st.just("storage:read"), st.lists(patterns, max_size=2).map(tuple)),
)


def test_reads_a_manifest_table() -> None:
    """Dotted keys grant; the same below `deny` denies."""
    table = tomllib.loads(
        'storage.read = ["**"]\nmessaging.send = ["local/*"]\ndeny.storage.read = ["secret/**"]'
    )
    rules = Grants.from_manifest(table)
    assert rules.allow == {"storage:read": ("**",), "messaging:send": ("local/*",)}
    assert rules.deny == {"storage:read": ("secret/**",)}
    assert list(rules.pairs()) == [("messaging:send", "local/*"), ("storage:read", "**")]


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


@pytest.mark.parametrize("patterns", ["**", b"**", [1], None, {"a": 1}, [["a"]]])
def test_refuses_what_is_no_list_of_texts(patterns: object) -> None:
    """A text alone would be read letter by letter: `**` as `*` and `*`."""
    with pytest.raises(InvalidPattern):
        Grants.from_manifest({"storage": {"read": patterns}})
    with pytest.raises(InvalidPattern):
        Grants({"storage:read": patterns})  # type: ignore[dict-item]
    with pytest.raises(InvalidPattern):
        Grants({}, {"storage:read": patterns})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "capability", ["", "storage", "storage.read", "Storage:read", "a:b:c", "*"]
)
def test_refuses_what_is_no_capability_in_python_too(capability: str) -> None:
    """`domain:verb`, in both tables."""
    assert not Grants.is_capability(capability)
    for tables in (({capability: ("a",)},), ({}, {capability: ("a",)})):
        with pytest.raises(InvalidCapability):
            Grants(*tables)


def test_grants_are_texts_until_kinds_read_them() -> None:
    """What a capability's patterns mean is its block's to say: any text can be written here."""
    written = Grants({"acme:use": ("a/../b", "")})
    assert written.allow == {"acme:use": ("a/../b", "")}
    assert written.manifest_lines() == ('acme.use = ["a/../b", ""]',)


def test_grants_are_values() -> None:
    """Equal by what they say, whole only when they grant, and unchanged by their maker."""
    table = {"storage:read": ["a"]}
    rules = Grants(table)  # type: ignore[arg-type]
    table["storage:read"].append("b")
    assert rules == Grants({"storage:read": ("a",)})
    assert rules
    assert not Grants({"storage:read": ()}, {"storage:read": ("a",)})
    assert not Grants()
