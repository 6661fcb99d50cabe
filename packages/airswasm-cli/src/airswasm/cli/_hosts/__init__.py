"""Hosts as a verb sees them, running or stored.

- `opening`: which of them answers a verb.
- `host`: the protocol of all, and the one over a `System` in this process; each area of operations
  has a module: `changes`, `grants`, `messages`, `trust`, `tokens`, `storage`, `audit`, `letters`,
  `timers`, `functions`, `recordings`, `swaps`, `versions`, `traces`, `alerts`, `watching`.
- `remote_host`: one that runs, over its socket.
- `stored_host`: one that does not, from the disk.
- `serving`: keep a host in the foreground.
- `service_manager`: tell systemd how it does.
- `first_run`: the mode of a new home.
"""
