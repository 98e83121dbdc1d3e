"""Personal data that has a form: found by patterns, checked by sums and context."""
