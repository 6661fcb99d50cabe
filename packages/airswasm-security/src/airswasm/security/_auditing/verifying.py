"""Decide whether a log is whole, and say what it misses.

The chain alone shows a changed, dropped or inserted line, but it cannot vouch for its newest one: a
log that is cut at its end is a shorter log. So a head is kept outside of it, and the log must have
that line. Three of them are kept: in the host's store, beside the log (`mark`), and wherever an
operator copies what `airswasm audit head` prints.

A host that opens a log that was cut goes on, and says so in a line of kind `cut`. That line stays a
fault until an operator accepts it, with a line of kind `accept`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import AuditBroken, AuditFileGone
from .blocks import Block, head_at
from .files import all_files, numbered_lines
from .lines import AuditHead, decode, follow
from .mark import read_mark
from .tally import begins_after

__all__ = ("ACCEPT", "CUT", "AuditReport", "explain_missing", "verify_audit")

CUT = "cut"
ACCEPT = "accept"
_TRIES = 5
_PLACES = {"mark": "beside the log", "store": "in the host's store", "host": "by the host"}


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The result of a verified log.

    Attributes:
        lines: The number of verified lines, over all files.
        first_line: The number of the oldest remaining line.
        head: The newest line.
        files: The files, oldest first.
        torn_bytes: Bytes after the last line's end, which a crash left there.
        compared: The heads that the log was found to have, by where they were kept.
    """

    lines: int
    first_line: int
    head: AuditHead
    files: tuple[Path, ...]
    torn_bytes: int = 0
    compared: Mapping[str, AuditHead] = field(default_factory=dict[str, AuditHead])


def verify_audit(
    path: str | os.PathLike[str],
    *,
    expected_head: AuditHead | None = None,
    heads: Mapping[str, AuditHead] | None = None,
    until: AuditHead | None = None,
    start_may_be_missing: bool = False,
) -> AuditReport:
    """Verify a log and its rotated files, whether or not a process writes it.

    The head beside the log, in `.NAME.mark`, is compared in any case.

    Args:
        path: The file of the `AuditLog`.
        expected_head: A head that the caller kept elsewhere; the log must contain it.
        heads: More of them, by the place where they were kept: `store`.
        until: Stop after this line, which is the newest one; for a log that its host writes
            meanwhile.
        start_may_be_missing: Whether the oldest files may be missing without a line that says so.

    Raises:
        AuditBroken: A line was changed, dropped, added or torn; an expected head or the start is
            missing; or a cut was found earlier and not accepted.
        AuditUnavailable: A file cannot be read.
    """
    log = Path(path)
    wanted = dict(heads or {})
    if expected_head is not None:
        wanted["given"] = expected_head
    marked = (
        read_mark(log) if until is None else None
    )  # before the lines, so that it cannot be ahead of them
    if marked is not None:
        wanted["mark"] = marked
    left = _TRIES
    while True:
        try:
            return _Verification(log, wanted, until).run(start_may_be_missing=start_may_be_missing)
        except AuditFileGone:  # the writer has removed its oldest file meanwhile
            left -= 1
            if not left:
                raise


def explain_missing(path: Path, head: AuditHead, expected: AuditHead) -> str | None:
    """Say what a log with this head misses, that has to have another one; None if nothing.

    What the log no longer keeps cannot be compared, and counts as present.
    """
    if expected.line > head.line:
        return _lines_missing(head.line + 1, expected.line)
    if expected in (head, AuditHead()):
        return None
    try:
        found = head_at(path, expected.line)
    except AuditBroken as error:
        return error.reason
    if found in (None, expected):
        return None
    return f"line {expected.line:,} is not the one that was written"


def _lines_missing(first: int, last: int) -> str:
    if first == last:
        return f"line {last:,} is missing at its end"
    return f"lines {first:,} to {last:,} are missing at its end"


class _Verification:
    """One pass over a log's lines."""

    def __init__(
        self, path: Path, wanted: Mapping[str, AuditHead], until: AuditHead | None
    ) -> None:
        self._path, self._wanted, self._until = path, wanted, until
        self._files = all_files(path)
        self._before: AuditHead | None = None
        self._line = 0
        self._block: Block | None = None
        self._lines = 0
        self._starts = {AuditHead()}
        self._cut: tuple[Path, int, str] | None = None
        self._found: set[AuditHead] = {AuditHead()}

    def run(self, *, start_may_be_missing: bool) -> AuditReport:
        wanted = {each.line for each in self._wanted.values()}
        for file, number, line in numbered_lines(self._files, with_torn=True):
            self._read(file, number, line)
            if self._line in wanted:
                self._found.add(self._head)
            if self._until is not None and self._line >= self._until.line:
                break
        self._judge_start(is_strict=not start_may_be_missing)
        self._judge_end()
        self._judge_cuts()
        first = self._before.line + 1 if self._before is not None else 0
        return AuditReport(
            self._lines, first, self._head, self._files, self._torn_bytes(), dict(self._wanted)
        )

    @property
    def _head(self) -> AuditHead:
        """The newest line that was read."""
        return AuditHead() if self._block is None else AuditHead(self._line, self._block.sha256)

    def _read(self, file: Path, number: int, line: bytes) -> None:
        fields = decode(file, number, line)
        begins = "prev" in fields
        if number == 1 and not begins:
            raise AuditBroken(file, number, "the file's first line names none before it")
        if self._block is None:
            head = self._before = _before_first(file, number, fields)
        else:
            head = self._head if begins else AuditHead(self._line)
        follow(file, number, fields, head)
        if self._block is None or begins:
            self._block = Block(line)
        else:
            self._block.add(line)
        self._line = head.line + 1
        self._lines += 1
        kind = fields["kind"]
        if kind == CUT:
            self._cut = file, number, str(fields.get("reason"))
        elif kind == ACCEPT:
            self._cut = None
        elif (start := begins_after(fields)) is not None:
            self._starts.add(start)

    def _judge_start(self, *, is_strict: bool) -> None:
        before = self._before
        if before is None or before in self._starts or not is_strict:
            return
        what = "line 1 is" if before.line == 1 else f"lines 1 to {before.line:,} are"
        raise AuditBroken(
            self._files[0], 1, f"{what} missing, and no line says that they were removed"
        )

    def _judge_end(self) -> None:
        head = self._head
        for place, expected in self._wanted.items():
            kept = f"by the head that was kept {_PLACES.get(place, 'by you')}"
            if expected.line > head.line:
                missing = _lines_missing(head.line + 1, expected.line)
                raise AuditBroken(self._path, self._lines, f"{missing}, {kept}")
            is_kept = self._before is not None and expected.line > self._before.line
            if is_kept and expected not in self._found:
                reason = f"line {expected.line:,} is not the one that was written, {kept}"
                raise AuditBroken(self._path, self._lines, reason)

    def _judge_cuts(self) -> None:
        if self._cut is not None:
            raise AuditBroken(*self._cut)

    def _torn_bytes(self) -> int:
        if self._until is not None:
            return 0
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, self._path.stat().st_size - 2**20))
                return len(file.read().rpartition(b"\n")[2])
        except FileNotFoundError:
            return 0


def _before_first(file: Path, number: int, fields: Mapping[str, object]) -> AuditHead:
    first, previous = fields["n"], fields.get("prev")
    if type(first) is not int or not isinstance(previous, str):
        raise AuditBroken(file, number, "the line is not one of an audit log")
    before = AuditHead(first - 1, previous)
    if first == 1 and before != AuditHead():
        raise AuditBroken(file, number, "the first line does not start a chain")
    return before
