"""Showing signatures and how two of them differ."""

import pytest
from airswasm.wit import (
    contract,
    explain_difference,
    names,
    read_wit_text,
    render_function,
    side_by_side,
)
from airswasm.wit._signature import named_types
from airswasm.wit.model import Function


def function(signature: str, types: str = "") -> Function:
    text = f"package a:b;\ninterface i {{ {types} f: {signature}; }}\n"
    return read_wit_text(text).main.interfaces["i"].functions["f"]


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ("func(a: u8)", "func()", "it has 0 parameters, not 1"),
        ("func(a: u8)", "func(b: u8)", "parameter 1 is named b, not a"),
        ("func(a: u8)", "func(a: u16)", "parameter 1 (a) is `u16`, not `u8`"),
        ("func()", "func() -> u8", "the result is `u8`, not `nothing`"),
        ("func() -> u8", "func()", "the result is `nothing`, not `u8`"),
        ("func()", "async func()", "it is async, which airswasm does not run"),
        ("async func()", "func()", "it is not async"),
    ],
)
def test_the_first_difference_is_said_in_words(ours: str, theirs: str, said: str) -> None:
    """One sentence that an author can act on."""
    assert explain_difference(function(ours), function(theirs)) == said


def test_types_of_one_name_are_spelled_out() -> None:
    """`e` is not `e` explains nothing; also when it lies deep inside."""
    ours = function("func() -> result<list<e>>", "enum e { a, b }")
    theirs = function("func() -> result<list<e>>", "enum e { a }")
    assert explain_difference(ours, theirs) == (
        "the result is `enum e { a }`, not `enum e { a, b }`"
    )


def test_two_signatures_are_shown_under_each_other() -> None:
    """With a mark below the first character that differs."""
    shown = side_by_side(str(function("func(a: u8)")), str(function("func(a: u16)")))
    assert shown.split("\n") == [
        "contract:  f: func(a: u8);",
        "component: f: func(a: u16);",
        "                       ^",
    ]


def test_a_function_is_rendered_with_its_requirement() -> None:
    """As one would write it."""
    storage, logging = contract().interface("storage"), contract().interface("logging")
    assert storage is not None
    assert logging is not None
    assert render_function(storage.functions["delete"]) == (
        "/// @requires storage:delete(key)\ndelete: func(key: string) -> result<bool, write-error>;"
    )
    assert render_function(logging.functions["log"]).startswith('/// @requires nothing "every')
    handler = contract().interfaces[names.GUEST_HANDLER].functions["handle-message"]
    assert render_function(handler) == handler.signature


def test_named_types_include_those_inside_others() -> None:
    """page is made of entries; both are needed to understand a scan."""
    storage = contract().interfaces["airswasm:component/storage@0.1.0"]
    found = [item.name for item in named_types(storage.functions["scan-prefix"])]
    assert found == ["page", "entry", "storage-error"]
