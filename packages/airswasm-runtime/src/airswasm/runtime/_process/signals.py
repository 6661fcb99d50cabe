"""Keeps signal handlers out of this package's frames.

Python runs a signal's handler between two bytecodes of the main thread. While a
guest computes there, the next Python code may well be the first instruction of a
callback, before its guard begins: what the handler of Ctrl-C raises there is
lost, and the engine, left without an answer, aborts the process. Elsewhere it
would part a library call from the note that it was made. So while an engine runs
on the main thread, a signal that meets one of these frames is raised again a
millisecond later. Host functions are interrupted as any other code.

Only handlers that are there when the engine is entered are wrapped.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

Handler = Callable[[int, FrameType | None], Any]

_LATER = 0.001  # seconds
_HERE = f"{Path(__file__).parents[1]}{os.sep}"


class SignalHandlers:
    """An engine's hold on the wrapped handlers; without effect off the main thread.

    Handlers are the process's: the first engine wraps them, the last puts them back.
    """

    _holding = 0
    _wrapped: ClassVar[dict[int, tuple[Handler, Handler]]] = {}

    def __init__(self) -> None:
        self._holds = False

    def wrap(self) -> None:
        """Wrap every handler that is written in Python."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._holds = True
        SignalHandlers._holding += 1
        for number in signal.valid_signals():
            handler = signal.getsignal(number)
            known = self._wrapped.get(number)
            if callable(handler) and (known is None or known[1] is not handler):
                wrapper = _putting_off(handler)
                signal.signal(number, wrapper)
                self._wrapped[number] = handler, wrapper

    def restore(self) -> None:
        """Put them back, except where the program has put another since."""
        if not self._holds:
            return
        self._holds = False
        SignalHandlers._holding -= 1
        if SignalHandlers._holding:
            return
        for number, (handler, wrapper) in self._wrapped.items():
            if signal.getsignal(number) is wrapper:
                signal.signal(number, handler)
        self._wrapped.clear()


def _putting_off(handler: Handler) -> Handler:
    def wrapper(number: int, frame: FrameType | None) -> Any:
        # `wrapper` is of this package too: another signal may come while it runs
        if frame is not None and frame.f_code.co_filename.startswith(_HERE):
            _thread.start_new_thread(_raise_later, (number,))
            return None
        return handler(number, frame)

    return wrapper


def _raise_later(number: int) -> None:
    time.sleep(_LATER)
    _thread.interrupt_main(signal.Signals(number))  # does nothing where no handler is left
