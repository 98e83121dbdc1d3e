"""What models are for: one module for each task, found by `ops.registry`."""
