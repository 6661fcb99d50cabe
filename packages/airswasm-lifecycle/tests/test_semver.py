"""Versions are those of semver.org, in its order."""

from __future__ import annotations

import re

import pytest
from airswasm.lifecycle import Manifest, ManifestInvalid
from airswasm.lifecycle._packages.semver import precedence
from hypothesis import given
from hypothesis import strategies as st

ALPHABET = "0123456789abzAZ-"
NUMBERS = st.integers(0, 99).map(str)
WORDS = st.text(ALPHABET, min_size=1, max_size=4).filter(lambda text: not text.isdecimal())
PRE = st.lists(NUMBERS | WORDS, min_size=1, max_size=3)
BUILD = st.text(ALPHABET, min_size=1, max_size=6)
RELEASES = st.tuples(NUMBERS, NUMBERS, NUMBERS).map(".".join)


def is_version(text: str) -> bool:
    try:
        Manifest.parse(f'[component]\nname = "local/a"\nversion = "{text}"\n')
    except ManifestInvalid:
        return False
    return True


def comes_before(one: list[str], other: list[str]) -> bool:
    """Semver's rule 11.4 for two pre-releases, written as it is worded there."""
    for left, right in zip(one, other, strict=False):
        if left == right:
            continue
        if left.isdecimal() and right.isdecimal():
            return int(left) < int(right)
        if left.isdecimal() or right.isdecimal():
            return left.isdecimal()
        return left < right
    return len(one) < len(other)


@given(RELEASES, PRE, PRE)
def test_pre_releases_have_the_order_of_the_rule(
    release: str, one: list[str], other: list[str]
) -> None:
    """Numbers as numbers, words by ASCII, numbers before words, the shorter before the longer."""
    first, second = (f"{release}-{'.'.join(each)}" for each in (one, other))
    assert (precedence(first) < precedence(second)) is comes_before(one, other)
    assert precedence(first) < precedence(release)
    assert is_version(first)


@given(RELEASES, PRE | st.just([]), PRE | st.just([]))
def test_of_two_versions_one_is_newer_unless_they_are_one(
    release: str, one: list[str], other: list[str]
) -> None:
    """Or an update could neither be newer nor the same."""
    first, second = ("-".join([release, ".".join(each)]).rstrip("-") for each in (one, other))
    if is_version(first) and is_version(second):
        assert (precedence(first) == precedence(second)) is (first == second)


@given(RELEASES, BUILD, BUILD)
def test_build_metadata_does_not_count(release: str, one: str, other: str) -> None:
    """Rule 10: two builds of one version are one version."""
    assert is_version(f"{release}+{one}")
    assert precedence(f"{release}+{one}") == precedence(f"{release}+{other}")


@pytest.mark.parametrize(
    "text",
    [
        "1", "1.2", "1.2.3.4", "01.2.3", "1.02.3", "1.2.03", "v1.2.3", "1.2.3-", "1.2.3+",
        "1.2.3-01", "1.2.3-a.00", "1.2.3-a..b", "1.2.3+a..b", "1.2.3-a_b", "1.2.3+a+b", " 1.2.3",
        "1.2.3\\n", "\N{FULLWIDTH DIGIT ONE}.2.3", "-1.2.3", "1.2.3-0123.0123",
    ],
)  # fmt: skip
def test_what_semver_refuses_is_refused(text: str) -> None:
    """The invalid versions of semver.org's own list, and some of ours."""
    assert not is_version(text)


@given(
    st.from_regex(
        re.compile(r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,2}(-[0-9a-z.-]{1,6})?"), fullmatch=True
    )
)
def test_a_number_with_leading_zeros_is_none(text: str) -> None:
    """What has one is refused, wherever it stands; there are no two spellings of one version."""
    release, _, pre = text.partition("-")
    parts = [*release.split("."), *pre.split(".")] if pre else release.split(".")
    is_padded = any(part.isdecimal() and part != str(int(part)) for part in parts)
    assert not (is_padded and is_version(text))
