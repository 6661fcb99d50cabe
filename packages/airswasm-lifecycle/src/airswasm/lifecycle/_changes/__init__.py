"""Changes by the operator.

`installing` brings a name and takes it away, `updating` switches its version, and `trusting`
decides who may sign it.
"""
