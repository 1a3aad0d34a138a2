"""Ways of bending a generator to a taste within a KL budget: one file, one aligner."""
