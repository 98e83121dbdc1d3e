"""Steps that bring clean rows into the form that the model reads, one module each."""
