"""Classical models that a model has to beat, one module a kind."""
