"""Hosts as a verb sees them, running or stored.

`host` does operations on a `System` in this process (`storage` has those on stored data, `audit`
those on the audit log, `letters` those on dead letters, `timers` those on timers, `functions` those
on exported functions, `recordings` those on recorded messages, `versions` those on versions),
`remote_host` asks a running one, and `stored_host` answers from the disk; `opening` chooses.
`serving` keeps a host in the foreground, `service_manager` tells systemd how it does, and
`first_run` chooses the mode of a new home. `swaps` has the operation on development builds,
`traces` those on traces, `alerts` those on alerts, and `watching` those that the page reads.
"""
