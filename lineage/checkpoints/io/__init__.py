"""Bytes, archives and paths: what every reader stands on, checked before memory is taken."""
