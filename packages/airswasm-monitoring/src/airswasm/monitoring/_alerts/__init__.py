"""Alert rules: their conditions, their states, and the receivers that are told.

- `condition`: the tree of a condition
- `reading`: a text read into that tree
- `evaluating`: the meaning of a condition, over the samples of the last time
- `history`: those samples
- `promql`: a condition and a rule as Prometheus has them
- `rules`: what a rule consists of
- `defaults`: the rules that a host has without any setting
- `checking`: whether the metrics and labels that a rule names exist
- `settings`: the section `[alerts]`
- `states`: a rule's alerts from one evaluation to the next
- `book`: the states and silences of all rules in the host's store
- `webhook`: one notification, signed and sent
- `receivers`: what each receiver has been told, and is to be told
- `reporting`: what is told of rules and alerts
- `alerts`: the service of a running host
"""
