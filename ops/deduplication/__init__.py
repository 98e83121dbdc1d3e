"""Finding rows that repeat others: signatures per partition, one fold over all, and the step that drops."""
