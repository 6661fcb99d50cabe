"""Printed text becomes safe lines, bounded in length and rate."""

from __future__ import annotations

import itertools

import pytest
from airswasm.runtime.wasi._stdio import UNSAFE, LineLimits, LineOutput, escape
from hypothesis import given
from hypothesis import strategies as st


class StoppedClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


def printed(*pieces: bytes, limits: LineLimits | None = None) -> list[str]:
    lines: list[str] = []
    output = LineOutput(lines.append, limits or LineLimits(), StoppedClock())
    for piece in pieces:
        output.write(piece)
    output.end()
    return lines


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_pieces_do_not_matter(data: bytes, cuts: list[int]) -> None:
    """However a guest cuts its writes, also within a character, the lines are the same."""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert printed(*pieces) == printed(data)


@given(st.text())
def test_nothing_unsafe_is_left(text: str) -> None:
    """No line holds a character that steers a terminal, ends a line or reorders text."""
    for line in printed(text.encode("utf-8", "surrogatepass")):
        assert UNSAFE.search(line) is None
        assert "\n" not in line


def test_escapes_are_visible() -> None:
    """Clipboard writes, forged entries and reordered text are shown, not obeyed."""
    assert escape("\x1b]52;c;AAAA\x07") == r"\x1b]52;c;AAAA\x07"
    assert escape("a\r{}\n") == r"a\r{}\n"
    assert escape("\u202eevil\u2028x") == r"\u202eevil\u2028x"
    assert escape("one\u200bname\ud800") == r"one\u200bname\ud800"
    assert escape("tab\tumlaut ä 👍") == "tab\tumlaut ä 👍"


@given(st.text(st.characters(codec=None), max_size=100))
def test_whatever_is_escaped_is_one_line_that_a_file_takes(text: str) -> None:
    """And nothing is left to escape."""
    escaped = escape(text)
    assert UNSAFE.search(escaped) is None
    assert len(escaped.splitlines()) <= 1
    escaped.encode()


def test_a_forged_line_is_a_line_of_the_guest() -> None:
    """A line break in printed text starts another line of the same guest, nothing else."""
    assert printed(b'x\n{"level":"info"}') == ["x", '{"level":"info"}']


def test_a_carriage_return_before_the_end_is_part_of_the_end() -> None:
    """Text with Windows line ends reads as text."""
    assert printed(b"one\r\ntwo\r\n") == ["one", "two"]


def test_invalid_utf8_is_shown() -> None:
    """Bytes that are no text do not end the guest and are not lost."""
    assert printed(b"a\xff\n") == ["a\\xff"]


def test_a_long_line_is_cut_and_says_so() -> None:
    """A line of 100 MB costs the host `line_bytes` of memory."""
    limits = LineLimits(line_bytes=10)
    assert printed(b"x" * 64, b"x" * 36 + b"\nnext\n", limits=limits) == [
        "x" * 10 + " [90 bytes cut]",
        "next",
    ]


def test_a_flood_is_dropped_and_counted() -> None:
    """Lines beyond the rate are dropped; the next that passes is preceded by their number."""
    lines: list[str] = []
    clock = StoppedClock()
    limits = LineLimits(lines_per_second=10, burst_lines=2)
    output = LineOutput(lines.append, limits, clock)
    output.write(b"line\n" * 1000)
    assert lines == ["line", "line"]
    clock.ns = 1_000_000_000
    output.write(b"later\n")
    assert lines[2:] == ["[998 lines dropped: more than 10 lines a second]", "later"]


def test_a_partial_line_waits_for_its_end() -> None:
    """`flush` in the middle of a line does not cut it; the end of the call does."""
    lines: list[str] = []
    output = LineOutput(lines.append, LineLimits(), StoppedClock())
    output.write(b"half")
    output.flush()
    assert lines == []
    output.end()
    output.end()
    assert lines == ["half"]


def test_a_flood_of_line_ends_is_counted_not_walked() -> None:
    """What the rate refuses is counted at once: 65,536 empty lines are not as many steps."""
    asked = 0

    def clock() -> int:
        nonlocal asked
        asked += 1
        return 0

    lines: list[str] = []
    output = LineOutput(lines.append, LineLimits(burst_lines=10), clock)
    output.write(b"\n" * 65_000 + b"rest")
    output.end()
    assert asked < 20
    assert lines[-1].startswith("[64,991 lines dropped")


@pytest.mark.parametrize("character", ["\x01", "\u202e", "\n", "\ud800"])
def test_a_line_of_nothing_but_control_characters_is_escaped_by_table(character: str) -> None:
    """Each is written out, whatever their number; no function runs for each."""
    assert escape(character * 8192) == escape(character) * 8192


def test_the_table_knows_every_unsafe_character() -> None:
    """What the pattern finds is what the table replaces."""
    for code in range(0x110000):
        assert (escape(chr(code)) == chr(code)) == (UNSAFE.match(chr(code)) is None), hex(code)
