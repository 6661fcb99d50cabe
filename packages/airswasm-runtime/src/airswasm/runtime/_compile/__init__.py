"""From a component's bytes to native code that may be run.

| module | holds |
|---|---|
| `compiler` | loads once for each digest: from the cache, or from a child |
| `child_process` | the child as its parent sees it: started, talked with, its end explained |
| `child` | what the child process runs: the only parser of untrusted bytes |
| `cache` | compiled components on disk, authenticated |
| `description` | what is known of a component besides its code, kept with it |
"""
