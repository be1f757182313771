"""PyTorch's files: zip and legacy pickles of tensors, read by a machine that executes nothing."""
