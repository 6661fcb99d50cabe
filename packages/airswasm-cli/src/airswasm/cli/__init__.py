"""The airswasm command.

`main` is the program. The other names are for packages that add verbs (`verb`, `Session`,
`open_host`) or operations of the control API (`Operation` and its parts). Each is imported on first
use, so `airswasm --help` answers at once.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
