"""Objects of others, read without trusting them.

An error's `__str__`, a property of a user's actor, the metaclass of a reply: each may raise, and
would then do so in the middle of the dispatcher, for all actors. Whatever this block reads of an
object that it did not make, it reads here.

`KeyboardInterrupt` passes: Python raises it wherever the program happens to be.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from airswasm.wit import describe_error, safe_repr, safe_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ("attribute_of", "describe", "has_attribute", "repr_of", "text_of", "type_name")


def type_name(thing: object) -> str:
    """Return the name of an object's type."""
    try:
        return str(type(thing).__name__)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a metaclass may define `__name__`
        return "object"


def text_of(thing: object) -> str:
    """Return `str(thing)`, or a note that it could not be made."""
    return safe_text(thing)


def describe(error: BaseException) -> str:
    """Return an error's type and text, as the last line of a traceback shows them."""
    return describe_error(error)


def repr_of(record: DataclassInstance) -> str:
    """Return the `repr` of a dataclass whose fields may hold objects of others."""
    shown = (f"{field.name}={safe_repr(getattr(record, field.name))}" for field in fields(record))
    return f"{type(record).__qualname__}({', '.join(shown)})"


def attribute_of(thing: object, name: str) -> object:
    """Return an attribute, or None where there is none or reading it raises."""
    try:
        return getattr(thing, name, None)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None


def has_attribute(thing: object, name: str) -> bool:
    """Return whether an object has an attribute; one that cannot be read counts as missing."""
    try:
        return hasattr(thing, name)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return False
