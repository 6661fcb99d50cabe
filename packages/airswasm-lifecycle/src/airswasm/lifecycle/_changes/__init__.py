"""Changes by the operator.

`installing` brings a name and takes it away. `updating` decides on another version of it, and
`switching` has the steps in which that takes over, for the second of which `keeping_data` is;
`planning_data` says what a way back does to the data. `swapping` switches to a development build.
`trusting` decides who may sign it, `levels` how much a signature decides, and `granting` the grants
of a component. `editing` changes config.toml, `reloading` takes it over, and `following` has the
parts of the host follow.
"""
