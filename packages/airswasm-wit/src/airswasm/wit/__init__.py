"""The airswasm contract in WIT: its model, its checks and its bindings.

`airswasm.wit.names` has the contract's names as constants, `airswasm.wit.model` the classes of all
types. Three modules are commands as well, and therefore imported by their own name:
`airswasm.wit.proxy`, `airswasm.wit.annotations` and `airswasm.wit.reference`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
