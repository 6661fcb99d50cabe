"""Every error has a code and says what to do."""

import re

import pytest
from airswasm.lifecycle import errors
from airswasm.lifecycle.errors import LifecycleError

CLASSES = [
    each
    for name in errors.__all__
    if isinstance(each := getattr(errors, name), type) and issubclass(each, LifecycleError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_explains_itself(kind: type[LifecycleError]) -> None:
    """`E03xx`; the base's hint would help in no special case."""
    assert re.fullmatch(r"E03\d\d", kind.explanation.code)
    assert kind is LifecycleError or kind.explanation.hint != LifecycleError.explanation.hint
