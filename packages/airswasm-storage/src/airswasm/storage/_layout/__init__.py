"""The layout of everything in one ordered store.

`keys` is the layout, `space` the record of a namespace, and `entries` what readers see of one. A
`step` is a change that is computed and not applied yet; `stepping` does long work in bounded steps.
"""
