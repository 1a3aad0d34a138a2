"""One training loop for every network: budgets, averaged weights, checkpoints, resume to the bit."""
