"""Two models: what happened to each tensor, the word for each component, and which of the two came first."""
