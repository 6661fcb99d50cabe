"""One spelling for every resource: what a kind of capability reads, and how far a call reaches."""

import pytest
from airswasm.security import (
    PLAIN,
    InvalidPattern,
    InvalidResource,
    Pattern,
    Reach,
    Resource,
    Spelling,
    read_plain,
)
from hypothesis import given
from hypothesis import strategies as st


def read_small(value: str) -> str:
    return read_plain(value).lower()


SMALL = Spelling(read=read_small, read_pattern=str.lower)
TOPICS = Spelling(".", reach=Reach.PATTERN)


@pytest.mark.parametrize(
    "value", ["a/../b", "..", "../x", "a\0b", "a\x1b", "a\x7f", "cafe\u0301", "\ud800", "x" * 4_097]
)
def test_malformed_texts_are_refused(value: str) -> None:
    """Dot segments, control characters, a second Unicode form and megabytes have no reading."""
    with pytest.raises(InvalidResource) as caught:
        PLAIN.resource(value)
    assert len(str(caught.value)) < 2_000


@pytest.mark.parametrize(
    "value", ["", "users/ann", "a..b/c..", "...", "é", "a//b", "./a", "x" * 4_096]
)
def test_plain_text_is_left_as_it_is(value: str) -> None:
    """Only the segment `..` climbs; everything else is a name, and is not touched."""
    assert read_plain(value) == value
    assert PLAIN.resource(value) == Resource(value, Reach.EXACT, "/")


@given(st.text(max_size=40))
def test_a_reading_is_read_as_itself(value: str) -> None:
    """A spelling is canonical: reading it again changes nothing."""
    for spelling in (PLAIN, SMALL):
        try:
            once = spelling.resource(value).text
        except InvalidResource:
            continue
        assert spelling.resource(once).text == once


def test_a_grant_is_read_by_the_spelling_of_its_resources() -> None:
    """Otherwise a grant in capital letters would cover nothing, and a denial too."""
    assert SMALL.resource("Users/Ann").is_covered_by(SMALL.pattern("USERS/*"))
    assert not PLAIN.resource("Users/Ann").is_covered_by(PLAIN.pattern("USERS/*"))
    assert SMALL.pattern("A.B").separator == "/"
    assert TOPICS.pattern("a.b").segments == ("a", "b")


@pytest.mark.parametrize("text", ["", "a/../b", "a/**b", "x" * 2_000])
def test_a_pattern_that_cannot_be_used_is_refused(text: str) -> None:
    """It would silently grant nothing."""
    with pytest.raises(InvalidPattern):
        PLAIN.pattern(text)


def test_the_spelling_and_the_argument_say_how_far_a_call_reaches() -> None:
    """A prefix reaches every name below it, a subscription every topic of its pattern."""
    assert PLAIN.resource("a", "key").reach is Reach.EXACT
    assert PLAIN.resource("a", "prefix").reach is Reach.PREFIX
    assert TOPICS.resource("a.*", "pattern") == Resource("a.*", Reach.PATTERN, ".")
    assert SMALL.resource("A", "prefix").text == "A"  # what a prefix continues is not known yet


@pytest.mark.parametrize(
    ("resource", "grant", "is_covered", "is_touched"),
    [
        (Resource("a/b"), "a/*", True, True),
        (Resource("a/b/c"), "a/*", False, False),
        (Resource("a/", Reach.PREFIX), "a/**", True, True),
        (Resource("a", Reach.PREFIX), "a/**", False, True),
        (Resource("", Reach.PREFIX), "a/b", False, True),
        (Resource("b/", Reach.PREFIX), "a/**", False, False),
        (Resource("a.*", Reach.PATTERN, "."), "a.**", True, True),
        (Resource("a.**", Reach.PATTERN, "."), "a.*", False, True),
        (Resource("b.*", Reach.PATTERN, "."), "a.*", False, False),
    ],
)
def test_all_that_a_call_reaches_must_be_covered(
    resource: Resource, grant: str, is_covered: bool, is_touched: bool
) -> None:
    """A grant covers the whole of it; a denial hits as soon as it touches any of it."""
    pattern = Pattern(grant, resource.separator)
    assert resource.is_covered_by(pattern) is is_covered
    assert resource.is_touched_by(pattern) is is_touched


@given(st.text(max_size=12), st.sampled_from(list(Reach)), st.sampled_from(["/", "."]))
def test_the_granting_pattern_grants(text: str, reach: Reach, separator: str) -> None:
    """The pattern that a denial suggests would indeed allow the call."""
    if reach is Reach.PREFIX and separator != "/":
        return  # prefixes are of names, whose segments are parted by /
    try:
        resource = Resource(read_plain(text), reach, separator)
        pattern = Spelling(separator).pattern(resource.granting_pattern)
        covered = resource.is_covered_by(pattern)
    except (InvalidResource, InvalidPattern):
        return
    assert covered
    if reach is Reach.EXACT and text:
        assert not Resource(f"{text}x", reach, separator).is_covered_by(pattern)
