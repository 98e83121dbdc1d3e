"""Changing examples while they are loaded: one module for each form of what changes read.

Nothing here imports torch, so that a process of the loader is ready soon and small. Which module a run needs is looked
up by name, so that the code of other forms is none of its model's business.
"""
