"""Components as web services: the host's HTTP server.

| | |
|---|---|
| `settings` | `[http]` of config.toml, and its routes |
| `routing` | which route a request takes |
| `exchange` | one request and its response on a connection |
| `messages` | requests as messages, for components with a handler |
| `answering` | a component's answer, by `wasi:http/incoming-handler` or by message |
| `connection` | one client's connection, request after request |
| `checks` | what doctor says of routes |
| `server` | the listener, which lives as long as the host |
"""
