"""Metrics, health and traces of a host of WebAssembly components.

`Monitor` watches an actor system; `monitoring_app` serves what it sees over HTTP.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
