"""Which files are the weights of a model, and what lies beside them."""
