"""Strategies that choose which real images are worth training on; one a file."""
