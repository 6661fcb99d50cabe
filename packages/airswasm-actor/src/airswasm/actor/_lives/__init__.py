"""The lives of actors: their beginnings and ends, and their view of the system.

`register` holds all actors of a system, `life_cycle` begins and ends their incarnations, `context`
is handed to each of them, `scheduling` sends their messages at a later time, and `actor` has the
protocols that an actor satisfies.
"""
