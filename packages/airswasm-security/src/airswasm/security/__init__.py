"""Capabilities, trust, signatures and audit for WebAssembly components.

`Guard` decides what a component may do, from its `Grants`; `sign` and `verify`
say whose files these are; `TrustStore` says whether they may be installed;
`AuditLog` keeps what was decided.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
