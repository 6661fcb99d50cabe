"""The evidence of a failure, read once, in bounded texts.

The error that ended a message may be of any package, and its texts a guest's. So everything is cut
and made fit for a file here, before anything else holds it.
"""

from __future__ import annotations

from dataclasses import dataclass

from airswasm.actor import DeadLetter
from airswasm.wit import AirswasmError, safe_text

__all__ = ("LetterCause", "cause_of", "short_text", "size_of")

_TEXT = 2_000
_BACKTRACE = 16_000
_NAME = 255


@dataclass(frozen=True, slots=True)
class LetterCause:
    """The error because of which a message was not handled.

    Attributes:
        kind: The error's class.
        code: Its code, for `airswasm explain`; empty if it has none.
        text: What it says.
        backtrace: Where in the guest it happened, innermost first; empty where that is unknown.
        fuel_used: The fuel that the guest had used for the message.
        memory_peak_bytes: The guest's memory at its largest.
    """

    kind: str
    code: str
    text: str
    backtrace: str
    fuel_used: int | None
    memory_peak_bytes: int | None

    @property
    def size_bytes(self) -> int:
        """The bytes of its texts."""
        return sum(map(size_of, (self.kind, self.code, self.text, self.backtrace)))


def cause_of(letter: DeadLetter) -> LetterCause | None:
    """Return the evidence of a letter in texts of bounded length; None if there was no error."""
    error = letter.cause
    if error is None:
        return None
    return LetterCause(
        kind=short_text(type(error).__qualname__, _NAME),
        code=error.explanation.code if isinstance(error, AirswasmError) else "",
        text=short_text(safe_text(error), _TEXT),
        backtrace=short_text(letter.backtrace or "", _BACKTRACE),
        fuel_used=_number(letter.fuel_used),
        memory_peak_bytes=_number(letter.memory_peak_bytes),
    )


def short_text(text: str, most: int = _NAME) -> str:
    """Return a text that any file takes, cut and marked where it is longer than `most`."""
    if len(text) <= most and text.isascii():
        return text
    shown = text if len(text) <= most else f"{text[:most]}…"
    return shown.encode("utf-8", "backslashreplace").decode()


def size_of(text: str) -> int:
    """Return the bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def _number(value: int | None) -> int | None:
    return None if value is None or not 0 <= value < 2**64 else int(value)
