"""Messages between components: codecs, quotas, requests with callbacks.

Components import `messaging_interface`; `Messenger` is the counterpart for Python code, with values
instead of bytes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
