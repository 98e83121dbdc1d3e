"""Training: processes that read a resolved `run.json` and write metrics, checkpoints and the trained model.

Nothing here knows Dagster or MLflow; `ops.training.worker` is what `torchrun` starts.
"""
