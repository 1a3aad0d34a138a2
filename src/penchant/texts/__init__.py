"""What images are called, as vectors that a conditional generator can be told: one file, one encoder."""
