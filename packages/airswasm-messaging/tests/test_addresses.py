"""Names to send to."""

import pytest
from airswasm.messaging import InvalidAddress, check_address
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "address", ["local/hello", "host", "actor-1", "a/b/c", "A.b_c/1", "x" * 63 + "/" + "y" * 63]
)
def test_names_of_components_and_actors_are_fine(address: str) -> None:
    """What a system can route."""
    assert check_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "..",
        "a/../b",
        ".a",
        "a.",
        "-a",
        "a b",
        "a\n",
        "a\0",
        "local/*",
        "a?",
        "é",
        "x" * 64,
        "a/" * 200 + "a",
        "a/b/c/d/e",
        "a\u202eb",
        "a\\b",
    ],
)
def test_everything_else_is_refused(address: str) -> None:
    """Wildcards, dot segments, control and foreign characters, too long."""
    with pytest.raises(InvalidAddress):
        check_address(address)


@given(st.text(max_size=30))
def test_what_passes_is_safe_to_print(address: str) -> None:
    """Names end up in logs and metrics."""
    try:
        check_address(address)
    except InvalidAddress:
        return
    assert address.isascii()
    assert address.isprintable()
    assert ".." not in address.split("/")
