"""From a component's bytes to native code that may be run.

| module | holds |
|---|---|
| `compiler` | loads once for each digest: from the cache, or from a child |
| `child` | what the child process runs: the only parser of untrusted bytes |
| `cache` | compiled components on disk, authenticated |
| `description` | what is known of a component besides its code, kept with it |
"""
