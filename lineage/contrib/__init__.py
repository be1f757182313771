"""Readers of formats that one package has for itself; each is a plugin like those of other distributions."""
