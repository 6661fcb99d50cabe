"""Names of interfaces, and which versions of them are one interface."""

import pytest
from airswasm.wit.names import InterfaceName, are_compatible
from hypothesis import given
from hypothesis import strategies as st

words = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
numbers = st.integers(0, 10**9 - 1)
versions = st.none() | st.builds("{}.{}.{}".format, numbers, numbers, numbers)


@given(st.builds(InterfaceName, words, words, words, versions))
def test_a_name_that_is_printed_reads_back(name: InterfaceName) -> None:
    """`str` and `parse` agree."""
    assert InterfaceName.parse(str(name)) == name


@pytest.mark.parametrize(
    "text", ["", "handler", "a:b", "a/b@1.0.0", "a:b/c@", "a:b/c/d", "a b:c/d"]
)
def test_what_is_no_full_name_is_none(text: str) -> None:
    """A plain name, as an interface that a world declares inline has, is no error."""
    assert InterfaceName.parse(text) is None
    assert are_compatible(text, text)
    assert not are_compatible(text, "a:b/c@1.0.0")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.0.0", "1.9.3", True),
        ("1.0.0", "2.0.0", False),
        ("0.1.0", "0.1.7", True),
        ("0.1.0", "0.2.0", False),
        ("0.0.1", "0.0.2", False),
        ("1.0.0", "1.0.0+build", True),
        ("1.0.0-rc1", "1.0.0", False),
        ("1.0.0-rc1", "1.0.0-rc1", True),
        ("99999999999999999999.0.0", "99999999999999999999.1.0", False),
        ("1.0", "1.0.0", False),
    ],
)
def test_compatibility_is_that_of_semver(one: str, other: str, same: bool) -> None:
    """Before 1.0 the minor number breaks, before 0.1 each; a pre-release is only itself."""
    assert are_compatible(f"a:b/c@{one}", f"a:b/c@{other}") is same
    assert not are_compatible(f"a:b/c@{one}", f"a:b/d@{other}")
    assert not are_compatible(f"a:b/c@{one}", f"a:x/c@{other}")


def test_an_unversioned_name_matches_only_an_unversioned_one() -> None:
    """It promises nothing about the versioned ones."""
    assert are_compatible("a:b/c", "a:b/c")
    assert not are_compatible("a:b/c", "a:b/c@1.0.0")
