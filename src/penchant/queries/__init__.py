"""Strategies that choose which pair to ask next: one file, one strategy."""
