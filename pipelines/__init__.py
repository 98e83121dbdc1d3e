"""What runs: finding and checking recipes, the plan, the command `satiety`, and the Dagster definitions."""
