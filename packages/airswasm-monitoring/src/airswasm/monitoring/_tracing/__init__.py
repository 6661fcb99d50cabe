"""Traces: what became of a message, and of all that followed from it.

`settings` is the section `[tracing]`. `span` is one step of a trace, and `making` makes the spans
of a receipt. `recent` keeps the last traces in memory, `exporting` sends all spans to a collector
in the form that `otlp` writes, and `guests` is what components may say themselves. `traces` puts
them together: it listens to the receipts of one system.
"""
