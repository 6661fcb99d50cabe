"""HTTP requests of components.

| | |
|---|---|
| `stream` | a connection that closes at once |
| `requests` | a request that is safe to send |
| `exchange` | one request and its response on a connection |
| `idle` | the connections that rest between two requests |
| `client` | checked requests, whole or in parts |
| `http` | the interface of the contract |
| `wasi` | wasi:http, on the same client |
"""
