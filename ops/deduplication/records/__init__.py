"""Records: which pairs are looked at, how similar their values are, and which row of a pair stays."""
