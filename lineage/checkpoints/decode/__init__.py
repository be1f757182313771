"""From tensors as they are stored to tensors as the model has them: packings, axes, parametrisations."""
