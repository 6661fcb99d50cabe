"""Kinds of capabilities: what the blocks declare, and grants read by it."""

import pytest
from airswasm.security import (
    PLAIN,
    Grants,
    InvalidCapability,
    InvalidPattern,
    InvalidResource,
    Kinds,
    Resource,
    Spelling,
    UnknownCapability,
)
from airswasm.wit import BlockPartUnusable, Capability
from hypothesis import given
from hypothesis import strategies as st

TOPIC = Spelling(".")
KINDS = Kinds.of(storage_read=PLAIN, storage_write=PLAIN, messaging_publish=TOPIC)

DECLARED = Kinds(
    [
        Capability("storage.read", "read what it stored under {patterns}"),
        Capability("alarm.set", "set the alarms {patterns}", "airswasm.security:PLAIN"),
        Capability("alarm.lost", "lose {patterns}", "airswasm.security:NOTHING"),
    ]
)


def test_kinds_are_what_the_blocks_declare() -> None:
    """By the names of annotations to ask, and by those of Component.toml to list."""
    assert "storage:read" in DECLARED
    assert "storage.read" not in DECLARED
    assert "storage:delete" not in DECLARED
    assert DECLARED.names == {"storage.read", "alarm.set", "alarm.lost"}
    assert [each.name for each in DECLARED] == ["storage.read", "alarm.set", "alarm.lost"]
    assert not Kinds().names


def test_a_grant_is_told_in_a_sentence() -> None:
    """For who approves: `it may ...`."""
    assert DECLARED.sentence("storage:read", ["a", "b/**"]) == "read what it stored under a, b/**"
    with pytest.raises(UnknownCapability):
        DECLARED.sentence("storage:delete", ["a"])


def test_a_spelling_is_loaded_when_it_is_asked_for() -> None:
    """Without one it is plain text; a wrong path harms no other capability."""
    assert DECLARED.spelling("storage:read") is PLAIN
    assert DECLARED.spelling("alarm:set") is PLAIN
    assert DECLARED.resource("alarm:set", "noon") == Resource("noon")
    with pytest.raises(BlockPartUnusable, match="NOTHING"):
        DECLARED.spelling("alarm:lost")


@pytest.mark.parametrize(
    ("capability", "meant"),
    [
        ("storage:reed", "storage:read"),
        ("storge:read", "storage:read"),
        ("messaging:publsh", "messaging:publish"),
        ("zzz:qqq", None),
    ],
)
def test_an_unknown_capability_is_named_with_the_one_that_was_meant(
    capability: str, meant: str | None
) -> None:
    """As Component.toml writes it, because that is where it stands."""
    with pytest.raises(UnknownCapability) as caught:
        KINDS.resource(capability, "x")
    assert (caught.value.capability, caught.value.suggestion) == (capability, meant)
    text = f"no installed block has the capability {capability.replace(':', '.')}"
    suggestion = f"; did you mean {meant.replace(':', '.')}?" if meant else ""
    assert str(caught.value) == text + suggestion


@pytest.mark.parametrize(
    "capability", ["", "storage", "storage:", ":read", "Storage:read", "a:b:c", "a b:c", "*"]
)
def test_a_malformed_capability_is_not_an_unknown_one(capability: str) -> None:
    """`domain:verb`, nothing else."""
    with pytest.raises(InvalidCapability) as caught:
        KINDS.spelling(capability)
    assert type(caught.value) is InvalidCapability


def test_checking_reads_every_pattern() -> None:
    """What an author or an operator wrote is refused before anything is decided by it."""
    KINDS.check(Grants({"storage:read": ("a/**",)}, {"messaging:publish": ("a.*",)}))
    with pytest.raises(InvalidPattern):
        KINDS.check(Grants({"storage:read": ("a/../b",)}))
    with pytest.raises(InvalidPattern):
        KINDS.check(Grants({}, {"storage:read": ("",)}))
    with pytest.raises(UnknownCapability):
        KINDS.check(Grants({}, {"storage:delete": ("a",)}))


def test_rules_leave_out_what_no_block_declares() -> None:
    """A component of a block that was removed still runs; by that capability it gets nothing."""
    rules = KINDS.rules(
        Grants({"gone:use": ("a/../b",), "storage:read": ("a",)}, {"gone:use": ("a",)})
    )
    assert set(rules.allow) == {"storage:read"}
    assert not rules.deny
    assert rules.covering("gone:use", Resource("a")) is None
    with pytest.raises(InvalidPattern):
        KINDS.rules(Grants({"storage:read": ("a/../b",)}))


def test_rules_say_which_pattern_decided() -> None:
    """The texts are those of the grants, so that a person finds them."""
    rules = KINDS.rules(Grants({"storage:read": ("a", "**")}, {"storage:read": ("a/*",)}))
    assert rules.covering("storage:read", Resource("x/y")) == "**"
    assert rules.denying("storage:read", Resource("a/b")) == "a/*"
    assert rules.denying("storage:read", Resource("a")) is None
    assert rules.covering("storage:write", Resource("a")) is None


def test_each_capability_has_its_own_segments() -> None:
    """`*` of a topic stops at a dot, `*` of a key at a slash."""
    rules = KINDS.rules(Grants({"storage:read": ("*",), "messaging:publish": ("*",)}))
    for capability, value, is_covered in (
        ("storage:read", "a.b", True),
        ("storage:read", "a/b", False),
        ("messaging:publish", "a.b", False),
        ("messaging:publish", "a/b", True),
    ):
        covering = rules.covering(capability, KINDS.resource(capability, value))
        assert (covering is not None) is is_covered, (capability, value)


# What an update asks for anew


def test_an_update_that_stays_within_asks_for_nothing() -> None:
    """Narrower grants and additional denials need no approval."""
    old = Grants({"storage:read": ("**",)})
    narrower = Grants({"storage:read": ("a/**",)}, {"storage:read": ("a/b",)})
    assert not KINDS.beyond(narrower, old)
    wider = Grants({"storage:write": ("a",)})
    assert KINDS.beyond(wider, old).allow == {"storage:write": ("a",)}


def test_a_denial_that_is_dropped_is_asked_for() -> None:
    """Without it the same grant allows more."""
    old = Grants({"storage:read": ("a/**", "b")}, {"storage:read": ("a/secret",)})
    new = Grants(old.allow, {})
    assert KINDS.beyond(new, old).allow == {"storage:read": ("a/**",)}
    assert not KINDS.beyond(old, new)


@pytest.mark.parametrize(
    ("new", "old", "is_fresh"),
    [
        (Grants({"gone:use": ("a",)}), Grants({"gone:use": ("a",)}), False),
        (Grants({"gone:use": ("a",)}), Grants(), True),
        (Grants({"gone:use": ("a",)}), Grants({"gone:use": ("**",)}), True),
        (Grants({"gone:use": ("a",)}), Grants({"gone:use": ("a",)}, {"gone:use": ("a",)}), True),
        (Grants(), Grants({"gone:use": ("a",)}), False),
    ],
)
def test_what_cannot_be_read_is_new_unless_it_is_the_same(
    new: Grants, old: Grants, is_fresh: bool
) -> None:
    """The block may be installed later, and then the grant holds: it errs towards asking."""
    assert bool(KINDS.beyond(new, old)) is is_fresh


# A few of everything, so that cases meet
def lists_of(*patterns: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(patterns), max_size=3).map(tuple)


KEYS = ("**", "a", "a/*", "a/**", "*", "a/b", "b/**", "?", "*/b")
tables = st.fixed_dictionaries(
    {},
    optional={
        "storage:read": lists_of(*KEYS),
        "storage:write": lists_of(*KEYS),
        "messaging:publish": lists_of("**", "a", "a.*", "a.**", "*", "?", "*.b"),
        "gone:use": lists_of("a", "b"),
    },
)
grants = st.builds(Grants, tables, tables)
names = st.sampled_from(["", "a", "b", "a/b", "a/b/c", "b/c", "c", "a.b", "a/../b"])
capabilities = st.sampled_from(["storage:read", "storage:write", "messaging:publish"])
arguments = st.sampled_from(["key", "prefix"])


def allows(given_grants: Grants, capability: str, value: str, argument: str) -> bool:
    try:
        resource = KINDS.resource(capability, value, argument)
    except InvalidResource:
        return False
    rules = KINDS.rules(given_grants)
    return (
        rules.denying(capability, resource) is None
        and rules.covering(capability, resource) is not None
    )


@given(grants, tables, capabilities, names, arguments)
def test_a_denial_more_or_a_grant_less_never_allows(
    before: Grants, more: dict[str, tuple[str, ...]], capability: str, value: str, argument: str
) -> None:
    """Whatever was refused stays refused, for every kind and every reach."""
    if allows(before, capability, value, argument):
        return
    denied = {
        name: (*before.deny.get(name, ()), *more.get(name, ()))
        for name in before.deny.keys() | more.keys()
    }
    assert not allows(Grants(before.allow, denied), capability, value, argument)
    for name, texts in before.allow.items():
        for left in range(len(texts)):
            fewer = before.allow | {name: texts[:left] + texts[left + 1 :]}
            assert not allows(Grants(fewer, before.deny), capability, value, argument)


@given(grants, grants, capabilities, names, arguments)
def test_an_update_asks_for_whatever_it_widens(
    new: Grants, old: Grants, capability: str, value: str, argument: str
) -> None:
    """When nothing is asked for anew, the update can do nothing that it could not before."""
    if not KINDS.beyond(new, old) and allows(new, capability, value, argument):
        assert allows(old, capability, value, argument)


@pytest.mark.parametrize(
    ("capability", "text"),
    [
        ("storage:read", "**"),
        ("storage:read", "*/**"),
        ("storage:read", "**/*"),
        ("storage:read", "**/**"),
        ("messaging:publish", "**"),
        ("messaging:publish", "*.**"),
        ("messaging:publish", "**.*"),
    ],
)
def test_a_grant_of_everything_says_so(capability: str, text: str) -> None:
    """In whatever spelling; what leaves out a segment's beginning is less."""
    with pytest.raises(InvalidPattern, match="everything"):
        KINDS.check(Grants({capability: (text,)}))
    KINDS.check(Grants({capability: (f"a{text[1:]}" if text[1] != "*" else "a",)}))
