"""Merges found among all models: weighted sums, task vectors, trimmed differences and stacks of layers."""
