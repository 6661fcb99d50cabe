"""The words and options of a verb, in a form that needs no typer.

A verb that is a function writes its parameters so: positional ones are `Word`s, keyword-only ones
are `Option`s. Two readers understand that. typer has the last word: it writes the help, and says
what is wrong with a command line. But it takes five times as long to import as Python takes to
start, so a plain command line is read here, without it: options that are spelled as declared, and
words. Any other line is left to typer (`read_plain` returns None), and a test holds both readers
to the same result.

They are named tuples, because a dataclass takes five times as long to make.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, get_args

__all__ = ("COMMON", "Option", "Word", "parameters_of", "read_plain")


class Word(NamedTuple):
    """A parameter that is typed by its position.

    Attributes:
        metavar: How the help calls it.
        help: One line.
    """

    metavar: str
    help: str


class Option(NamedTuple):
    """A parameter that is typed by its name.

    Attributes:
        names: The spellings, `--home`, `-q`.
        help: One line.
        metavar: How the help calls its value; empty for the usual word.
        least: The smallest number.
        most: The largest number.
        is_counted: Whether it is given several times to mean more.
    """

    names: tuple[str, ...]
    help: str
    metavar: str = ""
    least: int | None = None
    most: int | None = None
    is_counted: bool = False


def _option(name: str, kind: object, default: object, option: Option) -> inspect.Parameter:
    annotation = Annotated[kind, option]  # type: ignore[valid-type]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, keyword, default=default, annotation=annotation)


COMMON: Sequence[inspect.Parameter] = (
    _option("as_json", bool, False, Option(("--json",), "Write JSON.")),
    _option(
        "home", Path | None, None, Option(("--home",), "The home; else AIRSWASM_HOME.", "FOLDER")
    ),
    _option("quiet", bool, False, Option(("--quiet", "-q"), "Only data and errors.")),
    _option("verbose", int, 0, Option(("--verbose", "-v"), "Say more (-vv).", is_counted=True)),
    _option("no_color", bool, False, Option(("--no-color",), "No colours; also NO_COLOR.")),
    _option("yes", bool, False, Option(("--yes", "-y"), "Answer every question with yes.")),
    _option("no_input", bool, False, Option(("--no-input",), "Never ask.")),
    _option(
        "no_config", bool, False, Option(("--no-config",), "Leave [cli] of config.toml aside.")
    ),
)
"""The parameters that every verb has beside its own."""


def parameters_of(
    function: Callable[..., object], names: Mapping[str, object] | None = None
) -> Sequence[inspect.Parameter]:
    """Return the parameters of a verb, its own first.

    Args:
        function: The verb; its first parameter is the session.
        names: What its annotations may refer to besides what its module knows.
    """
    signature = inspect.signature(function, eval_str=True, locals=names)
    return (*list(signature.parameters.values())[1:], *COMMON)


def read_plain(
    function: Callable[..., object], arguments: Sequence[str]
) -> dict[str, object] | None:
    """Read a plain command line.

    Args:
        function: The verb.
        arguments: What follows its name.

    Returns:
        The arguments by the parameters' names, defaults included; None for a line that is not
        plain, or not right.
    """
    parameters = parameters_of(function)
    options = {name: each for each in parameters for name in _names_of(each)}
    free = [each for each in parameters if isinstance(_declared(each), Word)]
    given: dict[str, object] = {}
    rest = list(arguments)
    while rest:
        name, has_value, value = rest.pop(0).partition("=")
        if not name.startswith("-"):
            if not free or not name:
                return None
            parameter, value = free.pop(0), f"{name}{has_value}{value}"
        elif name not in options or options[name].name in given:
            return None
        else:
            parameter = options[name]
            if not _is_flag(parameter) and not has_value:
                value = rest.pop(0) if rest else ""
            elif _is_flag(parameter) and has_value:
                return None
        read = _read(parameter, value)
        if read is None:
            return None
        given[parameter.name] = read
    values = {each.name: given.get(each.name, each.default) for each in parameters}
    return None if inspect.Parameter.empty in values.values() else values


def _read(parameter: inspect.Parameter, value: str) -> object:
    """Return the value that a parameter is given; None where typer has to say what it means."""
    kind = _kind(parameter)
    if _is_flag(parameter):
        return True if kind is bool else 1
    if not value or value.startswith("-"):
        return None
    if Path in (kind, *get_args(kind)):
        return Path(value)
    return value if str in (kind, *get_args(kind)) else None


def _declared(parameter: inspect.Parameter) -> object:
    return get_args(parameter.annotation)[1]


def _kind(parameter: inspect.Parameter) -> object:
    return get_args(parameter.annotation)[0]


def _names_of(parameter: inspect.Parameter) -> Sequence[str]:
    declared = _declared(parameter)
    return declared.names if isinstance(declared, Option) else ()


def _is_flag(parameter: inspect.Parameter) -> bool:
    declared = _declared(parameter)
    return isinstance(declared, Option) and (_kind(parameter) is bool or declared.is_counted)
