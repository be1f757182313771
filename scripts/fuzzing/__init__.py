"""Damaged files by the million, each read in a process that may do nothing but read them."""
