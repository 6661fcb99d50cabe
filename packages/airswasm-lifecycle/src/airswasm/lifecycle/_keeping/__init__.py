"""Backups of a home, its stored files and versions, and its audit log.

- `archive`: the format of a backup, the whole home in one stream.
- `backup`: writes one.
- `artifacts`: the stored files of what is installed, as an operator uses them.
- `retaining`: removes the versions that no rule keeps.
- `audit_memory`: what the store has of the audit log, to find a cut.
- `message_lines`: a line for each message.
- `auditing`: all of it for an open home.
- `audit_trail`: the audit log to look at.
"""
