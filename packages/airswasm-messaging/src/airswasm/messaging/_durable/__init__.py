"""Durable delivery: messages that are written before they are accepted. Needs the extra `durable`.

`mailbox` is one name's log, and hands over one message after the other. `letter_box` gives up the
messages that were tried in vain. `names` is the stored list of durable names and subscriptions.
`delivery` is the carrier that the broker asks, `retained` has the values of topics that outlive the
host, and `forgetting` is for a purge.
"""
