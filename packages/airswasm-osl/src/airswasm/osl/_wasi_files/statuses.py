"""Kinds, sizes and times of files, as wasi:filesystem has them."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping

from airswasm.runtime import Case
from airswasm.runtime.wasi import as_datetime

from .._files.held import Kind, kind_of

__all__ = ("TYPES", "set_file_times", "stat_record")

TYPES: dict[Kind, str] = {
    "file": "regular-file",
    "directory": "directory",
    "other": "unknown",
}


def stat_record(status: os.stat_result) -> Mapping[str, object]:
    is_link = stat.S_ISLNK(status.st_mode)
    return {
        "type": "symbolic-link" if is_link else TYPES[kind_of(status.st_mode)],
        "link_count": status.st_nlink,
        "size": status.st_size,
        "data_access_timestamp": as_datetime(status.st_atime_ns),
        "data_modification_timestamp": as_datetime(status.st_mtime_ns),
        "status_change_timestamp": as_datetime(status.st_ctime_ns),
    }


def set_file_times(fd: int, accessed: Case, modified: Case) -> None:
    status = os.fstat(fd)
    os.utime(
        fd,
        ns=(
            _new_time_ns(accessed, status.st_atime_ns),
            _new_time_ns(modified, status.st_mtime_ns),
        ),
    )


def _new_time_ns(wanted: Case, current_ns: int) -> int:
    if wanted.name == "no-change":
        return current_ns
    if wanted.name == "now":
        return time.time_ns()
    moment = wanted.value
    ns = getattr(moment, "seconds", 0) * 1_000_000_000 + getattr(moment, "nanoseconds", 0)
    return min(int(ns), 2**62)
