"""The shipped recipes, one folder each."""
