"""HTTP requests of components.

| | |
|---|---|
| `http` | the client, and the interface of the contract |
| `wasi` | wasi:http, on the same client |
"""
