"""The sinks that this package brings: syslog, a file elsewhere, standard output, structlog."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import ClassVar, Protocol

__all__ = ("OUTLETS", "FileOutlet", "LineSink", "StandardOutput", "StructlogOutlet", "SyslogOutlet")

_MOST_SYSLOG_CHARS = 8_192
_LOCAL_SOCKET = "/dev/log"


class LineSink(Protocol):
    """Another place for lines. All of its methods are called in one thread."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Write lines of JSON, without their ends. It may wait; an error loses the lines."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class SyslogOutlet:
    """A syslog daemon, or journald, which reads the same socket.

    Args:
        address: The path of its socket; `HOST:PORT` for UDP; empty for `/dev/log`.
    """

    facility: ClassVar[int] = SysLogHandler.LOG_AUTHPRIV

    def __init__(self, address: str = "") -> None:
        host, _, port = address.rpartition(":")
        target = (host, int(port)) if host and "/" not in address else address
        self._handler = _Handler(target or _LOCAL_SOCKET, facility=self.facility)
        self._handler.ident = f"airswasm[{os.getpid()}]: "

    def write(self, lines: Sequence[bytes]) -> None:
        """Send each line as one message, cut to 8,192 characters."""
        for line in lines:
            text = line.decode("ascii", "replace")[:_MOST_SYSLOG_CHARS]
            record = {"msg": text, "levelno": logging.INFO, "levelname": self.level(line)}
            self._handler.emit(logging.makeLogRecord(record))

    def level(self, line: bytes) -> str:
        """Return the level of a line, as Python's `logging` names it."""
        del line
        return "INFO"

    def close(self) -> None:
        """Close the socket."""
        self._handler.close()


class _Handler(SysLogHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Let the feed count the failure, instead of printing it."""
        del record
        error = sys.exception()
        if error is not None:
            raise error


class FileOutlet:
    """A file to append to, on another disk for example.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        if not path:
            raise ValueError("it needs a path: file:/mnt/elsewhere/audit.jsonl")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file = os.fdopen(os.open(Path(path), flags, 0o600), "ab", buffering=0)

    def write(self, lines: Sequence[bytes]) -> None:
        """Append lines."""
        self._file.write(b"".join(line + b"\n" for line in lines))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class StandardOutput:
    """The standard output of the host, as containers expect it."""

    def __init__(self, argument: str = "") -> None:
        del argument

    def write(self, lines: Sequence[bytes]) -> None:
        """Print lines."""
        sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))
        sys.stdout.buffer.flush()

    def close(self) -> None:
        """Do nothing: the stream is the process's."""


class StructlogOutlet:
    """The structlog of the program that embeds the host: the extra `airswasm-security[structlog]`.

    Args:
        name: The logger's name; empty for `airswasm.audit`.
    """

    def __init__(self, name: str = "") -> None:
        import structlog

        self._logger = structlog.get_logger(name or "airswasm.audit")

    def write(self, lines: Sequence[bytes]) -> None:
        """Log each line's fields; the event is its kind."""
        for line in lines:
            fields: Mapping[str, object] = json.loads(line)
            rest = {key: value for key, value in fields.items() if key != "kind"}
            self._logger.info(str(fields["kind"]), **rest)

    def close(self) -> None:
        """Do nothing: the loggers are the program's."""


OUTLETS: Mapping[str, Callable[[str], LineSink]] = {
    "syslog": SyslogOutlet,
    "file": FileOutlet,
    "stdout": StandardOutput,
    "structlog": StructlogOutlet,
}
