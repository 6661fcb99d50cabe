"""Python's `logging` into the component's log."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

from ._host import find_current

__all__ = ("HostHandler", "logging_to_host")

_LEVELS = (
    (logging.ERROR, "error"),
    (logging.WARNING, "warn"),
    (logging.INFO, "info"),
    (logging.DEBUG, "debug"),
)


class HostHandler(logging.Handler):
    """Hands each record to the host of the component in whose call it was made."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; without effect outside of a call."""
        running = find_current()
        if running is not None:
            level = next((name for least, name in _LEVELS if record.levelno >= least), "trace")
            running.host.log(level, self.format(record))


@contextmanager
def logging_to_host(level: int = logging.INFO) -> Generator[None]:
    """Attach the handler to the root logger, and detach it again."""
    root, handler, before = logging.getLogger(), HostHandler(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(min(level, before) if before else level)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
