"""A specimen of every public error: made from the annotations of its constructor.

Beside the tests and not in one of them, because worker processes import it too.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import importlib
import inspect
import os
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from airswasm.wit import AirswasmError, Blocks

_PLAIN: Mapping[object, object] = {
    str: "some téxt",
    int: 3,
    float: 2.5,
    bool: True,
    bytes: b"\0\xff",
    object: ("any", 1),
    Path: Path("/srv/home"),
}


def public_errors() -> list[type[BaseException]]:
    """Every exception class that an installed block exports or defines among its errors."""
    found: set[type[BaseException]] = set()
    for each in Blocks.find():
        face = importlib.import_module(f"airswasm.{each.block.name}")
        modules = [importlib.import_module(name) for name in each.block.errors]
        named = [getattr(face, name) for name in face.__all__]
        defined = [part for module in modules for part in vars(module).values()]
        found |= {
            part
            for part in (*named, *defined)
            if isinstance(part, type)
            and issubclass(part, BaseException)
            and part.__module__.startswith("airswasm.")
        }
    return sorted(found, key=lambda kind: (kind.__module__, kind.__name__))


def specimen(kind: type[Any], *, is_full: bool) -> Any:
    """One instance, with every argument or with as little as there can be."""
    positional: list[object] = []
    named: dict[str, object] = {}
    for parameter, hint in _parameters(kind):
        if parameter.default is not parameter.empty and not is_full:
            continue
        value = _value(hint, is_full=is_full)
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[parameter.name] = value
        elif parameter.kind is not parameter.VAR_KEYWORD:
            positional.append(value)
    return kind(*positional, **named)


def fail(index: int, *, is_full: bool) -> NoReturn:
    """Raise one of the public errors, with a note."""
    error = specimen(public_errors()[index], is_full=is_full)
    error.add_note("from a worker")
    raise error


def _parameters(kind: type[Any]) -> Iterator[tuple[inspect.Parameter, object]]:
    signature = inspect.signature(kind.__init__)
    hints = _hints(kind.__init__)
    for parameter in list(signature.parameters.values())[1:]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            yield parameter.replace(kind=parameter.POSITIONAL_ONLY), str
        else:
            yield parameter, hints.get(parameter.name, object)


def _hints(function: Any) -> dict[str, object]:
    """The annotations; names that are imported for type checkers alone are found on the faces."""
    names: Mapping[str, Any] = getattr(function, "__globals__", {})
    return typing.get_type_hints(function, {**_exported(), **names})


@cache
def _exported() -> Mapping[str, object]:
    faces = [importlib.import_module(f"airswasm.{each.block.name}") for each in Blocks.find()]
    return {name: getattr(face, name) for face in faces for name in face.__all__}


def _value(hint: Any, *, is_full: bool) -> object:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return arguments[-1 if is_full else 0]
    if origin in (typing.Union, types.UnionType):
        if type(None) in arguments and not is_full:
            return None
        return _value([each for each in arguments if each is not type(None)][-1], is_full=is_full)
    if origin is not None:
        return _filled(origin, arguments, is_full=is_full)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if hint in (BaseException, Exception):
        return ValueError("the cause", 7)
    if dataclasses.is_dataclass(hint) or issubclass(hint, AirswasmError):
        return specimen(hint, is_full=is_full)
    raise AssertionError(f"no specimen of {hint!r}: add one to _PLAIN")


def _filled(origin: Any, arguments: tuple[Any, ...], *, is_full: bool) -> object:
    if issubclass(origin, os.PathLike):
        return Path("/srv/path")
    if issubclass(origin, collections.abc.Mapping):
        return {"code": "E0401", "message": "denied", "more": [1, None]} if is_full else {}
    parts = [_value(arguments[0], is_full=is_full)] * (2 if is_full else 0)
    return origin(parts) if origin in (tuple, list, set, frozenset) else parts
