"""Sweeps: which values of a recipe's keys do best, by trainings that are judged on the validation split."""
