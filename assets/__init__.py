"""What exists: the Dagster assets of a recipe, one thin module for each stage of `ops/stages`."""
