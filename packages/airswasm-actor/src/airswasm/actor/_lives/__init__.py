"""How actors come to life and end, and what they see of the system meanwhile.

`register` holds all actors of a system, `life_cycle` begins and ends their incarnations, `context`
is what an actor is handed, and `actor` says what an actor has to be.
"""
