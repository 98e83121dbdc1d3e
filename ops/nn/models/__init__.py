"""The kinds of models: one module each, found by `ops.registry`."""
