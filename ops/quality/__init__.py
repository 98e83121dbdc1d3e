"""What texts are like, in numbers: features of whole columns by passes over their bytes, without a loop over texts."""
