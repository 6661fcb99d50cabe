"""Codes: every error of every installed block has one, and `explain` knows it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest
from airswasm.cli.commands.explain import find_code
from airswasm.cli.errors import UnknownCode
from airswasm.wit import AirswasmError, Blocks

BLOCKS = Blocks.find()
CODES = BLOCKS.error_codes()


def error_classes() -> Iterator[type[AirswasmError]]:
    for module in (module for each in BLOCKS for module in each.block.errors):
        for value in vars(importlib.import_module(module)).values():
            is_error = isinstance(value, type) and issubclass(value, BaseException)
            if is_error and value.__module__ == module:
                yield value


@pytest.mark.parametrize("kind", [*error_classes()], ids=lambda kind: kind.__qualname__)
def test_every_error_has_a_code_of_its_block(kind: type[AirswasmError]) -> None:
    """No error reaches a user without a code of its kind."""
    assert issubclass(kind, AirswasmError)
    assert CODES[kind.explanation.code] == kind.explanation
    assert kind.explanation is not AirswasmError.explanation


def test_no_two_blocks_claim_one_code() -> None:
    """A code has one meaning."""
    assert BLOCKS.problems == ()


@pytest.mark.parametrize("code", [*CODES.values()], ids=lambda code: code.code)
def test_every_code_explains_and_advises(code: object) -> None:
    """A code says what happened and what to do."""
    assert all(getattr(code, name) for name in ("title", "meaning", "hint"))


@pytest.mark.parametrize("text", ["E0312", "e0312", "312", " E312 "])
def test_a_code_is_found_however_it_is_typed(text: str) -> None:
    """The zeros need not be typed."""
    assert find_code(text, CODES).code == "E0312"


def test_an_unknown_code_has_a_nearest_one() -> None:
    """A typo costs one look."""
    with pytest.raises(UnknownCode) as caught:
        find_code("E0312X", CODES)
    assert caught.value.hint.startswith("did you mean E0312")
