"""A zoo of small trained networks whose whole ancestry is known: recipes, training, operators, truth.

torch is used here alone; `model`, `surgery`, `merges` and `recipes` import none of it.
"""
