"""From text to token numbers: what a tokenizer is, and one module for each kind."""
