"""Messages between components: codecs, quotas, requests with callbacks.

`messaging_interface` is what components import; `Messenger` is the same for
Python code, with values instead of bytes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
