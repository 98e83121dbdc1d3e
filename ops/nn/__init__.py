"""Neural networks from first principles: small modules with the shapes in their docstrings.

Legend of shapes: B examples, T positions (S where others are looked at), D width of the model, H heads (K of keys and
values), F width inside the feed-forward layer, C classes (or other outputs), V tokens of the vocabulary. A mask is
boolean, true where there is something to read.
"""
