"""Errors are values, and each leads to an explanation: every public error of every block."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from airswasm.wit import AirswasmError, Blocks
from specimens import fail, public_errors, specimen

ERRORS = public_errors()
EVERY = pytest.mark.parametrize(
    "kind", ERRORS, ids=lambda kind: f"{kind.__module__.split('.')[1]}.{kind.__name__}"
)
WAYS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def told(value: object) -> object:
    """All that one can see of an error; those among its fields are told in the same way."""
    if isinstance(value, list | tuple):
        return [told(each) for each in value]
    if not isinstance(value, BaseException):
        return value
    return {
        "type": type(value),
        "text": str(value),
        "shown": repr(value),
        "arguments": told(value.args),
        "fields": {name: told(field) for name, field in vars(value).items()},
        "explanation": getattr(value, "explanation", None),
    }


def test_all_of_them_are_looked_at() -> None:
    """Those of each block that has some, and there are many."""
    blocks = {kind.__module__.split(".")[1] for kind in ERRORS}
    assert blocks == {each.block.name for each in Blocks.find() if each.block.errors}
    assert len(ERRORS) > 150


@EVERY
@pytest.mark.parametrize("is_full", [True, False], ids=["full", "least"])
def test_an_error_is_a_value(kind: type[BaseException], is_full: bool) -> None:
    """Pickled, copied and deep-copied it has the same type, text, fields and notes."""
    error = specimen(kind, is_full=is_full)
    error.add_note("while it was tested")
    assert str(error) or not is_full
    for name, way in WAYS.items():
        made = way(error)
        assert made is not error
        assert told(made) == told(error), name
        made.add_note("on the copy")
        assert error.__notes__ == ["while it was tested"], name


@EVERY
def test_an_error_can_be_explained(kind: type[BaseException]) -> None:
    """It has a code of its block, not that of the base, and `explain` knows it."""
    assert issubclass(kind, AirswasmError)
    code = kind.explanation
    if kind is not AirswasmError:
        assert code.code != AirswasmError.explanation.code
    assert Blocks.find().error_codes()[code.code] == code
    assert all((code.title.strip(), code.meaning.strip(), code.hint.strip()))


def test_a_code_means_one_thing() -> None:
    """No code stands for two meanings, and no meaning has two codes."""
    blocks = Blocks.find()
    codes = blocks.error_codes()
    assert blocks.problems == ()
    meanings = [(code.title, code.meaning) for code in codes.values()]
    assert len(set(meanings)) == len(meanings)


def test_every_error_crosses_processes() -> None:
    """A worker of a ProcessPoolExecutor raises each of them, and the pool is whole at the end."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        raised = [pool.submit(fail, index, is_full=True) for index in range(len(ERRORS))]
        for kind, future in zip(ERRORS, raised, strict=True):
            expected = specimen(kind, is_full=True)
            expected.add_note("from a worker")
            assert told(future.exception(timeout=120)) == told(expected)
        assert pool.submit(abs, -1).result(timeout=120) == 1


def test_a_pool_of_multiprocessing_does_not_hang_on_one() -> None:
    """What cannot be read in the parent hangs such a pool for ever; each of a sample arrives."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for index in range(0, len(ERRORS), 10):
            with pytest.raises(ERRORS[index]):
                pool.apply_async(fail, (index,), {"is_full": False}).get(timeout=120)
