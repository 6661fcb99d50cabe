"""The airswasm command.

`main` is the program. Everything else is imported when a verb needs it, so that
`airswasm --help` answers at once; import the modules themselves to build on
them: `control_client` talks to a running host.
"""

from .entry import main

__all__ = ("main",)
