"""Models made of several: sums, task vectors, trimmed differences and stacks of layers, found among all models."""
