"""The files of components: below a folder each, opened by the kernel beneath it.

| | |
|---|---|
| `folder` | one folder, and all that happens to files in it |
| `openat2` | opening beneath a folder, by the best means of the system |
| `filesystem` | the interface of the contract |
| `copying` | copies of folders for checkpoints, and their differences |
| `snapshots` | the files of a component, kept and given back at a rollback |
| `forgetting` | removing the files of a name that was purged |
"""
