"""Write, build and test WebAssembly components for airswasm.

`init_project` starts a project, `build_project` builds its component and checks it against the
contract, `sign_project` and `pack_project` prepare it for distribution. `airswasm.sdk.testing` runs
a built component inside pytest.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
