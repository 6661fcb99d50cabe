"""What the command says, and where: stdout is data, stderr is talk.

One object holds the decisions that every verb would otherwise make anew: is
there a terminal, are there colours, does anyone want talk at all, may we ask.
It also keeps what guests wrote from steering the reader's terminal: control
characters are escaped on their way to a screen, and kept on their way to a
file. rich is imported only when a table or a progress line is really drawn.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import AnswerNeeded

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

__all__ = ("Progress", "Terminal", "escape_controls", "wants_colour")

_NARROW_COLUMNS = 60
_KEEP = {"\n", "\t"}


def wants_colour(environment: Mapping[str, str], *, is_terminal: bool, color: str) -> bool:
    """Whether to colour: the setting, NO_COLOR, FORCE_COLOR, TERM=dumb, then the terminal."""
    if color in ("always", "never"):
        return color == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return is_terminal and environment.get("TERM") != "dumb"


def escape_controls(text: str) -> str:
    """Makes control and bidirectional characters visible, so that no text can move the cursor."""
    if text.isprintable():
        return text
    return "".join(_escape(character) for character in text)


def _escape(character: str) -> str:
    if character in _KEEP or character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where one verb reads and writes.

    Attributes:
        as_json: Data is one JSON document; errors are JSON too.
        verbosity: -1 quiet, 0 usual, 1 and 2 more.
        color: `auto`, `always` or `never`.
        assume_yes: Every question is answered with yes.
        no_input: Never ask.
    """

    as_json: bool = False
    verbosity: int = 0
    color: str = "auto"
    assume_yes: bool = False
    no_input: bool = False

    @property
    def is_interactive(self) -> bool:
        """Whether a person can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not self.no_input

    @property
    def shows_tables(self) -> bool:
        """Whether data goes to a screen rather than to a program."""
        return sys.stdout.isatty() and not self.as_json

    def data(self, text: str) -> None:
        """Writes a line of data."""
        sys.stdout.write((escape_controls(text) if sys.stdout.isatty() else text) + "\n")

    def raw(self, content: bytes) -> None:
        """Writes bytes as they are to a file or pipe; readable, with a newline, to a screen."""
        if sys.stdout.isatty():
            self.data(content.decode("utf-8", "backslashreplace"))
            return
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()

    def document(self, schema: str, content: Mapping[str, object]) -> None:
        """Writes one versioned JSON document, on one line when a program reads it."""
        indent = 2 if sys.stdout.isatty() else None
        document = {"schema": f"airswasm.{schema}", **content}
        sys.stdout.write(_to_json(document, indent) + "\n")

    def stream(self, schema: str, content: Mapping[str, object]) -> None:
        """Writes one line of a stream of JSON documents, at once."""
        sys.stdout.write(_to_json({"schema": f"airswasm.{schema}", **content}) + "\n")
        sys.stdout.flush()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Writes rows: a table on a screen, tab-separated without a head for a program.

        On a screen too narrow for a table, every row is a list of names and values.
        """
        if not self.shows_tables:
            for row in rows:
                sys.stdout.write("\t".join(_one_line(cell) for cell in row) + "\n")
            return
        console = self._console(stderr=False)
        if console.width < _NARROW_COLUMNS:
            for row in rows:
                self.fields([pair for pair in zip(columns, row, strict=True) if pair[1] != "-"])
                sys.stdout.write("\n")
            return
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(escape_controls(cell), style=_style(cell)) for cell in row))
        console.print(table)

    def fields(self, fields: Sequence[tuple[str, str]]) -> None:
        """Writes names and values: aligned on a screen, tab-separated for a program."""
        if not self.shows_tables:
            for name, value in fields:
                sys.stdout.write(f"{name}\t{_one_line(value)}\n")
            return
        width = max((len(name) for name, _ in fields), default=0)
        for name, value in fields:
            shown = escape_controls(value).replace("\n", "\n" + " " * (width + 2))
            self.data_styled(f"{self.paint(name.ljust(width), 'dim', stream='stdout')}  {shown}")

    def finding(self, mark: str, name: str, text: str) -> None:
        """Writes one line of a check-up."""
        sys.stdout.write(f"{mark} {name:<10} {escape_controls(text)}\n")

    def line(self, painted: str, text: str) -> None:
        """Writes one line of a stream at once: a painted head, and text of a guest's."""
        sys.stdout.write(painted + escape_controls(text).replace("\n", "\n    ") + "\n")
        sys.stdout.flush()

    def data_styled(self, text: str) -> None:
        """Writes a line that was escaped and painted already."""
        sys.stdout.write(text + "\n")

    def say(self, text: str) -> None:
        """Tells people something, unless they asked for quiet."""
        if self.verbosity >= 0:
            self._talk(escape_controls(text))

    def headline(self, text: str) -> None:
        """Tells people something, in bold."""
        if self.verbosity >= 0:
            self._talk(self.paint(escape_controls(text), "bold"))

    def done(self, text: str) -> None:
        """Tells people that something worked."""
        if self.verbosity >= 0:
            self._talk(f"{self.paint('✓', 'green')} {escape_controls(text)}")

    def detail(self, text: str) -> None:
        """Tells people who asked for more."""
        if self.verbosity >= 1:
            self._talk(self.paint(escape_controls(text), "dim"))

    def event(self, painted: str, text: str) -> None:
        """Tells people about something that just happened, with the time."""
        if self.verbosity >= 0:
            now = time.strftime("%H:%M:%S")
            shown = escape_controls(text).replace("\n", "\n    ")  # as no event begins
            self._talk(f"{self.paint(now, 'dim')}  {painted} {shown}")

    def warn(self, text: str) -> None:
        """Warns, also when quiet."""
        self._talk(f"{self.paint('warning', 'yellow')}: {escape_controls(text)}")

    def error(self, text: str) -> None:
        """Writes what `problem` rendered, also when quiet."""
        self._talk(text)

    def confirm(self, question: str) -> bool:
        """Asks; `--yes` answers.

        Raises:
            AnswerNeeded: Nobody can be asked and --yes was not given.
        """
        if self.assume_yes:
            return True
        if not self.is_interactive:
            raise AnswerNeeded(question)
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        with _interrupts_at_once():
            answer = sys.stdin.readline()
        if not answer:
            sys.stderr.write("\n")
        return answer.strip().lower() in ("y", "yes")

    @contextmanager
    def progress(self, title: str) -> Generator[Progress]:
        """A line that moves while something lasts; only on a screen."""
        if self.verbosity < 0 or self.as_json or not sys.stderr.isatty():
            yield Progress(None)
            return
        with self._console(stderr=True).status(title, spinner="dots") as status:
            yield Progress(status)

    def paint(self, text: str, style: str, *, stream: str = "stderr") -> str:
        """Colours text when its stream shows colours."""
        is_terminal = (sys.stderr if stream == "stderr" else sys.stdout).isatty()
        if not wants_colour(os.environ, is_terminal=is_terminal, color=self.color):
            return text
        codes = {"red": "1;31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2",
                 "bold": "1"}  # fmt: skip
        return f"\x1b[{codes[style]}m{text}\x1b[0m"

    def _talk(self, text: str) -> None:
        """What nobody can hear any more is lost; that must not end a host."""
        with suppress(OSError):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def _console(self, *, stderr: bool) -> Console:
        from rich.console import Console

        stream = sys.stderr if stderr else sys.stdout
        colour = wants_colour(os.environ, is_terminal=stream.isatty(), color=self.color)
        return Console(stderr=stderr, no_color=not colour, highlight=False, emoji=False)


class Progress:
    """The moving line of something that lasts; nothing where there is no screen."""

    def __init__(self, status: Status | None) -> None:
        self._status = status

    def update(self, text: str) -> None:
        """Says what is being done now."""
        if self._status is not None:
            self._status.update(escape_controls(text).replace("[", "\\["))

    @contextmanager
    def paused(self) -> Generator[None]:
        """Leaves the screen to a question."""
        if self._status is None:
            yield
            return
        self._status.stop()
        yield
        self._status.start()


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
    """Readable where the output can show it, ASCII where it cannot, and never a control."""
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
    """A cell for a program, and for the screen that its output may end on."""
    return escape_controls(text.replace("\t", " ").replace("\n", " ").replace("\r", " "))


def _style(cell: str) -> str:
    styles = {"running": "green", "ready": "green", "failed": "red", "given up": "red",
              "given-up": "red", "restarting": "yellow", "stopped": "dim"}  # fmt: skip
    return styles.get(cell, "")
