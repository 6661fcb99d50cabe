"""The base of every error that a block raises, and the code by which people find its explanation.

An error is a value: it survives `pickle`, `copy` and a process boundary with its text, fields and
notes, because it is rebuilt from what it holds and never by calling its constructor again. (The
default, `type(error)(*error.args)`, breaks for every error that builds its own message.)

The explanation stands beside the class, as a class attribute, so that a code cannot be listed in
one place and raised in another. Rejected: a central catalogue of codes, which knew every block.
"""

from __future__ import annotations

import enum
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = ("AirswasmError", "ErrorCode", "ExitStatus", "safe_repr", "safe_text")

_CODE = re.compile(r"[A-Z]{1,12}[0-9]{2,5}", re.ASCII)
_SHOWN = 2_000


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
        """What to do next: about this very error where it was said, otherwise about its kind."""
        own: str = self.__dict__.get("_hint", "")
        return own or self.explanation.hint

    @hint.setter
    def hint(self, text: str) -> None:
        self.__dict__["_hint"] = text

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: _portable(value) for name, value in self.__dict__.items()}
        return _rebuild, (type(self), tuple(map(_portable, self.args)), state)


def _rebuild(
    kind: type[AirswasmError], arguments: tuple[object, ...], state: dict[str, object]
) -> AirswasmError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(state)
    return error


def _portable(value: object) -> object:
    """The value itself where it can travel, otherwise its text."""
    if value is None or isinstance(value, str | bytes | int | float):
        return value
    try:
        pickle.dumps(value)
    except Exception:  # whatever a foreign __reduce__ raises
        return safe_repr(value)
    return value


def safe_text(value: object) -> str:
    """Return `str(value)`, or a description where that raises; long texts are cut and marked.

    For objects of other people: an exception whose `__str__` raises must not replace the error
    that is being reported.
    """
    return _cut(_formatted(value, str))


def safe_repr(value: object) -> str:
    """Return `repr(value)`, as safely as `safe_text`."""
    return _cut(_formatted(value, repr))


def _formatted(value: object, form: Callable[[object], str]) -> str:
    try:
        return str.__str__(form(value))
    except RecursionError:
        return f"<{type(value).__name__}, nested too deeply to be shown>"
    except Exception as error:  # the object's own code: anything
        return f"<{type(value).__name__}, whose text cannot be made: {type(error).__name__}>"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"
