"""Files, processes and the network for components, behind capabilities.

The operating system layer: providers for the contract's interfaces
`filesystem`, `process`, `tcp`, `udp` and `http`, and for `wasi:filesystem`, so
that a guest's ordinary `open()` passes the same check. Installing the package
is what makes them importable by components (entry point `airswasm.host_interfaces`).
"""

from .folder import Folder, FolderLimits
from .policy import NetworkPolicy, OslPolicy, ProcessPolicy, folders_below

__all__ = (
    "Folder",
    "FolderLimits",
    "NetworkPolicy",
    "OslPolicy",
    "ProcessPolicy",
    "folders_below",
)
