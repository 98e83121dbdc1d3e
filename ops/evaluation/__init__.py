"""Judging a model: metrics with intervals, classical baselines, cost, and the report that shows them."""
