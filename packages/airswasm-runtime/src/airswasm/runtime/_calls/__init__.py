"""Carries control and values between Python and a guest.

| module | holds |
|---|---|
| `call` | one call in progress: polled, parked, moved to a thread, ended |
| `driving` | the smallest scheduler: a task that polls one call to its end |
| `stint` | a turn of a call on a worker thread, which ends before the call may |
| `stack_depth` | whether Python has frames left for the callbacks of a guest |
| `host_calls` | the one door from a guest to host functions, and the guard in it |
| `charges` | the price list: the fuel that host functions cost |
| `handles` | the resources of one instance |
| `plan` | how the values of one function are laid out, derived once from its type |
| `crossing` | what lowering and lifting share |
| `lowering`, `lifting` | the closures of a plan: Python to slots, slots to Python |
| `mismatch` | where and why a value does not fit |
| `bytes_as_text` | the host's half of the bytes bridge |
| `staging` | the host's copies into the memory of a bridge, and out of it |
"""
