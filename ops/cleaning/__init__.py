"""Steps from the raw to the clean corpus, one module each; a new step is a new module in this package."""
