"""Files, processes and the network for components, behind capabilities.

This is the operating system layer: providers for the contract's interfaces `filesystem`, `process`,
`tcp`, `udp`, `dns` and `http`, and for `wasi:filesystem`, `wasi:sockets` and `wasi:http`, so that a
guest's ordinary `open()`, `connect()` and `fetch()` pass the same check. Components can import
these interfaces once the package is installed: the entry point group `airswasm.blocks` lists its
`BLOCK`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
