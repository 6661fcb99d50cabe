"""A durable key-value namespace for each WebAssembly component.

`RocksStore` is the default; `SqliteStore` needs nothing but Python; both are one
`Store` with namespaces, quotas and group commit.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
