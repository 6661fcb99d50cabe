"""Changes by the operator: `installing` brings a name and takes it away, `updating` switches it."""
