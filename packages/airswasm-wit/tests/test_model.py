"""The model's own rules."""

import pytest
from airswasm.wit import Function, Nothing, Parameter, Requirement, SeveralRequirements
from airswasm.wit.model import (
    FutureOf,
    Interface,
    ListOf,
    MapOf,
    OptionOf,
    Place,
    Primitive,
    Resource,
    ResultOf,
    StreamOf,
    TupleOf,
)

TEXT = Primitive("string")


def test_one_requirement_can_be_asked_for_and_several_cannot() -> None:
    """A host that reads only the first would leave the others open, so that is an error."""
    one = Function("f", (), docs="@requires a:read(x)")
    assert one.requires == Requirement("a:read", "x")
    free = Function("f", (), docs='@requires nothing "it is free"')
    assert free.requires == free.requirements == Nothing("it is free")
    assert Function("f", ()).requires is None
    two = Function("copy", (), docs="@requires a:read(x)\n@requires a:write(y)")
    assert two.requirements == (Requirement("a:read", "x"), Requirement("a:write", "y"))
    with pytest.raises(SeveralRequirements, match="copy has 2 @requires lines") as caught:
        _ = two.requires
    assert (caught.value.function, caught.value.count) == ("copy", 2)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (ListOf(TEXT), "list<string>"),
        (ListOf(TEXT, 4), "list<string, 4>"),
        (OptionOf(OptionOf(TEXT)), "option<option<string>>"),
        (ResultOf(None, None), "result"),
        (ResultOf(TEXT, None), "result<string>"),
        (ResultOf(None, TEXT), "result<_, string>"),
        (ResultOf(TEXT, TEXT), "result<string, string>"),
        (TupleOf((TEXT, Primitive("u8"))), "tuple<string, u8>"),
        (MapOf(TEXT, Primitive("u8")), "map<string, u8>"),
        (FutureOf(None), "future"),
        (FutureOf(TEXT), "future<string>"),
        (StreamOf(None), "stream"),
        (StreamOf(TEXT), "stream<string>"),
    ],
)
def test_types_are_written_as_in_wit(type_: object, text: str) -> None:
    """Text that is shown can be pasted."""
    assert str(type_) == text


def test_docs_and_places_do_not_make_functions_differ() -> None:
    """A better comment is no other function; another parameter name is."""
    one = Function("f", (Parameter("a", TEXT),), TEXT, docs="Old.", place=Place("a.wit", 1, 1))
    assert one == Function("f", (Parameter("a", TEXT),), TEXT, docs="New.")
    assert one != Function("f", (Parameter("b", TEXT),), TEXT)
    assert one != Function("f", (Parameter("a", TEXT),), TEXT, is_async=True)


def test_an_interface_without_functions_and_resources_is_types_only() -> None:
    """No host needs to provide it; a resource needs a host that drops it."""
    assert Interface("a:b/c@1.0.0", {}, {}).is_types_only
    assert not Interface("a:b/c", {"f": Function("f", ())}, {}).is_types_only
    assert not Interface("a:b/c", {}, {"r": Resource("r")}).is_types_only
    assert Interface("a:b/c-d@1.0.0", {}, {}).short_name == "c-d"
    assert Interface("plain", {}, {}).short_name == "plain"
