"""The airswasm command.

`main` is the program, and `connect` reaches a running host from Python. The rest is for packages
that add verbs (`Session`, `ask`, `open_host`) or operations of the control API (`Operation` and its
parts); each is imported when it is used, so that `airswasm --help` answers at once.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
