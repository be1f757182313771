"""Edges between many models: the likeliest parent of each, unobserved parents, components from other sources."""
