"""Measurements, never asserted in tests: `python -m benchmarks` prints a table and JSON.

Each is a ratio of things measured in one call, in turns, so that a machine that gets slower changes both sides.
"""
