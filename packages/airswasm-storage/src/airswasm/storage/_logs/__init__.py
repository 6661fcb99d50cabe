"""Logs, and the wait for the disk that all writers share.

`log` appends; `consumer` delivers a window at a time and `succession` one entry after the other.
`log_plan` computes a step of a log and `log_records` is its data. `group_commit` waits for the disk
once for all that wait.
"""
