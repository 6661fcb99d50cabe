"""Messages, the questions among them, and the records that are kept of both.

`message`, its `envelope` and `request` are what travels (`answering` is the coroutine of the
latter), a `function_call` is the payload that calls an export of a component, `bounds` says how
much of it may wait, `dead_letters` and `events` are what remains. A `receipt` says what became of
one message, `receipts` adds them up. `tracing` decides which messages are traced, and `trace` is
the place of one in its trace. Nothing here knows an actor.
"""
