"""Hosts as a verb sees them, running or stored.

`host` does operations on a `System` in this process (`storage` has those on stored data, `audit`
those on the audit log, `letters` those on dead letters, `timers` those on timers), `remote_host`
asks a running one, and `stored_host` answers from the disk; `opening` chooses. `serving` keeps a
host in the foreground, and `first_run` chooses the mode of a new home. `functions` has the
operations on exported functions, `recordings` those on recorded messages, and `service_manager`
tells systemd how the host does.
"""
