"""Programs of the host that components run.

| | |
|---|---|
| `process` | the interface of the contract, and the life of one program |
| `launcher` | the program that sets the limits, and becomes the other one |
"""
