"""Names and topics: from an address to a reference.

`routes` is the table of names, `topics` the table of subscriptions, `hand_over` the way of a name
from one actor to the next, `asking_by_name` the coroutine of that name, and `broker` the face of
all that. `hook`, `transport` and `carrier` are the seams.
"""
