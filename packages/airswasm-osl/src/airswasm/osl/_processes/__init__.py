"""Programs of the host that components run.

| | |
|---|---|
| `process` | the interface of the contract |
| `child` | one running program: its pipes, its end |
| `keeper` | the process that starts programs for this host |
| `request` | what a program may read, write and take |
| `command` | the program and its arguments, checked |
| `checks` | for `airswasm doctor`: which protections hold here |
"""
