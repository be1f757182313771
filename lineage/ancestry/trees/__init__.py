"""Many models: the likeliest parent of each, unobserved parents, and components from elsewhere, as edges."""
