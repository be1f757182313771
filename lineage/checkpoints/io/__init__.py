"""Bytes, archives and paths: what every reader is built on, checked before memory is taken."""
