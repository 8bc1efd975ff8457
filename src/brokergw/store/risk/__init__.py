"""What users may do and what has come of it: limits, modes, codes, losses, comparisons."""
