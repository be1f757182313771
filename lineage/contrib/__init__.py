"""Readers of formats that a single package uses; each is a plugin like those of other distributions."""
