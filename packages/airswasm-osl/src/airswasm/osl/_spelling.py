"""Spell paths and programs; `_network_spelling` has the other resources of this block.

A text with two spellings is reduced to one before any pattern sees it, or refused. This block's
engine reads its arguments by the same functions, so check and effect cannot mean two things.

A denied path is denied in every spelling that some file system takes for the same: the home may lie
on one that ignores case, and which one that is can change below a running host. So denials are
compared without case, without characters that have no width, and without dots and spaces at the end
of a name, on every file system. Rejected: asking the mount (a folder can be bound over another).
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterable, Sequence

from airswasm.security import (
    InvalidPattern,
    InvalidResource,
    Pattern,
    Spelling,
    Words,
    escape,
    read_plain,
)

__all__ = ("PATH", "PROGRAM", "command_line", "read_path", "read_program")

_ARGUMENTS = 255
_ARGUMENTS_LENGTH = 4_096
_LINE_LENGTH = 4 * _ARGUMENTS_LENGTH  # the program, and quotes; to read it takes 1 µs a character
_MARK = "\0"
_PLAIN = re.compile(r"[^\s'\"\\]+")
_WILD = re.compile(r"[*?\[]")
_UNSEEN = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]")  # fmt: skip  # noqa: E501
"""The default ignorable characters of Unicode; ext4 with `casefold` compares without them."""


def read_path(value: str) -> str:
    """Return an absolute path below the component's root."""
    read_plain(value)
    if "\\" in value:
        raise InvalidResource(value, "write / between the parts of a path")
    parts = [part for part in value.split("/") if part not in ("", ".")]
    return "/" + "/".join(parts)


def _path_pattern(text: str) -> str:
    """Spell a pattern as `read_path` spells resources: absolute, without empty segments."""
    if "\\" in text:
        raise InvalidPattern(text, "write / between the parts of a path")
    if text.startswith((" /", "~/")):
        raise InvalidPattern(text, f"a path starts with /; did you mean {text[1:]}?")
    segments = text.removeprefix("/").split("/")
    if "" in segments[:-1] or (segments[-1] == "" and len(segments) > 1) or "." in segments:
        meant = "/".join(segment for segment in segments if segment not in ("", "."))
        meant = f"/{meant}/**" if segments[-1] in ("", ".") else f"/{meant}"
        raise InvalidPattern(text, f"no path is spelled so; did you mean {meant}?")
    return f"/{text.removeprefix('/')}" if text else text


def _fold_path(text: str) -> str:
    """Spell a path, or a pattern of paths, as a file system does that ignores case."""
    if text.isascii():
        folded = text.lower()
    else:
        folded = _UNSEEN.sub("", unicodedata.normalize("NFD", text))
        folded = unicodedata.normalize("NFC", folded.casefold())
    if "./" not in folded and " /" not in folded and not folded.endswith((".", " ")):
        return folded
    return "/".join(map(_without_end, folded.split("/")))


def _without_end(segment: str) -> str:
    return segment if _WILD.search(segment) else segment.rstrip(". ") or segment


def command_line(program: str, arguments: Sequence[str]) -> str:
    """Return a program and its arguments as one text, as a shell quotes them."""
    return shlex.join((program, *arguments))


def read_program(value: str) -> str:
    """Return a command line in one spelling: an absolute program, and its arguments quoted."""
    if len(value) > _LINE_LENGTH:
        raise InvalidResource(
            value,
            f"a command line has {_LINE_LENGTH:,} characters at most; pass more through stdin",
        )
    try:
        program, *arguments = shlex.split(value) or ("",)
    except ValueError as error:
        raise InvalidResource(value, f"the command line cannot be read: {error}") from None
    read_plain(program)
    if not program.startswith("/") or {"", ".", ".."} & set(program.split("/")[1:]):
        raise InvalidResource(value, "name a program by its absolute path, without . and ..")
    if len(arguments) > _ARGUMENTS or sum(map(len, arguments)) > _ARGUMENTS_LENGTH:
        raise InvalidResource(
            value,
            f"there are more than {_ARGUMENTS} arguments or {_ARGUMENTS_LENGTH:,} characters of "
            "them; pass more through stdin",
        )
    if any("\0" in argument for argument in arguments):
        raise InvalidResource(value, "an argument contains a NUL character")
    return command_line(program, arguments)


def _program_parts(text: str) -> tuple[str, ...]:
    program, *arguments = shlex.split(text)
    return program, "".join(f"{_MARK}{argument}" for argument in arguments)


def _program_pattern(text: str) -> str:
    """Check a pattern: a program, then nothing for any arguments or a pattern for each."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidPattern(text, f"it cannot be read: {error}") from None
    if not words:
        raise InvalidPattern(text, "it is empty")
    if words[0] != "**" and not words[0].startswith("/"):
        raise InvalidPattern(
            text, f"a program is named by its absolute path; did you mean /usr/bin/{text}?"
        )
    if "" in words[0].split("/")[1:]:
        raise InvalidPattern(text, "no program has an empty part in its path")
    return text if words == ["**"] else _joined(words)


def _program_pattern_parts(text: str) -> tuple[Pattern | Words, ...]:
    program, *arguments = shlex.split(text)
    if program == "**":
        program = "/**"
    if not arguments:
        arguments = ["**"]
    dotted = (f"[.]{each[1:]}" if each in (".", "..") else each for each in arguments)
    return Pattern(program), Pattern("".join(f"{_MARK}{each}" for each in dotted), _MARK)


def _quoted_program(text: str) -> str:
    return _joined(map(escape, shlex.split(text)))


def _joined(words: Iterable[str]) -> str:
    """Join the words of a pattern; its wildcards need no quotes."""
    return " ".join(each if _PLAIN.fullmatch(each) else shlex.quote(each) for each in words)


PATH = Spelling(read=read_path, read_pattern=_path_pattern, everything="/**", fold=_fold_path)
PROGRAM = Spelling(
    _MARK,
    read=read_program,
    read_pattern=_program_pattern,
    split=_program_parts,
    split_pattern=_program_pattern_parts,
    quote=_quoted_program,
)
