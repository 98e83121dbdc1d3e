"""The report of a language model: nats and bits beside n-grams, by what was seen, with text that it wrote."""
