"""The base of every error that a block raises, and the code by which people find its explanation.

An error is a value: it survives `pickle`, `copy` and a process boundary with its text, fields and
notes, because it is rebuilt from what it holds and never by calling its constructor again. (The
default, `type(error)(*error.args)`, breaks for every error that builds its own message.)

The explanation stands beside the class, as a class attribute, so that a code cannot be listed in
one place and raised in another. Rejected: a central catalogue of codes, which knew every block.
"""

from __future__ import annotations

import copy
import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar, cast

__all__ = ("AirswasmError", "ErrorCode", "ExitStatus", "describe_error", "safe_repr", "safe_text")

_CODE = re.compile(r"[A-Z]{1,12}[0-9]{2,5}", re.ASCII)
_SHOWN = 2_000
_PLAIN = (type(None), bool, int, float, str, bytes)
_TYPE_NAME = type.__dict__["__name__"]


class ExitStatus(enum.IntEnum):
    """The status with which the `airswasm` command ends after an error of this kind."""

    FAILURE = 1
    USAGE = 2
    NOT_AUTHENTIC = 3
    REFUSED = 4
    NOT_FOUND = 5
    NO_HOST = 6


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A stable code with its explanation.

    Attributes:
        code: Capital letters and digits, `E0312` or `ALARM01`; never reused.
        title: A few words.
        meaning: What happened, and why airswasm acts so.
        hint: What to do next.
        exit_status: What the command ends with.
    """

    code: str
    title: str
    meaning: str
    hint: str
    exit_status: ExitStatus = ExitStatus.FAILURE

    def __post_init__(self) -> None:
        if _CODE.fullmatch(self.code) is None:
            raise ValueError(f"{self.code!r} is no error code: write letters, then digits")


_COMPONENT = re.compile(r"[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9-]{0,62}")
_PLACEHOLDER = re.compile(r"(?<![A-Z_./-])NAME(?![A-Z_./=-])")


class AirswasmError(Exception):
    """The base of every error that a block raises.

    Attributes:
        explanation: The code of this class, or of the nearest base that has one.
    """

    explanation: ClassVar[ErrorCode] = ErrorCode(
        "E0006",
        "an error without a code",
        "A block raised an error that has no code of its own.",
        "read the message; -vv shows where it came from",
    )

    @property
    def hint(self) -> str:
        """The next step to take: the error's own hint, or else that of its code.

        A command in it names the component that the error is about, in the place of `NAME`.
        """
        own: str = self.__dict__.get("_hint", "")
        text = own or self.explanation.hint
        fields = (self.__dict__.get(each) for each in ("component", "name", "target"))
        names = (each for each in fields if isinstance(each, str) and _COMPONENT.fullmatch(each))
        name = next(names, None)
        return text if name is None else _PLACEHOLDER.sub(name, text)

    @hint.setter
    def hint(self, text: str) -> None:
        self.__dict__["_hint"] = text

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = self._arguments()
        values = {id(value): value for value in (*arguments, *self.__dict__.values())}
        packed = {each: _packed(value) for each, value in values.items()}
        fields = {name: packed[id(value)] for name, value in self.__dict__.items()}
        return _rebuilt, (type(self), tuple(packed[id(value)] for value in arguments), fields)

    def __copy__(self) -> Self:
        fields = {name: _own_notes(name, value) for name, value in self.__dict__.items()}
        return _rebuilt(type(self), self._arguments(), fields)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        arguments = tuple(_deep(value, memo) for value in self._arguments())
        made = _rebuilt(type(self), arguments, {})
        memo[id(self)] = made  # before the fields: one of them may lead back here
        made.__dict__.update({name: _deep(value, memo) for name, value in self.__dict__.items()})
        return made

    def _arguments(self) -> tuple[object, ...]:
        """Return the arguments of its built-in base; an OSError takes its path out of `args`."""
        return cast("tuple[object, ...]", super().__reduce__()[1])


_E = TypeVar("_E", bound=AirswasmError)


def _rebuilt(kind: type[_E], arguments: tuple[object, ...], fields: dict[str, object]) -> _E:
    """Make an error of what it held, without its own constructor.

    The constructor of its built-in base is called: an OSError keeps its number there, a
    KeyError formats its text by it.
    """
    error = kind.__new__(kind, *arguments)
    builtin: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    builtin.__init__(error, *arguments)
    error.__dict__.update(fields)
    return error


class _Packed:
    """A field on its way: it arrives as itself or, where it cannot be read there, as its text.

    Pickled apart from the error, because a class that another process cannot import, or whose
    own unpickling fails, would otherwise take the error with it, and a process pool too.
    """

    def __init__(self, pickled: bytes, text: str) -> None:
        self._pickled, self._text = pickled, text

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked, (self._pickled, self._text)


def _packed(value: object) -> object:
    """Return the value if every process knows its type; its text if it cannot travel."""
    if type(value) in _PLAIN:
        return value
    import pickle  # here, because every program imports errors and few send any

    text = safe_repr(value)
    try:
        return _Packed(pickle.dumps(value), text)
    except Exception:  # whatever a foreign __reduce__ raises
        return text


def _unpacked(pickled: bytes, text: str) -> object:
    import pickle

    try:
        return cast("object", pickle.loads(pickled))  # noqa: S301 - part of a pickle already
    except Exception:  # whatever a foreign constructor raises
        return text


def _own_notes(name: str, value: object) -> object:
    """Return the value, but a copy of the notes, so that a note on a copy is the copy's alone."""
    if name == "__notes__" and isinstance(value, list):
        return cast("list[object]", value).copy()  # pyright does not know a narrowed list's items
    return value


def _deep(value: object, memo: dict[int, object]) -> object:
    attempt = dict(memo)  # what is half copied must not be found there later
    try:
        made = copy.deepcopy(value, attempt)
    except Exception:  # a lock, a generator: there is only the one
        return value
    memo.update(attempt)
    return made


def safe_text(value: object) -> str:
    """Return `str(value)`, or a description where that raises.

    For objects of other people: an exception whose `__str__` raises must not replace the error
    that is being reported. Long texts are cut and marked; a lone surrogate, which no file and no
    terminal takes, is escaped.
    """
    return _shown(value, str)


def describe_error(error: BaseException) -> str:
    """Return an error's type and text, as the last line of a traceback shows them, safely."""
    text = safe_text(error)
    return f"{_name(error)}: {text}" if text else _name(error)


def safe_repr(value: object) -> str:
    """Return `repr(value)`, as safely as `safe_text`."""
    return _shown(value, repr)


def _shown(value: object, form: Callable[[object], str]) -> str:
    try:
        text = str.__str__(form(value))  # of a subclass of str, only the characters
    except RecursionError:
        return _cut(f"<{_name(value)}, nested too deeply to be shown>")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the object's own code: anything, sys.exit() included
        return _cut(f"<{_name(value)}, whose text cannot be made: {_name(error)}>")
    return _cut(text).encode("utf-8", "backslashreplace").decode("utf-8")


def _name(value: object) -> str:
    """Return the name of its type, whatever a metaclass says."""
    return str(_TYPE_NAME.__get__(type(value)))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"
