"""Patterns, against a reference that is slow and obviously right."""

import itertools
import re
import sys
from collections.abc import Callable
from functools import cache
from types import FrameType

import pytest
from airswasm.security import InvalidPattern, Pattern, escape
from hypothesis import given
from hypothesis import strategies as st

ALPHABET = "ab"
segments = st.text(ALPHABET, max_size=3)
pattern_segments = st.one_of(
    st.just("**"),
    st.just("*"),
    st.text(ALPHABET + "*?", min_size=1, max_size=4),
    st.lists(
        st.sampled_from(["a", "b", "*", "?", "[ab]", "[a-b]", "[b]"]), min_size=1, max_size=4
    ).map("".join),
).filter(lambda text: text == "**" or "**" not in text)
resources = st.lists(segments, min_size=1, max_size=4).map("/".join)
patterns = st.lists(pattern_segments, min_size=1, max_size=4).map("/".join)


def reference(pattern: str, resource: str) -> bool:
    """Every way to read the pattern, tried one after the other."""
    wanted, given_segments = tuple(pattern.split("/")), tuple(resource.split("/"))

    @cache
    def fits(p: int, s: int) -> bool:
        if p == len(wanted):
            return s == len(given_segments)
        if wanted[p] == "**":
            return any(fits(p + 1, later) for later in range(s, len(given_segments) + 1))
        return (
            s < len(given_segments)
            and segment_fits(wanted[p], given_segments[s])
            and fits(p + 1, s + 1)
        )

    return fits(0, 0)


def segment_fits(pattern: str, text: str) -> bool:
    if pattern == "*":
        return text != ""
    pieces = re.findall(r"\[.+?\]|.", pattern, re.DOTALL)
    known = {"*": ".*", "?": "."}
    expression = "".join(
        known.get(each, each if each.startswith("[") else re.escape(each)) for each in pieces
    )
    return re.fullmatch(expression, text, re.DOTALL) is not None


def all_resources(depth: int = 3, length: int = 2) -> list[str]:
    """Every resource of up to `depth` segments of up to `length` characters."""
    words = ["", "a", "b", "aa", "ab", "ba", "bb"][: 1 + 2 + 4 * (length > 1)]
    found = list(words)
    level = list(words)
    for _ in range(depth - 1):
        level = [f"{start}/{word}" for start in level for word in words]
        found += level
    return found


UNIVERSE = all_resources()


@given(patterns, resources)
def test_matches_as_the_reference_does(pattern: str, resource: str) -> None:
    """A pattern covers exactly what the reference says."""
    assert Pattern(pattern).matches(resource) == reference(pattern, resource)


@given(patterns, st.text("ab/", max_size=4))
def test_covering_a_prefix_covers_all_that_starts_with_it(pattern: str, prefix: str) -> None:
    """A scan is allowed only when no key of it is outside of the grant."""
    if Pattern(pattern).covers_prefix(prefix):
        outside = [r for r in UNIVERSE if r.startswith(prefix) and not reference(pattern, r)]
        assert not outside


@given(patterns, st.text("ab/", max_size=4))
def test_a_prefix_is_touched_when_one_of_its_resources_matches(pattern: str, prefix: str) -> None:
    """A deny pattern refuses a scan as soon as one key of it is denied."""
    if any(r.startswith(prefix) and reference(pattern, r) for r in UNIVERSE):
        assert Pattern(pattern).touches_prefix(prefix)


@given(patterns, patterns)
def test_covering_a_pattern_covers_all_that_it_covers(wide: str, narrow: str) -> None:
    """A subscription is allowed only when no topic of it is outside of the grant."""
    if Pattern(wide).covers_pattern(Pattern(narrow)):
        outside = [r for r in UNIVERSE if reference(narrow, r) and not reference(wide, r)]
        assert not outside


def all_rows(separator: str, words: list[str]) -> list[str]:
    rows = (row for length in range(1, 8) for row in itertools.product(words, repeat=length))
    return [separator.join(row) for row in rows]


ROWS = {".": all_rows(".", ["a", "x"]), "/": all_rows("/", ["a", "x", ""])}
whole_segments = st.lists(st.sampled_from(("a", "*", "**")), min_size=1, max_size=4)


@given(whole_segments, whole_segments, st.sampled_from((".", "/")))
def test_whole_wildcards_are_compared_exactly(
    one: list[str], other: list[str], separator: str
) -> None:
    """Where each wildcard is a segment, covering and touching are neither too wide nor too strict.

    `x` stands for each segment that no pattern names. A topic has no empty segment; a path may.
    """
    wide, narrow = (Pattern(separator.join(each), separator) for each in (one, other))
    rows = ROWS[separator]
    is_inside = all(wide.matches(row) for row in rows if narrow.matches(row))
    assert wide.covers_pattern(narrow) is is_inside
    meet = any(wide.matches(row) and narrow.matches(row) for row in rows)
    assert wide.touches_pattern(narrow) is meet


def test_a_hostile_pair_is_refused_in_bounded_steps() -> None:
    """Where exactness would take long, the answer errs towards refusing."""
    wide = Pattern(".".join(["**.a"] + ["*"] * 30 + ["**", "b"]), ".")
    narrow = Pattern(".".join(["**.a.*"] * 20), ".")
    assert not wide.covers_pattern(narrow)
    assert wide.touches_pattern(Pattern("**", "."))


@given(patterns, patterns)
def test_patterns_touch_when_one_resource_fits_both(one: str, other: str) -> None:
    """A deny pattern refuses a subscription as soon as one topic of it is denied."""
    if any(reference(one, r) and reference(other, r) for r in UNIVERSE):
        assert Pattern(one).touches_pattern(Pattern(other))
        assert Pattern(other).touches_pattern(Pattern(one))


@given(patterns)
def test_a_pattern_covers_and_touches_itself(pattern: str) -> None:
    """What was granted once is not asked for again."""
    assert Pattern(pattern).covers_pattern(Pattern(pattern))
    assert Pattern(pattern).touches_pattern(Pattern(pattern))


@pytest.mark.parametrize(
    ("pattern", "resource", "expected"),
    [
        ("*", "a", True),
        ("*", "", False),
        ("*", "a/b", False),
        ("a/*", "a/../../etc/passwd", False),
        ("a/**", "a", True),
        ("a/**", "ab", False),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("**", "", True),
        ("user-?", "user-1", True),
        ("user-?", "user-12", False),
        ("user-*", "user-", True),
        ("A", "a", False),
        ("v[12]", "v2", True),
        ("v[12]", "v12", False),
        ("[a-c]*", "b9", True),
        ("[a-c]*", "d", False),
        ("[*]", "*", True),
        ("[*]", "a", False),
        ("[[]x]", "[x]", True),
        ("[]]", "]", True),
        ("[a-]", "-", True),
        ("x]", "x]", True),
    ],
)
def test_examples(pattern: str, resource: str, expected: bool) -> None:
    """`*` stays in its segment, `**` crosses them, `?` is one character, case counts."""
    assert Pattern(pattern).matches(resource) is expected


@pytest.mark.parametrize(
    ("grant", "prefix", "expected"),
    [
        ("**", "", True),
        ("users/**", "users/", True),
        ("users/**", "users", False),
        ("users/**", "", False),
        ("users/*", "users/", False),
        ("user-*/**", "user-1", True),
        ("users/**", "users/ann/", True),
    ],
)
def test_prefixes(grant: str, prefix: str, expected: bool) -> None:
    """A grant of a folder does not let a component list what lies beside it."""
    assert Pattern(grant).covers_prefix(prefix) is expected


@pytest.mark.parametrize(
    ("grant", "asked", "expected"),
    [
        ("orders.*", "orders.**", False),
        ("orders.**", "orders.*", True),
        ("orders.**", "orders.**", True),
        ("orders.**", "orders", True),
        ("orders.*", "*.eu", False),
        ("**", "a.**", True),
        ("*", "**", False),
        ("**.paid", "**.eu.paid", True),
        ("orders.**", "orders.**.paid", True),
        ("orders.**.paid", "orders.**", False),
        ("orders.**.paid", "orders.*.*.paid", True),
        ("**.paid", "orders.**.paid", True),
        ("orders.*.**", "orders.**.paid", True),
        ("orders.*.**", "**.paid", False),
    ],
)
def test_subscriptions(grant: str, asked: str, expected: bool) -> None:
    """A wildcard in what is asked for is no literal: `orders.*` does not grant `orders.**`."""
    assert Pattern(grant, ".").covers_pattern(Pattern(asked, ".")) is expected


@pytest.mark.parametrize(
    "text",
    ["", "a/../b", "..", "./a", "a**", "**a/b", "a\0b", "a\nb", "e\u0301", "x" * 1025, "/" * 64],
)
def test_unusable_patterns_are_refused(text: str) -> None:
    """A pattern that could mean two things is an error, not a guess."""
    with pytest.raises(InvalidPattern):
        Pattern(text)


def calls_of(work: Callable[[], object]) -> int:
    """Return how many functions, of Python and of C, a piece of work calls."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def test_matching_takes_bounded_time() -> None:
    """The classic bomb, 14 times `*a` then `b`, and its big brothers end at once."""
    bombs = [
        ("*a" * 14 + "b", "a" * 4_000),
        ("/".join(["**", "a"] * 30 + ["b"]), "/".join("a" * 2_000)),
    ]
    for pattern, resource in bombs:
        compiled = Pattern(pattern)
        assert not compiled.matches(resource)
        assert calls_of(lambda compiled=compiled, resource=resource: compiled.matches(resource)) < (
            2 * len(resource) + 10 * len(pattern)
        )


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[a", "has no ]"),
        ("[]", "holds no character"),
        ("[z-a]", "is empty"),
        ("[!a]", "list those"),
        ("[^a]", "list those"),
        ("[a/b]", "has no ]"),
        ("[\u0000-\uffff]", "control character"),
        ("[a-\uffff]", "more than 128"),
        ("[ab]" * 17, "more than 16"),
    ],
)
def test_a_set_that_cannot_be_read_is_refused(pattern: str, reason: str) -> None:
    """It says what is wrong, and never covers more than it seems to."""
    with pytest.raises(InvalidPattern) as caught:
        Pattern(pattern)
    assert reason in str(caught.value)


@given(st.text(max_size=8), st.text(max_size=8))
def test_an_escaped_text_covers_itself_alone(text: str, other: str) -> None:
    """What a denial suggests, and what was learned, is exactly what was used."""
    try:
        pattern = Pattern(escape(text))
    except InvalidPattern:
        return
    assert pattern.matches(text)
    assert pattern.matches(other) == (text == other)
