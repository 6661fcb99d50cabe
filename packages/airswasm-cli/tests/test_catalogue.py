from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import airswasm
import pytest
from airswasm.cli.catalogue import ENTRIES, entry_of, find_entry
from airswasm.cli.errors import UnknownCode


def error_classes() -> Iterator[type[BaseException]]:
    for block in pkgutil.iter_modules(airswasm.__path__):
        name = f"airswasm.{block.name}.errors"
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        for value in vars(module).values():
            is_error = isinstance(value, type) and issubclass(value, BaseException)
            if is_error and value.__module__ == name:
                yield value


def name_of(kind: type) -> str:
    return f"{kind.__module__.split('.')[1]}.{kind.__name__}"


ALL = sorted(error_classes(), key=name_of)


@pytest.mark.parametrize("kind", ALL, ids=name_of)
def test_every_error_of_every_block_is_in_the_catalogue(kind: type[BaseException]) -> None:
    """No error reaches a user without a code of its kind."""
    entry = entry_of(kind)
    assert entry is not None
    assert name_of(kind) in entry.types


@pytest.mark.parametrize(
    "kind", [k for k in ALL if str(vars(k).get("code", "")).startswith("E")], ids=name_of
)
def test_a_code_that_an_error_carries_is_the_catalogue_s(kind: type[BaseException]) -> None:
    """The block and the command say the same code."""
    entry = entry_of(kind)
    assert entry is not None
    assert vars(kind)["code"] == entry.code


def test_codes_are_unique_and_in_order() -> None:
    """A code has one meaning."""
    codes = [entry.code for entry in ENTRIES]
    assert codes == sorted(set(codes))


def test_no_type_has_two_codes() -> None:
    """An error has one code."""
    types = [name for entry in ENTRIES for name in entry.types]
    assert len(types) == len(set(types))


def test_every_entry_explains_and_advises() -> None:
    """A code says what happened and what to do."""
    assert not [entry.code for entry in ENTRIES if not (entry.title and entry.meaning)]
    assert not [entry.code for entry in ENTRIES if not entry.hint]


@pytest.mark.parametrize("text", ["E0312", "e0312", "312", " E312 "])
def test_a_code_is_found_however_it_is_typed(text: str) -> None:
    """Nobody has to type the zeros."""
    assert find_entry(text).code == "E0312"


def test_an_unknown_code_has_a_nearest_one() -> None:
    """A typo costs one look."""
    with pytest.raises(UnknownCode) as caught:
        find_entry("E0399")
    assert caught.value.hint.startswith("did you mean E03")
