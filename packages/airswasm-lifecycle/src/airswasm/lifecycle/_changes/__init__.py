"""Changes by the operator.

`installing` brings a name and takes it away, and `updating` switches its version. `trusting`
decides who may sign it, `levels` how much a signature decides, and `granting` the grants of a
component.
"""
