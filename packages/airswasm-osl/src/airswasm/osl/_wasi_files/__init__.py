"""Files by wasi:filesystem, on the same folders.

| | |
|---|---|
| `filesystem` | the functions of its interfaces |
| `codes` | error codes, and what becomes one |
| `statuses` | kinds, sizes and times of files, and setting the latter |
| `open_files` | descriptors, streams, listings, and how many are open |
"""
