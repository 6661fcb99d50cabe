"""A bound for the depth of JSON, whose parser recurses in C.

CPython measures its C stack in linear memory, and WebAssembly keeps the frames elsewhere: a text
that nests deep enough would end the instance, and no `except` would see it. Python's own recursion
is bounded by `sys.getrecursionlimit`.
"""

import json.decoder
import re

MOST_DEPTH = 2_000
_TEXT = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_OTHER = re.compile(r"[^][{}]++")


def _check(text):
    if text.count("[") + text.count("{") <= MOST_DEPTH:
        return
    brackets, depth = _OTHER.sub("", _TEXT.sub("", text)), 0
    while depth <= MOST_DEPTH:
        fewer = brackets.replace("[]", "").replace("{}", "")
        if len(fewer) == len(brackets):  # what is left has no end: it nests as deep as it opens
            break
        brackets, depth = fewer, depth + 1
    if depth + brackets.count("[") + brackets.count("{") > MOST_DEPTH:
        raise RecursionError(f"JSON that nests more than {MOST_DEPTH:,} deep")


def install():
    """Put the bound in front of the parser that `json.loads` uses."""
    scan = json.decoder.JSONDecoder.raw_decode

    def raw_decode(self, s, idx=0):
        """Decode a document from the beginning of a text."""
        _check(s)
        return scan(self, s, idx)

    json.decoder.JSONDecoder.raw_decode = raw_decode
