"""Blocks: lines that were written together, and that one hash covers.

The first line of a block carries, as `prev`, the SHA-256 of the whole block before it; the others
carry only their numbers. So a batch costs one hash, and a line that was written alone is a block of
one: such a log is a chain from line to line, as every log was before there were batches.

A head is a line and the hash of its block up to there. A block that a power loss cut is a shorter
block, and the next one names its hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from .._deciding.decision import Decision
from ..errors import AuditBroken
from .files import all_files, first_line, numbered_lines, tail_lines
from .lines import AuditEvent, AuditHead, encode, encode_decision, line_number, prev_of

__all__ = ("Block", "Entry", "chained", "head_at", "last_head")

Entry = tuple[float, "AuditEvent | Decision"]
"""The time and the content of a line to be."""
_BLOCK_BYTES = 64 * 1024
"""A block ends with the line that exceeds this, so that its start is found from its end."""

_SAME_SECONDS = 0.001
"""Decisions of one batch that are no further apart have the same time: to format it takes longer
than the rest of the line."""


class Block:
    """The lines of a block that were read so far."""

    def __init__(self, line: bytes) -> None:
        self._hash = hashlib.sha256(line)

    def add(self, line: bytes) -> None:
        """Add the next line, without its end."""
        self._hash.update(b"\n" + line)

    @property
    def sha256(self) -> str:
        """The hash up to the newest line."""
        return self._hash.hexdigest()


def chained(entries: Iterable[Entry], head: AuditHead) -> tuple[bytes, AuditHead]:
    """Return the lines of entries after a head, and the head that they end in."""
    number, previous = head
    blocks: list[bytes] = []
    lines: list[str] = []
    size = 0
    stamped, stamp = 0.0, ""
    for now, event in entries:
        number += 1
        prev = "" if lines else previous
        if isinstance(event, Decision):
            if not 0 <= now - stamped < _SAME_SECONDS:
                stamped, stamp = now, f"{now:.6f}"
            line = encode_decision(event, number, stamp, prev)
        else:
            line = encode(event, number, now, prev)
        lines.append(line)
        size += len(line)
        if size > _BLOCK_BYTES:
            previous = _end(lines, blocks)
            size = 0
    if lines:
        previous = _end(lines, blocks)
    return b"".join(blocks), AuditHead(number, previous)


def _end(lines: list[str], blocks: list[bytes]) -> str:
    content = "\n".join(lines).encode()
    lines.clear()
    blocks += (content, b"\n")
    return hashlib.sha256(content).hexdigest()


def last_head(path: Path) -> AuditHead:
    """Return the head of a log; a torn line is not one.

    Raises:
        AuditBroken: Its end is none of a log.
    """
    for file in reversed(all_files(path)):
        if file.exists() and (lines := tail_lines(file)):
            start = len(lines) - 1
            while start > 0 and prev_of(lines[start]) is None:
                start -= 1
            number = line_number(lines[-1], file)
            if prev_of(lines[start]) is None:
                raise AuditBroken(file, 0, "its newest lines have no start")
            return AuditHead(number, hashlib.sha256(b"\n".join(lines[start:])).hexdigest())
    return AuditHead()


def head_at(path: Path, wanted: int) -> AuditHead | None:
    """Return the head that a log had when a line was its newest; None if the line is not there.

    Raises:
        AuditBroken: A line is none of a log.
    """
    for file in reversed(all_files(path)):
        start = first_line(file)
        if not start or line_number(start, file) > wanted:
            continue
        block: Block | None = None
        number = line_number(start, file) - 1
        for _, _, line in numbered_lines((file,), with_torn=True):
            number += 1
            if block is None or prev_of(line) is not None:
                block = Block(line)
            else:
                block.add(line)
            if number == wanted:
                return AuditHead(number, block.sha256)
        return None
    return None
