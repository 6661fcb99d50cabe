"""Count what the lines of a log were about, so that old files can go and stay counted.

Each file after the first begins with a line of kind `segment`: how many lines went before it, and
how many of each kind and outcome. When the oldest file goes, a line of kind `retired` says which
lines it had and the hash of the last one. So the rest of the chain still shows whether it begins
where it should.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from .._deciding.decision import Decision
from .blocks import Entry
from .files import first_line
from .lines import AuditEvent, AuditHead, decode

__all__ = ("RETIRED", "SEGMENT", "Tally", "begins_after", "retired_event")

SEGMENT = "segment"
RETIRED = "retired"
_MOST = 40
"""Kinds with outcomes that are counted apart; a stranger's block may make up more."""
_OTHER = "other"
_START = re.compile(
    rb'^\{"n":\d+,"time":([0-9.]+),"kind":("(?:[^"\\]|\\.)*")'
    rb'(?:,"component":"(?:[^"\\]|\\.)*")?(?:,"outcome":"(\w*)")?',
    re.MULTILINE,
)


class Tally:
    """The number of lines since the first one, by kind and outcome."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._since = 0.0

    @classmethod
    def of_file(cls, path: Path) -> Tally:
        """Count the lines of a file, and those that it says went before it."""
        tally = cls()
        start = first_line(path)
        fields = decode(path, 1, start) if start else {}
        if fields.get("kind") == SEGMENT:
            tally._take_over(cast("Mapping[str, object]", fields.get("detail", {})))
        if start:
            for time, kind, outcome in _START.findall(path.read_bytes()):
                tally.add(json.loads(kind), outcome.decode(), float(time))
        return tally

    def add(self, kind: str, outcome: str, time: float, lines: int = 1) -> None:
        """Count lines of a kind and an outcome."""
        key, counts = (kind, outcome), self._counts
        known = counts.get(key)
        if known is None:
            self._since = self._since or time
            key = key if len(counts) < _MOST else (_OTHER, "")
            known = counts.get(key, 0)
        counts[key] = known + lines

    def add_entries(self, entries: Iterable[Entry]) -> None:
        """Count the lines of entries; decisions, of which there are many, together."""
        allowed = denied = 0
        now = 0.0
        for now, event in entries:
            if not isinstance(event, Decision):
                self.add(event.kind, event.outcome, now)
            elif event[0]:
                allowed += 1
            else:
                denied += 1
        for outcome, count in (("allow", allowed), ("deny", denied)):
            if count:
                self.add("decision", outcome, now, count)

    def segment_event(self, head: AuditHead) -> AuditEvent:
        """Return the first line of a file that continues after a head."""
        ordered = sorted(self._counts.items())
        counts = {f"{kind}/{how}" if how else kind: str(count) for (kind, how), count in ordered}
        return AuditEvent(
            SEGMENT,
            outcome="done",
            reason=f"a new file; lines 1 to {head.line:,} are in older ones, or were counted",
            detail={"lines": str(head.line), "since": f"{self._since:.6f}", **counts},
        )

    def _take_over(self, detail: Mapping[str, object]) -> None:
        for key, value in detail.items():
            text = str(value)
            if key == "since":
                self._since = float(text)
            elif key != "lines" and text.isdigit():
                kind, _, outcome = key.rpartition("/") if "/" in key else (key, "", "")
                self._counts[kind, outcome] = self._counts.get((kind, outcome), 0) + int(text)


def retired_event(first: int, after: AuditHead, file: Path) -> AuditEvent:
    """Return the line that says that a file goes, whose last line is `after`."""
    return AuditEvent(
        RETIRED,
        outcome="done",
        resource=file.name,
        reason=f"lines {first:,} to {after.line:,} are removed: the log keeps no more files",
        detail={"first": str(first), "last": str(after.line), "sha256": after.sha256},
    )


def begins_after(fields: Mapping[str, object]) -> AuditHead | None:
    """Return the last line of the file that a line of kind `retired` speaks of."""
    detail = fields.get("detail")
    if fields.get("kind") != RETIRED or not isinstance(detail, dict):
        return None
    found = cast("dict[str, object]", detail)
    try:
        return AuditHead.parse(f"{found.get('last')}:{found.get('sha256')}")
    except ValueError:
        return None
