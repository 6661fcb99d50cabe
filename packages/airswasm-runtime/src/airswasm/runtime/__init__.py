"""Executes WebAssembly components asynchronously, with limits that always hold.

Guests are green threads: a call runs on a fibre of its own, gives way after each
slice of fuel, and waits in host functions without a thread or a task. Start with
`Engine`; `Limits` says what a guest may use, `HostInterface` what it may call.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
