"""Where raw rows come from: one module per kind, found by `ops.registry`."""
