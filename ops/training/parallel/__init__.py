"""How the processes of a run share one model and each batch: one module a strategy, none known to the models."""
