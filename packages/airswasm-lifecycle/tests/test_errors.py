"""Every error has a code of its own and says what to do."""

import re

from airswasm.lifecycle import errors
from airswasm.lifecycle.errors import LifecycleError

CLASSES = [
    each
    for name in errors.__all__
    if isinstance(each := getattr(errors, name), type) and issubclass(each, LifecycleError)
]


def test_codes_are_unique_and_stable_in_form() -> None:
    """`E03xx`; only a special case of an error shares its code."""
    own = [each.code for each in CLASSES if "code" in vars(each)]
    assert len(own) == len(set(own))
    assert all(re.fullmatch(r"E03\d\d", code) for code in own)


def test_every_error_has_a_hint_of_its_own() -> None:
    """The default one helps nobody."""
    assert all(each.hint != LifecycleError.hint for each in CLASSES if each is not LifecycleError)
