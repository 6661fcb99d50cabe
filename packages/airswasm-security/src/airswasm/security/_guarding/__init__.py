"""The guard in front of every host call.

- `guard`: the guard.
- `gate`: one call: decided, charged, written, remembered.
- `verdicts`: what grants and layers say to a call.
- `memory`: the decisions that need not be made again.
- `doors`: the guard in front of the functions of an interface, by their annotations.
- `standing`: what components hold open on the strength of a decision.
- `decision_lines`: the audit lines of decisions.
- `effect_lines`: the audit lines of what came of allowed calls.
- `budget`: the lines that one component may cause.
- `capabilities`: the interface through which a component reads its own capabilities.
- `settings`: the section `[security]` of config.toml.
"""
