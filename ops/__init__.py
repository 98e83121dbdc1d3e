"""What computes: plain functions and frozen values, tested without Dagster or MLflow."""
