"""`wasi:sockets` over the same engine and the same gate as the contract's own interfaces.

| | |
|---|---|
| `codes` | addresses and error codes of WASI |
| `readiness` | what a guest waits for at a socket |
| `streams` | the two streams of a connection |
| `options` | options of a socket: keep-alive, hop limit, sizes of buffers |
| `tcp` | connections and listeners |
| `udp` | datagrams |
| `lookup` | addresses of names |
| `interfaces` | the functions by their names |
"""
