"""English: one text for each fact, by subject."""
