"""One actor while it runs, and the references that others hold of it.

From the bottom up: `phase` names the states, `cell` holds the state of one actor and all changes of
it, `mailbox` lets messages in, `serving` and `dispatcher` take them out and handle them, `posting`
and `asking` send, and `reference` is the face of all that. `shares` orders the turns of guests that
use much processor time, and `threads` those that they have on worker threads.
"""
