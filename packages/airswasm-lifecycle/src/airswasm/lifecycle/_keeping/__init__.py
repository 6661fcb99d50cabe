"""Backups of a home, and its audit log.

- `archive`: the format of a backup, the whole home in one stream.
- `backup`: writes one.
- `audit_memory`: what the store has of the audit log, to find a cut.
- `message_lines`: a line for each message.
- `auditing`: all of it for an open home.
- `audit_trail`: the audit log to look at.
"""
