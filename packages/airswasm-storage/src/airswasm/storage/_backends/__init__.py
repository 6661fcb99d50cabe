"""The engines below a store.

`backend` is the protocol of an engine; `rocks`, `sqlite` and `memory` are ours. `opening`
opens a folder with the engine that wrote it, and `watermark` is how a lost tail is found.
"""
