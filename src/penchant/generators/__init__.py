"""Maps from latent noise to images, trained on a person's pictures: one file, one generator."""
