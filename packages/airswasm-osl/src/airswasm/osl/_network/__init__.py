"""Connections and datagrams of components.

| | |
|---|---|
| `spelling` | spellings of addresses and URLs |
| `addresses` | names resolved once and checked, and connecting to what was checked |
| `tcp` | the interface for TCP |
| `udp` | the interface for UDP |
"""
