from __future__ import annotations

import re

import pytest
from airswasm.actor import InvalidTopic
from airswasm.actor._routing.topics import TopicTable, check_pattern, check_topic, matches
from hypothesis import given
from hypothesis import strategies as st

segments = st.sampled_from(("a", "b", "ab", "A", "0", "-"))
topics = st.lists(segments, min_size=1, max_size=5).map(".".join)
patterns = st.tuples(
    st.lists(st.one_of(segments, st.just("*")), min_size=1, max_size=4),
    st.booleans(),
).map(lambda parts: ".".join([*parts[0], *(["**"] if parts[1] else [])]))


def as_regex(pattern: str) -> str:
    """A pattern in another language."""
    text = re.escape(pattern).replace(r"\.\*\*", r"(\..+)?").replace(r"\*", r"[^.]+")
    return f"^{text}$"


@given(topic=topics, pattern=patterns)
def test_matching_means_what_the_regular_expression_means(topic: str, pattern: str) -> None:
    """`*` is one segment, `**` at the end any number, none included."""
    expected = re.match(as_regex(pattern), topic) is not None
    assert matches(check_pattern(pattern), check_topic(topic)) is expected


VERBS = ("add", "add", "add", "remove", "remove owner", "remove subscriber")


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(VERBS), patterns, st.integers(0, 3), st.integers(0, 1))
    ),
    asked=st.lists(topics, max_size=5),
)
def test_the_table_finds_whom_a_scan_finds(
    steps: list[tuple[str, str, int, int]], asked: list[str]
) -> None:
    """The cache never shows a state that is gone; each subscriber is found once."""
    table, model = TopicTable(), set()
    for verb, pattern, subscriber, owner in steps:
        if verb == "add":
            table.add(pattern, subscriber, owner)
            model.add((pattern, subscriber, owner))
        elif verb == "remove":
            assert table.remove(pattern, subscriber, owner) is (
                (pattern, subscriber, owner) in model
            )
            model.discard((pattern, subscriber, owner))
        elif verb == "remove owner":
            table.remove_owner(owner)
            model = {entry for entry in model if entry[2] != owner}
        else:
            table.remove_subscriber(subscriber)
            model = {entry for entry in model if entry[1] != subscriber}
        for topic in asked:
            found = table.find(topic)
            expected = {one for text, one, _ in model if re.match(as_regex(text), topic)}
            assert sorted(found) == sorted(expected)  # type: ignore[type-var]
    assert len(table) == len({(pattern, subscriber) for pattern, subscriber, _ in model})
    for subscriber in range(4):
        expected = {pattern for pattern, one, _ in model if one == subscriber}
        assert table.patterns_of(subscriber) == sorted(expected)
    table.remove_owner(0)
    table.remove_owner(1)
    assert not table._by_owner
    assert not table._by_subscriber


@pytest.mark.parametrize(
    "wrong", ["", ".", "a..b", ".a", "a.", "a.*", "**", "a b", "a.\n", "x" * 513, "a.\x1b[0m"]
)
def test_a_malformed_topic_is_refused(wrong: str) -> None:
    """Empty, too long, blank, control characters, wildcards."""
    with pytest.raises(InvalidTopic):
        check_topic(wrong)


@pytest.mark.parametrize("wrong", ["", "a.**.b", "a*", "*a.b", "***", "a..*"])
def test_a_malformed_pattern_is_refused(wrong: str) -> None:
    """Wildcards stand for whole segments, and `**` stands last."""
    with pytest.raises(InvalidTopic):
        check_pattern(wrong)


def test_topics_without_subscribers_do_not_fill_memory() -> None:
    """The cache is bounded: topics come from guests."""
    table = TopicTable()
    for number in range(10_000):
        table.find(f"t.{number}")
    assert len(table._cache) <= 4096
