"""The sketch scheme and every parameter that two sketches must share before they are compared."""

from __future__ import annotations

UNIT_DIMS = 32  # numbers kept of each sampled unit
ANCHORS = 32  # directions of the residual stream that describe neurons
PERMUTATIONS = 128  # length of a MinHash
CODE_BITS = 24  # sign bits in one row code
CODE_FAMILIES = 2  # row codes a row
TOKENS_BEHIND = 6  # of an anchor among the tokens of a tokenizer
DIGEST_BYTES = 16  # of BLAKE3
MIN_UNITS = 32  # least number of units for a permutation test

SEED_PROJECTION = 1
SEED_CODES = 2
SEED_MINHASH = 1
MINHASH_SCHEME = "affine32"

FAMILY = "lineage-2"
"""Name and version of the scheme. Any change to a parameter, a seed or a formula gives it a new name."""
