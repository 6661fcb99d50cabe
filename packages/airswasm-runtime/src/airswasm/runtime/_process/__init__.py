"""The process around the guests, and what they must not do to it.

| module | holds |
|---|---|
| `ticker` | moves epochs on without Python's global lock |
| `signals` | keeps signal handlers out of the frames of callbacks |
| `switch_interval` | shorter turns at the global lock while guests compute |
| `mappings` | keeps away from the kernel's limit on memory mappings |
"""
