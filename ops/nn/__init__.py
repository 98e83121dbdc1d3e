"""Neural networks from first principles: small modules with the shapes in their docstrings.

Legend of shapes: B examples, T positions, D width of the model, H heads, F width inside the feed-forward layer,
C classes (or other outputs). A mask is boolean, true where there is something to read.
"""
