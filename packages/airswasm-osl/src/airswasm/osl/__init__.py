"""Files, processes and the network for components, behind capabilities.

The operating system layer: providers for the contract's interfaces
`filesystem`, `process`, `tcp`, `udp` and `http`, and for `wasi:filesystem` and
`wasi:http`, so that a guest's ordinary `open()` and `fetch()` pass the same
check. Installing the package is what makes them importable by components: its
`BLOCK` stands under the entry point group `airswasm.blocks`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
