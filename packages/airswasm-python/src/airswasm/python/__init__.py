"""One interpreter for all components in Python.

The package is a block: installed beside a host, it brings the component that holds CPython and its
library. Components that are built with `mode = "shared"` run in instances of it. `docs/python.md`
is for their authors.
"""

from ._block import BLOCK
from ._interpreter import ABI, component

__all__ = ("ABI", "BLOCK", "component")
