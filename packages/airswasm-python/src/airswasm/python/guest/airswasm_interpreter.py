"""The interpreter's exports: they run the classes of the component that the host serves.

An exception that leaves an export would end the instance. Here it is an answer: the message, or the
start, is refused with its text, and the log has the traceback.
"""

import airswasm_depth
import airswasm_library
import airswasm_loop
import airswasm_snapshot
import airswasm_snippets
import airswasm_sources

airswasm_library.import_most()

import importlib
import marshal
import os
import pkgutil
import random
import sys
import tempfile
import traceback

import wit_world.imports
from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import logging

for _each in pkgutil.iter_modules(wit_world.imports.__path__, "wit_world.imports."):
    importlib.import_module(_each.name)

_MOST_TRACEBACK = 16_000
_MOST_FRAMES = 30
"""Of a traceback, the last ones: each costs a parse of its line, for the marks below it."""
_app = {}


def wake():
    """Renew what the snapshot has of the machine that made it."""
    if "awake" not in _app:
        _app["awake"] = True
        random.seed()
        tempfile._name_sequence = None
        os.reload_environ()


def _class(name):
    """Return the instance of one of the component's classes; None where it has no such class."""
    wake()
    if "module" not in _app:
        _app["module"] = importlib.import_module(airswasm_sources.find_entry())
    if name not in _app:
        found = getattr(_app["module"], name, None)
        _app[name] = None if found is None else found()
    return _app[name]


def _text(error):
    """Return an exception as one short text."""
    try:
        text = str(error)
    except Exception:
        text = ""
    name = type(error).__name__
    return f"{name}: {text}"[:2_000] if text else name


def _trace(error):
    frames = error.__traceback__
    while frames is not None and not frames.tb_frame.f_code.co_filename.startswith("/app/"):
        frames = frames.tb_next
    try:
        lines = traceback.format_exception(
            type(error), error, frames or error.__traceback__, limit=-_MOST_FRAMES
        )
    except Exception:
        return _text(error)
    text = "".join(lines).rstrip()
    return text if len(text) <= _MOST_TRACEBACK else f"…{text[-_MOST_TRACEBACK:]}"


def _log(error):
    for line in _trace(error).splitlines():
        logging.log(logging.Level.ERROR, line)


def _answer(call):
    """Call, and turn what it raises into an error of the contract."""
    try:
        return call()
    except Err:
        raise
    except BaseException as error:
        _log(error)
        raise Err(_text(error)) from None


def _run(call):
    """Call what has no answer; what it raises is in the log."""
    try:
        call()
    except BaseException as error:
        _log(error)


class Lifecycle(exports.Lifecycle):
    """Start and stop."""

    def init(self, config):
        """Import the component, and call its `init`."""

        def start():
            found = _class("Lifecycle")
            _class("Handler")
            if found is not None:
                found.init(config)

        _answer(start)

    def shutdown(self):
        """Call its `shutdown`."""
        _run(lambda: (found := _class("Lifecycle")) is not None and found.shutdown())


class Handler(exports.Handler):
    """Messages."""

    def handle_message(self, sender, topic, payload):
        """Let the component handle a message."""

        def handle():
            found = _class("Handler")
            if found is None:
                raise Err(f"{airswasm_sources.find_entry()} has no class Handler")
            return found.handle_message(sender, topic, payload)

        return _answer(handle)


class Callbacks(exports.Callbacks):
    """Answers to requests."""

    def handle_callback(self, request_id, outcome):
        """Let the component handle one."""
        _run(lambda: _class("Callbacks").handle_callback(request_id, outcome))


class Health(exports.Health):
    """The component's own view of whether it works."""

    def check(self):
        """Ask it."""
        _answer(lambda: _class("Health").check())


class Migration(exports.Migration):
    """Taking over what an earlier version stored."""

    def migrate(self, from_version):
        """Let the component do it."""
        _answer(lambda: _class("Migration").migrate(from_version))


class Compiler(exports.Compiler):
    """Compiles sources, and runs none."""

    def compile(self, source, path):
        """Return the marshalled code."""
        try:
            code = compile(source, airswasm_sources.ROOT + path, "exec", dont_inherit=True)
            return marshal.dumps(code)
        except SyntaxError as error:
            raise Err(f"{error.lineno or 1}: {error.msg}") from None
        except (ValueError, RecursionError, MemoryError, OverflowError) as error:
            raise Err(f"1: {_text(error)}") from None


class Snippets(exports.Snippets):
    """Runs texts without a component."""

    def run(self, source, most_bytes):
        """Run one."""
        wake()
        scope = _app.setdefault("scope", {"__name__": "__main__", "__builtins__": __builtins__})
        return airswasm_snippets.run(source, most_bytes, scope)


airswasm_library.keep_rest()
airswasm_loop.install()
airswasm_depth.install()
sys.dont_write_bytecode = True
sys.meta_path[:] = [
    *(each for each in sys.meta_path if "PathFinder" not in repr(each)),
    airswasm_library.LibraryFinder,
    airswasm_sources.SourceFinder,
    airswasm_library.AbsenceFinder,
]
sys.path[:] = [airswasm_sources.ROOT]
sys.path_importer_cache.clear()
airswasm_snippets.run(airswasm_snapshot.WARM_UP, 1_000, {"__name__": "__main__"})
_app.clear()
_kept = airswasm_snapshot.settle()
