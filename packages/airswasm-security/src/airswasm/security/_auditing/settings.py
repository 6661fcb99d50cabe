"""The section `[audit]` of config.toml: what the audit log has, its bounds, and its copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ("AuditSettings",)


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """`[audit]`: what the audit log has, and its bounds.

    Attributes:
        allowed_lines: The allowed calls that get an audit line: `every` one, without a bound; the
            `first` of its kind; or `none`. Denials always get one.
        messages: Whether each handled message gets a line, in `messages.jsonl` beside the log.
        durability: When audit lines reach the disk: `line` before each effect, `batch` within a
            second, `os` at the operating system's choice.
        wait_seconds: The longest time that the lines of denials and reads wait to be written with
            others, while the log is busy; 0 writes each at once. Other lines never wait.
        file_bytes: Size at which the log starts a new file.
        files: Older files that are kept; 0 for all.
        burst: Lines that a component has at once, for denials and for allowed calls each; what
            goes beyond is counted.
        lines_per_second: Lines that it earns.
        effects: The results of allowed calls that get an audit line, after the effect: `every` one;
            all but reads that went well (`changes`); those that `failed`; or `none`.
        effects_burst: Lines of effects that a component has at once; what goes beyond is summed.
        effects_per_second: Lines of effects that it earns.
        head_lines: Lines after which the host's store gets the newest head.
        head_seconds: Seconds after which it does, if there are new lines.
        sinks: Other places that get a copy of each line of a running host: `syslog`,
            `syslog:ADDRESS`, `file:PATH`, `stdout`, `structlog`, or one of an installed package.
        sink_lines: Lines that may wait for a slow sink before it loses some.
    """

    allowed_lines: Literal["every", "first", "none"] = "first"
    messages: bool = False
    durability: Literal["line", "batch", "os"] = "batch"
    wait_seconds: float = 0.01
    file_bytes: int = 16 * 2**20
    files: int = 8
    burst: int = 1_000
    lines_per_second: float = 20.0
    effects: Literal["every", "changes", "failed", "none"] = "changes"
    effects_burst: int = 100
    effects_per_second: float = 1.0
    head_lines: int = 1_000
    head_seconds: float = 10.0
    sinks: tuple[str, ...] = ()
    sink_lines: int = 10_000

    def __post_init__(self) -> None:
        if self.file_bytes < 64 * 2**10:
            raise ValueError("file_bytes must be at least 64 KiB")
        if not 0 <= self.wait_seconds <= 1:
            raise ValueError("wait_seconds must be from 0 to 1")
        names = ("files", "burst", "lines_per_second", "effects_burst", "effects_per_second")
        for name in names:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        for name in ("head_lines", "head_seconds", "sink_lines"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0")

    @property
    def keep_files(self) -> int | None:
        """The number of older files to keep; None for all."""
        return self.files or None
