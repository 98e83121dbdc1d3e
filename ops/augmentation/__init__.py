"""Altered copies of training rows: one module for each kind of change, and one that knows albumentations."""
