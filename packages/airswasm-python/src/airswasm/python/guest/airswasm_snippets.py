"""Runs a text, with what it prints and the value of its last expression as the answer."""

import ast
import contextlib
import io
import json
import linecache
import traceback

_FILE = "<snippet>"


class _Bounded(io.StringIO):
    """Keeps the first characters that are written, and drops the rest."""

    def __init__(self, most):
        super().__init__()
        self._left = most

    def write(self, text):
        if self._left > 0:
            super().write(text[: self._left])
            self._left -= len(text)
        return len(text)


def run(source, most_bytes, scope):
    """Run a text in a scope, and return the answer as JSON."""
    out = _Bounded(most_bytes)
    answer = {}
    linecache.cache[_FILE] = (len(source), None, source.splitlines(True), _FILE)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            value = _evaluate(source, scope)
            if value is not None:
                answer["value"] = repr(value)[:most_bytes]
    except BaseException as error:
        answer["error"] = _shown(error)[:most_bytes]
    answer["out"] = out.getvalue()
    return json.dumps(answer)


def _evaluate(source, scope):
    tree = ast.parse(source, _FILE)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    exec(compile(tree, _FILE, "exec"), scope)
    return None if last is None else eval(compile(last, _FILE, "eval"), scope)


def _shown(error):
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != _FILE:
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, trace, limit=-30))
    except Exception:
        return f"{type(error).__name__}, which cannot be shown\n"
