"""A grant record: what was asked for, what was decided, and that no change allows too much."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from airswasm.security import (
    PLAIN,
    GrantBarred,
    GrantEntry,
    GrantMissing,
    GrantNotNarrower,
    GrantOrigin,
    GrantRecord,
    Grants,
    Guard,
    Kinds,
    SecurityError,
)
from hypothesis import assume, given
from hypothesis import strategies as st

KINDS = Kinds.of(storage_read=PLAIN, storage_write=PLAIN)
READ, WRITE = "storage:read", "storage:write"
NOW = GrantOrigin("operator", 100.0, "1.0.0")
NAME = "shop/orders"
TEXTS = ("**", "a", "a/*", "a/**", "a/b", "*/b", "b/**", "?/b")
RESOURCES = ("a", "a/b", "a/b/c", "b", "b/b", "c", "c/b")

texts = st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3, unique=True).map(tuple)
capability = st.sampled_from((READ, WRITE))
asks = st.builds(
    Grants, st.dictionaries(capability, texts), st.dictionaries(capability, texts, max_size=1)
)
origin = st.builds(
    GrantOrigin,
    st.sampled_from(("operator", "key", "level")),
    st.just(100.0),
    st.just("1.0.0"),
    st.sampled_from((None, 150.0, 200.0)),
)


def denied(entry: GrantEntry) -> GrantEntry:
    return replace(entry, verdict="denied")


def narrowed(entry: GrantEntry) -> GrantEntry:
    return replace(entry, verdict="narrowed")


@st.composite
def records(draw: st.DrawFn) -> tuple[Grants, GrantRecord]:
    """A manifest, and a record after some changes."""
    asked = draw(asks)
    record = GrantRecord.of(asked, draw(origin)) if draw(st.booleans()) else GrantRecord()
    for _ in range(draw(st.integers(0, 5))):
        name, patterns, when = draw(capability), draw(texts), draw(origin)
        try:
            entry = GrantEntry.of(name, "granted", patterns, when)
            match draw(st.sampled_from(("add", "narrow", "deny", "remove"))):
                case "add":
                    record = record.adding(entry, asked=asked, kinds=KINDS)
                case "narrow":
                    record = record.narrowing(narrowed(entry), kinds=KINDS)
                case "deny":
                    record = record.denying(denied(entry))
                case _:
                    record = record.removing(name)
        except SecurityError:
            pass
    return asked, record


def allowed(asked: Grants, record: GrantRecord, now: float = 100.0) -> set[tuple[str, str]]:
    """Everything that a guard allows with this record, at this time."""
    guard = Guard(KINDS)
    guard.grant(NAME, record.live(now).grants(asked, KINDS), asked=asked)
    return {
        (name, resource)
        for name in (READ, WRITE)
        for resource in RESOURCES
        if guard.decide(NAME, name, resource)
    }


@given(records(), capability, texts, origin, st.sampled_from((100.0, 170.0, 300.0)))
def test_no_narrowing_denial_or_removal_ever_allows_anything(
    made: tuple[Grants, GrantRecord],
    name: str,
    patterns: tuple[str, ...],
    when: GrantOrigin,
    now: float,
) -> None:
    """Neither now nor after any of it has ended; a denial may end, but it leaves what there was."""
    asked, record = made
    before = allowed(asked, record, now)
    entry = GrantEntry.of(name, "granted", patterns, when)
    assert allowed(asked, record.denying(denied(entry)), now) <= before
    for change in (
        lambda: record.narrowing(narrowed(entry), kinds=KINDS),
        lambda: record.removing(name, patterns),
        lambda: record.removing(name),
        lambda: record.without_decider("key"),
    ):
        try:
            after = change()
        except SecurityError:
            continue
        assert allowed(asked, after, now) <= before


@given(records(), st.integers(0, 20))
def test_one_entry_less_never_allows_more_unless_it_is_a_denial(
    made: tuple[Grants, GrantRecord], which: int
) -> None:
    """Every entry but a denial only adds."""
    asked, record = made
    if not record.entries:
        return
    gone = record.entries[which % len(record.entries)]
    less = GrantRecord(tuple(each for each in record.entries if each is not gone))
    if gone.verdict == "denied":
        assert allowed(asked, less) >= allowed(asked, record)
    else:
        assert allowed(asked, less) <= allowed(asked, record)


@given(records(), asks)
def test_a_version_that_asks_for_less_gets_less(
    made: tuple[Grants, GrantRecord], other: Grants
) -> None:
    """Nothing beyond both its own manifest and the record, but for what the operator added."""
    _, record = made
    own = GrantRecord(tuple(each for each in record.entries if not each.is_extra))
    assert allowed(other, own) <= allowed(other, GrantRecord.of(other, NOW))


@given(asks)
def test_all_that_was_asked_for_and_granted_is_allowed(asked: Grants) -> None:
    """A record that grants everything decides as the manifest would."""
    guard = Guard(KINDS, {NAME: asked})
    wanted = {
        (name, resource)
        for name in (READ, WRITE)
        for resource in RESOURCES
        if guard.decide(NAME, name, resource)
    }
    assert allowed(asked, GrantRecord.of(asked, NOW)) == wanted


@given(records(), capability, texts)
def test_what_was_added_is_allowed_or_refused_with_the_denial(
    made: tuple[Grants, GrantRecord], name: str, patterns: tuple[str, ...]
) -> None:
    """No grant is recorded that means nothing, but where the component denies it to itself."""
    asked, record = made
    try:
        after = record.adding(
            GrantEntry.of(name, "granted", patterns, NOW), asked=asked, kinds=KINDS
        )
    except GrantBarred:
        return
    alone = Grants({name: patterns}, asked.deny)
    guard = Guard(KINDS, {NAME: alone})
    wanted = {(name, each) for each in RESOURCES if guard.decide(NAME, name, each)}
    assert allowed(asked, after) >= wanted


@given(records())
def test_a_record_survives_its_json(made: tuple[Grants, GrantRecord]) -> None:
    _, record = made
    documents = json.loads(json.dumps(record.to_documents()))
    assert GrantRecord.from_documents(documents) == record


def test_a_grant_ends_at_its_time_and_not_before() -> None:
    """The end is exclusive; `ended` and `next_end` say the same."""
    asked = Grants({READ: ("a/**",)})
    record = GrantRecord.of(asked, replace(NOW, until=150.0))
    assert record.next_end == 150.0
    assert (READ, "a/b") in allowed(asked, record, 149.9)
    assert allowed(asked, record, 150.0) == set()
    assert [each.patterns for each in record.ended(150.0)] == [("a/**",)]
    assert record.live(149.9) is record


def test_narrowing_does_not_prolong() -> None:
    """A grant until then stays one, whatever is said of the narrower one."""
    asked = Grants({READ: ("a/**",)})
    record = GrantRecord.of(asked, replace(NOW, until=150.0))
    for until in (None, 900.0):
        entry = GrantEntry.of(READ, "narrowed", ["a/b"], replace(NOW, until=until))
        assert record.narrowing(entry, kinds=KINDS).next_end == 150.0
    with pytest.raises(GrantNotNarrower, match="within 'a/"):
        record.narrowing(GrantEntry.of(READ, "narrowed", ["b"], NOW), kinds=KINDS)


def test_a_denial_says_which_command_would_lift_it() -> None:
    """What is not asked for, not granted, and denied are three sentences, each with its command."""
    asked = Grants({READ: ("a/**", "b/**")})
    record = GrantRecord.of(asked, NOW).removing(READ, ["b/**"])
    record = record.denying(GrantEntry.of(READ, "denied", ["a/b"], NOW))
    guard = Guard(KINDS)
    guard.grant(NAME, record.grants(asked, KINDS), asked=asked)
    forbidden, ungranted, unasked = (
        guard.decide(NAME, READ, resource).text for resource in ("a/b", "b/b", "c")
    )
    assert forbidden == (
        "storage.read on 'a/b' is denied: its record of grants denies storage.read on a/b; "
        "to allow it on this host: airswasm grants remove shop/orders storage.read a/b --denial"
    )
    assert ungranted == (
        "storage.read on 'b/b' is denied: Component.toml asks for it, and its record of grants "
        "does not grant it; to allow it on this host: "
        "airswasm grants add shop/orders storage.read b/b"
    )
    assert unasked == (
        "storage.read on 'c' is denied: it was not granted; "
        'add to [capabilities] in Component.toml: storage.read = ["a/**", "c"]; '
        "to allow it on this host: airswasm grants add shop/orders storage.read c"
    )


def test_a_change_of_what_is_not_there_is_refused() -> None:
    """A mistyped capability or pattern must not look like a grant that is gone."""
    record = GrantRecord.of(Grants({READ: ("a",)}), NOW)
    for attempt in (
        lambda: record.removing(WRITE),
        lambda: record.removing(READ, ["b"]),
        lambda: record.removing(READ, denials=True),
        lambda: GrantRecord().deciding(Grants({READ: ("a",)}), NOW, denied={WRITE: ("a",)}),
    ):
        with pytest.raises(GrantMissing):
            attempt()


@given(
    asks,
    st.dictionaries(capability, texts),
    st.dictionaries(capability, texts),
    origin,
)
def test_an_answer_grants_no_more_than_the_question(
    question: Grants,
    less: dict[str, tuple[str, ...]],
    refused: dict[str, tuple[str, ...]],
    when: GrantOrigin,
) -> None:
    """Granted, narrowed or denied by capability; what is denied stays so at the next question."""

    def answer() -> GrantRecord:
        return GrantRecord().deciding(question, when, narrowed=less, denied=refused, kinds=KINDS)

    if not {*less, *refused} <= {*question.allow}:
        with pytest.raises(GrantMissing):
            answer()
        return
    asked = Guard(KINDS, {NAME: question})
    try:
        record = answer()
    except GrantNotNarrower:
        assume(False)
        raise
    guard = Guard(KINDS, {NAME: record.grants(question, KINDS)})
    for name in question.allow:
        for resource in RESOURCES:
            if guard.decide(NAME, name, resource):
                assert asked.decide(NAME, name, resource)
            elif name not in less and name not in refused:
                assert not asked.decide(NAME, name, resource)
    still = record.denied_of(question, KINDS)
    for name, patterns in question.allow.items():
        for text in patterns:
            if text in refused.get(name, ()):
                assert text in still.allow[name]


def test_a_narrowed_answer_needs_no_kinds_where_the_texts_are_the_same() -> None:
    """A tool that has no blocks answers with the patterns of the question."""
    question = Grants({READ: ("a/*", "b/**")})
    record = GrantRecord().deciding(question, NOW, narrowed={READ: ("a/*",)})
    assert record.grants(question, KINDS).allow == {READ: ("a/*",)}
    with pytest.raises(GrantNotNarrower):
        GrantRecord().deciding(question, NOW, narrowed={READ: ("b/c",)})


def test_grants_of_a_key_go_with_the_trust_in_it() -> None:
    """Each of the keys that the reason names must be trusted; denials and other grants stay."""
    asked = Grants({READ: ("a",), WRITE: ("b",)})
    by_key = replace(NOW, by="key", reason="11 22")
    record = GrantRecord.of(asked, by_key).denying(
        denied(GrantEntry.of(READ, "denied", ("a",), by_key))
    )
    assert record.without_keys(lambda _: True) is record
    left = record.without_keys(lambda key: key != "22")
    assert [(each.verdict, each.capability) for each in left.entries] == [("denied", READ)]
    assert GrantRecord.of(asked, NOW).without_keys(lambda _: False).grants(asked, KINDS) == asked
