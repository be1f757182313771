"""Two models: the change of each tensor, the relation of each component, and which of the two came first."""
