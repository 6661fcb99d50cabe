"""Files by wasi:filesystem, on the same folders.

| | |
|---|---|
| `filesystem` | its interfaces, and the functions on open files |
| `names` | its functions on names: what is there, creation, removal, moves |
| `door` | the check in front of each path |
| `paths` | canonical paths, and the ends that name a directory |
| `codes` | error codes, and what becomes one |
| `statuses` | kinds, sizes and times of files, and setting the latter |
| `open_files` | descriptors, streams, listings |
"""
