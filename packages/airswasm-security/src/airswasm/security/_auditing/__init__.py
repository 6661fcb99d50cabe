"""The audit log: what was decided and changed, in a chain of hashes.

- `lines`: events, and the lines that they become.
- `blocks`: lines that were written together, and the chain from one block to the next.
- `files`: the files of a log on the disk, oldest first.
- `mark`: the newest head beside the log, which survives a killed process.
- `tally`: what the lines of a log were about, so that old ones can go and stay counted.
- `retiring`: the oldest files go, once a line on the disk says so.
- `log`: the writer.
- `verifying`: whether a log is whole, and what it misses.
- `reading`: queries, and following a log that grows.
- `sinks`: copies of the lines for other programs, which can fail without harm.
- `outlets`: the sinks that this package brings.
- `settings`: the section `[audit]` of config.toml.
"""
