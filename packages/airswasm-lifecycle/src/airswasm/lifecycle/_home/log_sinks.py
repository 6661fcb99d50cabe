"""Copies of log lines for other programs: syslog, journald, standard output, a file.

The sinks are those of the audit log, each with a thread and a bounded queue of its own, so that a
daemon that hangs holds up no component. Lines of components have levels, and another facility.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from logging.handlers import SysLogHandler
from typing import cast

from airswasm.security import OUTLETS, AuditSinks, OpenSink, SyslogOutlet

from .logfiles import LogLimits

__all__ = ("open_sinks",)

_JOURNAL_SOCKET = "/run/systemd/journal/socket"
_SYSLOG_LEVELS = {
    "trace": "DEBUG",
    "debug": "DEBUG",
    "info": "INFO",
    "warn": "WARNING",
    "error": "ERROR",
}
_PRIORITIES = {"trace": 7, "debug": 7, "info": 6, "warn": 4, "error": 3}


class LogSyslog(SyslogOutlet):
    """A syslog daemon, with the level of each line and the facility `daemon`."""

    facility = SysLogHandler.LOG_DAEMON

    def level(self, line: bytes) -> str:
        """Return the level of a line."""
        return _SYSLOG_LEVELS.get(_level(line), "INFO")


class Journal:
    """systemd's journal, by its own protocol, so that component and trace are fields of it.

    Args:
        path: The path of its socket; empty for the usual one.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path or _JOURNAL_SOCKET
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.connect(self._path)
        except OSError:
            self._socket.close()
            raise

    def write(self, lines: Sequence[bytes]) -> None:
        """Send each line as one entry."""
        for line in lines:
            said: Mapping[str, object] = json.loads(line)
            fields = said.get("fields")
            more = cast("dict[str, object]", fields) if isinstance(fields, dict) else {}
            self._socket.send(
                b"".join(
                    _field(name, value)
                    for name, value in {
                        "MESSAGE": f"{said['component']}: {said['message']}",
                        "PRIORITY": _PRIORITIES.get(str(said["level"]), 6),
                        "SYSLOG_IDENTIFIER": "airswasm",
                        "AIRSWASM_COMPONENT": said["component"],
                        "AIRSWASM_SOURCE": said["source"],
                        "AIRSWASM_TRACE_ID": more.get("trace_id", ""),
                        "AIRSWASM_SPAN_ID": more.get("span_id", ""),
                    }.items()
                    if value != ""
                )
            )

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def open_sinks(limits: LogLimits) -> AuditSinks:
    """Open the sinks of the settings.

    Raises:
        AuditSinkUnusable: One of them cannot be opened.
    """
    outlets: dict[str, OpenSink] = {**OUTLETS, "syslog": LogSyslog, "journald": Journal}
    return AuditSinks(limits.sinks, most_lines=limits.sink_lines, outlets=outlets, kind="log sink")


def _level(line: bytes) -> str:
    return str(json.loads(line)["level"])


def _field(name: str, value: object) -> bytes:
    """Return a field of an entry; its lines have no line ends, which would begin another one."""
    return f"{name}={value}".replace("\n", " ").encode("utf-8", "replace") + b"\n"
