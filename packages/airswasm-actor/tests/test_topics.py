from __future__ import annotations

import pytest
from airswasm.actor import InvalidTopic
from airswasm.actor._routing.topics import TopicTable, check_pattern, check_topic, matches
from hypothesis import given
from hypothesis import strategies as st

segments = st.sampled_from(("a", "b", "ab", "A", "0", "-"))
topics = st.lists(segments, min_size=1, max_size=5).map(".".join)
patterns = st.lists(st.one_of(segments, st.sampled_from(("*", "**"))), min_size=1, max_size=5).map(
    ".".join
)


def fits(pattern: str, topic: str) -> bool:
    """Compare by the definition, without any cleverness."""

    def rest_fits(wanted: list[str], given: list[str]) -> bool:
        if not wanted:
            return not given
        if wanted[0] == "**":
            return any(rest_fits(wanted[1:], given[at:]) for at in range(len(given) + 1))
        return bool(given) and wanted[0] in ("*", given[0]) and rest_fits(wanted[1:], given[1:])

    return rest_fits(pattern.split("."), topic.split("."))


@given(topic=topics, pattern=patterns)
def test_matching_follows_the_definition(topic: str, pattern: str) -> None:
    """`*` is one segment, `**` any number, none included, wherever they stand."""
    assert matches(check_pattern(pattern), check_topic(topic)) is fits(pattern, topic)


@given(topics, patterns)
def test_a_question_mark_stands_for_itself(topic: str, pattern: str) -> None:
    """In a topic and in a pattern; a bracket does, too."""
    for literal in ("?", "[a]"):
        question, asked = topic.replace("a", literal), pattern.replace("a", literal)
        assert matches(check_pattern(asked), check_topic(question)) is fits(asked, question)
    assert not matches(check_pattern("?"), check_topic("a"))


HOSTILE = (
    ".".join(["**.a"] * 32),
    ".".join(["**", "*"] * 32),
    ".".join(["**"] * 64),
    "**." + ".".join(["*"] * 63),
    ".".join(["a.**"] * 31 + ["b", "c"]),
)


@pytest.mark.parametrize("pattern", HOSTILE)
def test_a_hostile_pattern_takes_a_step_for_each_segment(pattern: str) -> None:
    """One that tries each way of dividing the topic would not come to an end."""
    topic = ".".join(["a"] * 63 + ["d"])
    assert matches(check_pattern(pattern), check_topic(topic)) is ("a" not in pattern)


def test_the_effort_of_a_topic_counts_the_patterns_that_may_fit() -> None:
    """Those that begin with its segment or with a wildcard; none once its subscribers are known."""
    table = TopicTable()
    for pattern in ("a.b", "a.*", "b.c", "*.b", "**.b", "c"):
        table.add(pattern, pattern, None)
    assert table.effort("a.b") == 4
    assert table.find("a.b") == ("a.b", "a.*", "*.b", "**.b")
    assert table.effort("a.b") == 0
    table.remove_owner(None)
    assert table.effort("a.b") == 0
    assert not table._by_first


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
            expected = {one for text, one, _ in model if fits(text, topic)}
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
    "wrong",
    [
        "",
        ".",
        "a..b",
        ".a",
        "a.",
        "a.*",
        "**",
        "a b",
        "a.\n",
        "x" * 513,
        ".".join("a" * 65),
        "a.\x1b[0m",
    ],
)
def test_a_malformed_topic_is_refused(wrong: str) -> None:
    """Empty, too long, blank, control characters, wildcards."""
    with pytest.raises(InvalidTopic):
        check_topic(wrong)


@pytest.mark.parametrize("wrong", ["", "a*", "*a.b", "***", "a..*", "a.b**", ".".join("a" * 65)])
def test_a_malformed_pattern_is_refused(wrong: str) -> None:
    """Wildcards stand for whole segments; there are 64 at most."""
    with pytest.raises(InvalidTopic):
        check_pattern(wrong)


def test_topics_without_subscribers_do_not_fill_memory() -> None:
    """The cache is bounded: topics come from guests."""
    table = TopicTable()
    for number in range(10_000):
        table.find(f"t.{number}")
    assert len(table._cache) <= 4096
