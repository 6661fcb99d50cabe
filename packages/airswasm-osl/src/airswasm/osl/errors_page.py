"""Print `docs/os-errors.md` from the table of the operating system's errors.

    python -m airswasm.osl.errors_page > docs/os-errors.md

A test holds the file equal to this output, so the page cannot drift from the code.
"""

# ruff: noqa: E501 - a paragraph of the page is one line
from __future__ import annotations

import sys

from ._system_errors import SYSTEM_ERRORS

__all__ = ("errors_page",)

_HEAD = """\
# Errors of the operating system
<!-- Written by `python -m airswasm.osl.errors_page`; change the table in `_system_errors.py`, not this page. -->

An error of the operating system reaches a component as a case of `os-error` where it calls `filesystem`, `process`, `tcp`, `udp` or `http`, and as a code where it calls `wasi:filesystem` or `wasi:sockets`, hence by `open()` or `connect()` of its language. A component decides by the case or the code; the text is for people. It names what the component asked for in the component's own terms and never a path of the host.

A denial by the guard is `denied` with the line of Component.toml that would grant it. A code of WASI carries no text, so the line is on the component's stderr.

| error | it says | `os-error` | `wasi:filesystem` | `wasi:sockets` |
|---|---|---|---|---|
"""

_TAIL = """\
| any other | the operating system refuses | `failed` | `io` | `unknown` |

`dns` and `wasi:sockets` have codes of their own for names that do not resolve. The limits of an instance's account ([architecture.md](architecture.md)) are `limit-exceeded` and `insufficient-memory`.
"""


def errors_page() -> str:
    """Return the whole page."""
    rows = (
        f"| {each.name} | {each.text} | `{each.case}` | `{each.file_code}` | `{each.socket_code}` |\n"
        for each in SYSTEM_ERRORS
    )
    return _HEAD + "".join(rows) + _TAIL


if __name__ == "__main__":
    sys.stdout.write(errors_page())
