"""Output of the command: data on stdout, messages on stderr.

One object makes the decisions that every verb would otherwise repeat: whether there is a terminal,
whether to colour, how much to print, and whether to ask. It also keeps guests' texts from steering
the reader's terminal: it escapes control characters for a screen, and keeps them for a file. On a
screen it breaks long lines between words; a file gets each text on one line, for programs. It
imports rich only to draw a table or a progress line.
"""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from ..errors import AnswerNeeded

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

__all__ = ("Progress", "Terminal", "escape_controls", "wants_colour")

_FOLDED = 24
"""Characters of a cell beyond which a table may fold it."""
_GAP = 2
_KEEP = {"\n", "\t"}
_LABEL = re.compile(r" *(?:[^ ]+ )*?[^ ]* {2,}(?=[^ ])")
"""The start of a line that a wide gap separates from its text."""
_PAINT = re.compile(r"\x1b\[[0-9;]*m")
_NARROWEST, _USUAL = 40, 80


def wants_colour(environment: Mapping[str, str], *, is_terminal: bool, color: str) -> bool:
    """Return whether to colour: the setting, NO_COLOR, FORCE_COLOR, TERM=dumb, the terminal."""
    if color in ("always", "never"):
        return color == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return is_terminal and environment.get("TERM") != "dumb"


def escape_controls(text: str) -> str:
    """Make control and bidirectional characters visible, so that no text can move the cursor."""
    if text.isprintable():
        return text
    return "".join(_escape(character) for character in text)


def broken(text: str, columns: int, head: int = 0, indent: int | None = None) -> str:
    """Break the lines of a text between words, so that they fit a screen.

    A word that is longer than the screen stays whole, because it may have to be copied.

    Args:
        text: The text, already escaped and not yet painted.
        columns: The width of the screen.
        head: The columns of the first line that are taken before the text begins.
        indent: Of the further parts of a line; by default below its text, where a gap separates
            that from a label, else two more than the line has itself.
    """
    first, *rest = text.split("\n")
    return "\n".join([
        _broken_line(first, columns, head, indent),
        *(_broken_line(line, columns, 0, indent) for line in rest),
    ])  # fmt: skip


def _broken_line(line: str, columns: int, head: int, indent: int | None) -> str:
    if head + len(line) <= columns:
        return line
    own = head + len(line) - len(line.lstrip(" "))
    if indent is None:
        label = _LABEL.match(line[:columns])
        has_label = label is not None and own < label.end() <= columns // 3
        indent = label.end() if label and has_label else own + 2 * (not head)
    parts = textwrap.wrap(
        line, max(columns, _NARROWEST), initial_indent=" " * head, subsequent_indent=" " * indent,
        replace_whitespace=False, break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return "\n".join(parts)[head:]


def _escape(character: str) -> str:
    if character in _KEEP or character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


@dataclass(frozen=True, slots=True)
class Terminal:
    """The input and output of one verb.

    Attributes:
        as_json: Data is one JSON document; errors are JSON too.
        verbosity: -1 quiet, 0 usual, 1 and 2 more.
        color: `auto`, `always` or `never`.
        assume_yes: Answer every question with yes.
        no_input: Never ask.
    """

    as_json: bool = False
    verbosity: int = 0
    color: str = "auto"
    assume_yes: bool = False
    no_input: bool = False

    @property
    def is_interactive(self) -> bool:
        """Whether a person can answer a question."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not self.no_input

    @property
    def shows_tables(self) -> bool:
        """Whether data goes to a screen rather than to a program."""
        return sys.stdout.isatty() and not self.as_json

    def data(self, text: str) -> None:
        """Write a line of data."""
        is_screen = sys.stdout.isatty()
        sys.stdout.write((self._fitted(escape_controls(text)) if is_screen else text) + "\n")

    def raw(self, content: bytes) -> None:
        """Write bytes: unchanged to a file or pipe; readable, with a newline, to a screen."""
        if sys.stdout.isatty():
            self.data(content.decode("utf-8", "backslashreplace"))
            return
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()

    def document(self, schema: str, content: Mapping[str, object]) -> None:
        """Write one versioned JSON document, on one line for a program."""
        indent = 2 if sys.stdout.isatty() else None
        document = {"schema": f"airswasm.{schema}", **content}
        sys.stdout.write(_to_json(document, indent) + "\n")

    def stream(self, schema: str, content: Mapping[str, object]) -> None:
        """Write one line of a stream of JSON documents, at once."""
        sys.stdout.write(_to_json({"schema": f"airswasm.{schema}", **content}) + "\n")
        sys.stdout.flush()

    @property
    def columns(self) -> int:
        """The width of the screen, in characters."""
        return _columns(sys.stdout)

    def fits(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
        """Return whether a table of these rows has each cell on one line."""
        widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
        return sum(widths) + _GAP * (len(widths) - 1) <= self.columns

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write rows: a table on a screen, tab-separated without a header for a program.

        A table breaks no short cell in two. On a screen too narrow for that, every row is a list of
        names and values.
        """
        if not self.shows_tables:
            for row in rows:
                sys.stdout.write("\t".join(_one_line(cell) for cell in row) + "\n")
            return
        console = self._console(stderr=False)
        cells = rows = [[_one_line(cell) for cell in row] for row in rows]
        longest = [max(map(len, each)) for each in zip(columns, *cells, strict=True)]
        needed = sum(min(each, _FOLDED) for each in longest) + _GAP * (len(columns) - 1)
        if needed > console.width:
            for row in rows:
                self.fields([pair for pair in zip(columns, row, strict=True) if pair[1] != "-"])
                sys.stdout.write("\n")
            return
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(
            box=SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, _GAP - 1, 0, 0),
            header_style="bold",
        )
        for column, width in zip(columns, longest, strict=True):
            table.add_column(column, overflow="fold", no_wrap=width <= _FOLDED)
        for row in cells:
            table.add_row(*(Text(cell, style=_style(cell)) for cell in row))
        console.print(table)

    def fields(self, fields: Sequence[tuple[str, str]]) -> None:
        """Write names and values: aligned on a screen, tab-separated for a program."""
        if not self.shows_tables:
            for name, value in fields:
                sys.stdout.write(f"{name}\t{_one_line(value)}\n")
            return
        width = max((len(name) for name, _ in fields), default=0)
        indent = width + _GAP
        for name, value in fields:
            lines = escape_controls(value).replace("\n", "\n" + " " * indent)
            shown = broken(lines, self.columns, indent)
            self.data_styled(f"{self.paint(name.ljust(width), 'dim', stream='stdout')}  {shown}")

    def finding(self, mark: str, name: str, text: str) -> None:
        """Write one finding of a check-up; its further lines stand below the first."""
        head = f"{mark} {name:<10} "
        text = escape_controls(text).replace("\n", "\n" + " " * 13)
        sys.stdout.write(head + self._fitted(text, head=_width(head)) + "\n")

    def line(self, painted: str, text: str) -> None:
        """Write one line of a stream at once: a painted head, and a guest's text."""
        text = escape_controls(text).replace("\n", "\n    ")
        sys.stdout.write(painted + self._fitted(text, head=_width(painted), indent=4) + "\n")
        sys.stdout.flush()

    def data_styled(self, text: str) -> None:
        """Write a line that is already escaped and painted."""
        sys.stdout.write(text + "\n")

    def say(self, text: str) -> None:
        """Write a message, unless the user asked for quiet."""
        if self.verbosity >= 0:
            self._talk("", text)

    def headline(self, text: str) -> None:
        """Write a message in bold."""
        if self.verbosity >= 0:
            self._talk("", text, style="bold")

    def done(self, text: str) -> None:
        """Write a message about a success."""
        if self.verbosity >= 0:
            self._talk(f"{self.paint('✓', 'green')} ", text)

    def detail(self, text: str) -> None:
        """Write a message for users who asked for details."""
        if self.verbosity >= 1:
            self._talk("", text, style="dim")

    def event(self, painted: str, text: str) -> None:
        """Write a message about an event, with the time."""
        if self.verbosity >= 0:
            now = time.strftime("%H:%M:%S")
            lines = text.replace("\n", "\n    ")  # as no event begins
            self._talk(f"{self.paint(now, 'dim')}  {painted} ", lines, indent=4)

    def warn(self, text: str) -> None:
        """Write a warning, even if quiet."""
        self._talk(f"{self.paint('warning', 'yellow')}: ", text, indent=2)

    def error(self, painted: str, text: str, again: str = "") -> None:
        """Write a line of an error behind its painted head, even if quiet.

        Args:
            painted: The head.
            text: The line.
            again: The painted head of its further parts, where it does not fit the screen.
        """
        inside = len(text) - len(text.lstrip(" ")) + 2
        self._talk(painted, text, indent=_width(again) + inside if again else 4, again=again)

    def error_text(self, text: str) -> None:
        """Write a text of an error that keeps its lines, already escaped, even if quiet."""
        with suppress(OSError):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def confirm(self, question: str) -> bool:
        """Ask a question; `--yes` answers it.

        Raises:
            AnswerNeeded: No person can answer, and --yes was not given.
        """
        if self.assume_yes:
            return True
        return self.ask(f"{question} [y/N]", is_fresh=True).lower() in ("y", "yes")

    def ask(self, question: str, *, options: str = "", is_fresh: bool = False) -> str:
        """Ask a person for a line; an ended input is an empty one.

        Args:
            question: The question.
            options: The options that answer it beside `--yes`, for the hint.
            is_fresh: Whether lines that were typed before the question answer nothing: they were
                not meant for it.

        Raises:
            AnswerNeeded: No person can answer.
        """
        if not self.is_interactive:
            raise AnswerNeeded(question, options)
        if is_fresh:
            _forget_typed()
        with _interrupts_at_once():
            sys.stderr.write(f"{question} ")
            sys.stderr.flush()
            answer = sys.stdin.readline()
        if not answer:
            sys.stderr.write("\n")
        return answer.strip()

    @contextmanager
    def progress(self, title: str) -> Generator[Progress]:
        """Show a line that moves during an operation; only on a screen."""
        if self.verbosity < 0 or self.as_json or not sys.stderr.isatty():
            yield Progress(None)
            return
        from rich.text import Text

        shown = Text(escape_controls(title))  # a text, because a path may look like markup
        with self._console(stderr=True).status(shown, spinner="dots") as status:
            yield Progress(status)

    def paint(self, text: str, style: str, *, stream: str = "stderr") -> str:
        """Colour text if its stream shows colours."""
        is_terminal = (sys.stderr if stream == "stderr" else sys.stdout).isatty()
        if not wants_colour(os.environ, is_terminal=is_terminal, color=self.color):
            return text
        codes = {"red": "1;31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2",
                 "bold": "1"}  # fmt: skip
        return f"\x1b[{codes[style]}m{text}\x1b[0m"

    def _talk(
        self, painted: str, text: str, *, indent: int | None = None, style: str = "",
        again: str = "",
    ) -> None:  # fmt: skip
        """Write a message; a closed stream must not end a host."""
        shown = escape_controls(text)
        if sys.stderr.isatty():
            shown = broken(shown, _columns(sys.stderr), _width(painted), indent)
        if again:
            shown = shown.replace("\n" + " " * _width(again), "\n" + again)
        self.error_text(painted + (self.paint(shown, style) if style else shown))

    def _fitted(self, text: str, *, head: int = 0, indent: int | None = None) -> str:
        """Break the lines of a text for stdout, where that is a screen."""
        return broken(text, self.columns, head, indent) if self.shows_tables else text

    def _console(self, *, stderr: bool) -> Console:
        from rich.console import Console

        stream = sys.stderr if stderr else sys.stdout
        colour = wants_colour(os.environ, is_terminal=stream.isatty(), color=self.color)
        return Console(stderr=stderr, no_color=not colour, highlight=False, emoji=False)


class Progress:
    """The moving line of an operation; invisible without a screen."""

    def __init__(self, status: Status | None) -> None:
        self._status = status

    @property
    def is_shown(self) -> bool:
        """Whether there is a screen for it."""
        return self._status is not None

    def update(self, text: str) -> None:
        """Show the current step."""
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text(escape_controls(text)))

    @contextmanager
    def paused(self) -> Generator[None]:
        """Hide the line during a question."""
        if self._status is None:
            yield
            return
        self._status.stop()
        yield
        self._status.start()


def _columns(stream: TextIO) -> int:
    """Return the width of the screen behind a stream; COLUMNS wins, as everywhere."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or _USUAL
    return _USUAL


def _width(painted: str) -> int:
    """Return the columns that a painted text takes."""
    return len(_PAINT.sub("", painted))


def _forget_typed() -> None:
    """Drop what was typed and not read yet, where the platform can."""
    try:
        import termios
    except ModuleNotFoundError:
        return
    with suppress(termios.error, OSError, ValueError):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


@contextmanager
def _interrupts_at_once() -> Generator[None]:
    """Lets Ctrl-C end a question: an event loop would only note it, and go on reading."""
    import signal

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _to_json(document: Mapping[str, object], indent: int | None = None) -> str:
    """Encode readably where the output can show it, else in ASCII, without control characters."""
    text = "".join(
        each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1]
        for each in json.dumps(document, indent=indent, ensure_ascii=False)
    )
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(document, indent=indent)
    return text


def _one_line(text: str) -> str:
    """Return a cell for a program, whose output may end up on a screen."""
    return escape_controls(text.replace("\t", " ").replace("\n", " ").replace("\r", " "))


def _style(cell: str) -> str:
    styles = {
        "running": "green", "ready": "green", "restarting": "yellow", "stopped": "dim",
        "failed": "red", "given up": "red", "given-up": "red", "quarantined": "red",
    }  # fmt: skip
    return styles.get(cell, "")
