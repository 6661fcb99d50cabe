"""The rules that decide about a call.

- `decision`: the answer to one request.
- `grant_record`: what was decided about what a component asks for.
- `layers`: what a layer is, and the layer of the host's policy.
- `forbidden`: the layer of what no component may touch on any host.
- `roles`: the layer of roles and access lists.
- `learning`: what a component uses, and the least grants that allow it.
"""
