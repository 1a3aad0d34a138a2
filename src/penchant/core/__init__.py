"""Types, contracts, errors, families-as-folders and random numbers: what every other layer stands on."""
