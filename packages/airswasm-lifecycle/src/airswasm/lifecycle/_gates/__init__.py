"""The gates that a new version has to pass before it takes over.

`gate` is the protocol, and what a gate gets to see; it answers with a `Verdict`. `judging` asks
those of all blocks, as `settings` say. Two are ours: `interface` compares what the versions offer,
in types and, by `terms`, in what a sender of messages sees, and `health` asks the new one. `users`
finds whom a change hits.
"""
