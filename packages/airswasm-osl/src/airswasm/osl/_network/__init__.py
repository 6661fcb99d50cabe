"""Connections, datagrams and names of components.

| | |
|---|---|
| `spelling` | spellings of addresses and URLs |
| `listening` | spellings of this host's addresses, and of names |
| `addresses` | names resolved once and checked, and connecting to what was checked |
| `resolver` | the system's resolver, on a few threads for each component |
| `names` | the addresses of the names that an instance has looked up |
| `gate` | the rights to names, addresses, and ports of this host |
| `traffic` | bytes that each component moves, and how fast it may |
| `places` | the engine, and places for sockets: counted, and closed with the instance |
| `open_sockets`, `binding` | what all sockets have in common |
| `connections` | connections, and listeners |
| `datagrams` | sockets for datagrams |
| `tcp`, `udp`, `dns` | the contract's interfaces |
"""
