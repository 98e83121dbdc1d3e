"""The charts of the report, one module a kind; each is a function from parts of the report to a `Chart`."""
