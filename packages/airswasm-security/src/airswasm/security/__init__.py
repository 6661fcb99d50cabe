"""Capabilities, trust, signatures and audit for WebAssembly components.

`Guard` decides what a component may do, from its `Grants`; `sign` and `verify` prove the origin of
files; `TrustStore` says whether they may be installed; `AuditLog` records the decisions.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
