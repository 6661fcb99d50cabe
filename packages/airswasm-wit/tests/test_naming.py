"""Python names for WIT names: no name twice, and none that changes its meaning."""

import keyword

import pytest
from airswasm.wit import name_exports, name_functions, name_labels
from airswasm.wit._naming import Form, allocate_names
from hypothesis import given
from hypothesis import strategies as st

LETTERS = "abcdef"
forms = st.lists(
    st.lists(st.sampled_from(LETTERS), min_size=1, max_size=3, unique=True).map(tuple),
    min_size=1,
    max_size=4,
)
scopes = st.lists(forms, max_size=8).map(lambda items: dict(enumerate(with_own_ends(items))))


def with_own_ends(items: list[list[Form]]) -> list[list[Form]]:
    """Each thing can always be told apart in the end, as any two of one WIT scope can."""
    return [[*item, (f"own{number}",)] for number, item in enumerate(items)]


@given(scopes, st.sets(st.sampled_from(LETTERS)))
def test_no_name_is_given_twice_and_none_that_is_reserved(
    scope: dict[int, list[Form]], reserved: set[str]
) -> None:
    """Each thing has one of its forms, and all names differ."""
    chosen = allocate_names(scope, reserved=reserved)
    names = [name for form in chosen.values() for name in form]
    assert len(set(names)) == len(names)
    assert reserved.isdisjoint(names)
    assert all(form in scope[key] for key, form in chosen.items())


@given(scopes, st.randoms(use_true_random=False))
def test_the_order_of_declaration_does_not_matter(
    scope: dict[int, list[Form]], random: object
) -> None:
    """A toolchain that sorts its exports changes no name."""
    keys = list(scope)
    random.shuffle(keys)  # type: ignore[attr-defined]
    assert allocate_names({key: scope[key] for key in keys}) == allocate_names(scope)


@given(scopes, forms)
def test_an_addition_never_gives_a_name_to_another_thing(
    scope: dict[int, list[Form]], added: list[Form]
) -> None:
    """A name that stays in use keeps its meaning, so no call silently reaches something else."""
    before = {name: key for key, form in allocate_names(scope).items() for name in form}
    larger = {**scope, len(scope): [*added, ("the addition",)]}
    after = {name: key for key, form in allocate_names(larger).items() for name in form}
    assert {name: after[name] for name in before.keys() & after.keys()} == {
        name: before[name] for name in before.keys() & after.keys()
    }


@given(scopes)
def test_an_unrelated_addition_changes_nothing(scope: dict[int, list[Form]]) -> None:
    """A thing that wants none of the names in use leaves all of them alone."""
    before = allocate_names(scope)
    after = allocate_names({**scope, len(scope): [("unrelated",)]})
    assert {key: after[key] for key in scope} == before


def test_things_that_cannot_be_told_apart_still_have_a_name_each() -> None:
    """WIT allows none such; text that is no valid WIT must not hang or lose one."""
    chosen = allocate_names({1: [("a", "a")], 2: [("a", "a")], 3: [("a__0_0", "b")]})
    names = [name for form in chosen.values() for name in form]
    assert len(set(names)) == 6


INTERFACES = {
    "the last name": (["a:b/api@1.0.0", "a:b/other@1.0.0"], ["api", "other"]),
    "with the package": (["a:b/api", "c:d/api"], ["b_api", "d_api"]),
    "with the namespace": (
        ["acme:shop/api", "umbrella:shop/api"],
        ["acme_shop_api", "umbrella_shop_api"],
    ),
    "with the version": (
        ["a:b/api@1.0.0", "a:b/api@2.0.0-rc.1"],
        ["a_b_api_1_0_0", "a_b_api_2_0_0_rc_1"],
    ),
    "unmistakable": (["a:b-c/d@1.0.0", "a-b:c/d@1.0.0"], ["b_c_d", "c_d"]),
    "an interface of the world": (["api", "a:b/api"], ["api_", "b_api"]),
    "an accident of spelling": (
        ["x:y/b-api", "a:b/api", "c:d/api"],
        ["y_b_api", "a_b_api", "d_api"],
    ),
    "a keyword": (["a:b/import", "class"], ["b_import", "class_"]),
    "capitals": (["a:b/HTTP-api"], ["http_api"]),
}


@pytest.mark.parametrize(("interfaces", "expected"), INTERFACES.values(), ids=INTERFACES)
def test_an_interface_is_named_as_short_as_it_can_be(
    interfaces: list[str], expected: list[str]
) -> None:
    """Its last name, then package, namespace and version with it, whatever the order."""
    for order in (interfaces, interfaces[::-1]):
        named = name_exports(order, []).interfaces
        assert [named[name] for name in interfaces] == expected


def test_functions_and_interfaces_of_a_world_share_one_scope() -> None:
    """Both are attributes of `exports`."""
    named = name_exports(["a:b/sum"], ["sum", "add"])
    assert dict(named.interfaces) == {"a:b/sum": "b_sum"}
    assert dict(named.functions) == {"sum": "sum_", "add": "add"}


FUNCTIONS = {
    "handle-message": "handle_message",
    "class": "class_",
    "match": "match",
    "list": "list",
    "GET-URL": "get_url",
    "a-1": "a_1",
    "[constructor]cursor": "new_cursor",
    "[method]cursor.seek": "cursor_seek",
    "[static]cursor.open": "cursor_open",
    "[method]cursor.drop": "cursor_drop",
}


def test_a_function_is_named_after_its_resource() -> None:
    """Functions, methods, static functions and constructors are in one scope."""
    assert name_functions(FUNCTIONS) == FUNCTIONS


def test_functions_that_meet_stay_apart() -> None:
    """A function that is spelled like a method, or like a constructor."""
    meeting = {
        "cursor-seek": "cursor_seek_",
        "[method]cursor.seek": "cursor__seek",
        "new-cursor": "new_cursor_",
        "[constructor]cursor": "cursor_constructor",
    }
    assert name_functions(meeting) == meeting
    harder = {
        "new-cursor": "new_cursor_",
        "cursor-constructor": "cursor_constructor_",
        "[constructor]cursor": "cursor__constructor_",
        "[method]cursor.constructor": "cursor__constructor",
    }
    assert name_functions(harder) == harder


def test_parameters_and_fields_keep_their_names() -> None:
    """Only keywords, `self` and `mro` change; built-in names and generated code need no room."""
    plain = ["handle", "list", "int", "v1", "value", "result", "instance", "match", "items", "keys"]
    assert name_labels(plain) == tuple(plain)
    assert name_labels(["self", "class", "URL", "max-bytes"]) == (
        "self_",
        "class_",
        "url",
        "max_bytes",
    )
    assert name_labels(["mro"]) == ("mro_",)
    assert name_labels([]) == ()


@given(st.lists(st.text(max_size=6), max_size=6))
def test_any_text_becomes_an_identifier(names: list[str]) -> None:
    """Names come from components; nothing but an identifier may reach source code."""
    functions = name_functions(set(names))
    exports = name_exports({f"a:b/{name}" for name in names}, set(names))
    found = [*name_labels(names), *functions.values()]
    found += [*exports.interfaces.values(), *exports.functions.values()]
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in found)
    assert all(name.isascii() for name in found)
    assert not any(name.startswith("_") for name in found)
    assert len(set(name_labels(names))) == len(names)
    assert len(set(functions.values())) == len(functions)
