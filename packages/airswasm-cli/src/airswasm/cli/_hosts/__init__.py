"""Hosts as a verb sees them, running or stored.

`host` does operations on a `System` in this process; `storage` has those on stored data, and
`audit` those on the audit log. `remote_host` asks a running one, and `stored_host` answers from the
disk; `opening` chooses. `serving` keeps a host in the foreground.
"""
