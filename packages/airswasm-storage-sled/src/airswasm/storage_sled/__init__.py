"""sled as a storage engine of airswasm: `open_store(folder, "sled")`.

`airswasm.storage` finds it by its entry point.
"""

from ._engine import open_sled

__all__ = ("open_sled",)
