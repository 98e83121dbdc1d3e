"""What near-duplicates are found with: shingle sets, MinHash bands, exact verification, stars."""
