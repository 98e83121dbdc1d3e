"""The stages of the graph: pure functions from input versions and a recipe to one output folder.

`chain.stages(recipe)` lists those that a recipe has, `run.build_stage` builds one partition of one of them.
"""
