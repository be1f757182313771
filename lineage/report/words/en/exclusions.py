"""Why a tensor is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_TABLES: Mapping[str, str] = {
    "constant": "constant",
    "causal-mask": "causal mask",
    "counter": "counter",
    "counter-or-positions": "counter or position ids",
    "evenly-spaced": "evenly spaced values",
    "geometric-series": "geometric series (rotary frequencies)",
    "window": "window function",
    "one-hot": "one-hot or identity",
    "zero-one-mask": "mask of zeros and ones",
    "position-ids": "position ids",
    "position-index-or-mask": "position index or mask",
    "rotary-table": "rotary table",
    "sinusoidal-positions": "sinusoidal positions",
    "stft-basis": "STFT basis",
    "cosine-basis": "cosine basis",
    "mel-filterbank": "mel filterbank",
    "constant-q-basis": "constant-Q basis",
    "prior-boxes": "prior boxes",
}
_OTHERS: Mapping[str, str] = {
    "optimizer-state": "optimizer state",
    "training-counter": "training counter",
    "training-metric": "a metric of training",
    "moving-average": "a moving average of the weights beside it",
    "random-state": "random-number state",
    "prune-mask": "a prune mask, applied to its weight",
    "spectral-vector": "a vector of spectral norm",
    "rotary-factors": "rotary factors, computed from the configuration",
    "setting": "a setting of the program",
    "quantisation-scales": "scales of quantised values",
    "single-number": "a single number, not a weight",
    "integers": "integers, not weights that this version reads",
    "integers-or-truth-values": "integers or booleans, not weights",
    "integers-of-graph": "integers of the graph, not weights",
    "numbers-of-graph": "numbers of the graph, not weights",
    "repeated-value": "one value, repeated",
    "repeated-view": "a view that repeats fewer stored values",
    "saved-twice": "the same variable, saved twice",
    "link": "a link, which is not followed",
    "text": "text, not numbers",
    "text-or-dates": "text or dates, not numbers",
    "text-or-records": "text or records, not numbers",
    "objects-or-text": "an array of Python objects or text, not of numbers",
    "never-written": "was never written",
    "no-elements": "no elements",
    "infinities": "infinities, a mask or a bound",
    "not-in-shard-index": "not listed in the index of the shards",
    "extreme-values": "values far beyond what weights have",
}
_PARTS: Mapping[str, str] = {
    "dora-magnitude": "DoRA's magnitude: it scales rows of the base, which is not here",
    "added-bias": "a bias that the adapter adds to the module's own",
    "token-rows": "rows of single tokens",
    "copy-of-base": "a copy of the base's weight",
    "base-weight": "the base's weight, which the adapter changes",
    "whole-change": "a whole change that is added to the base, not read",
    "decomposed-factor": "a factor of a kernel that is decomposed further, not read",
    "no-factor": "not a factor of an adapter",
    "unmerged-factor": "a factor of an adapter that is not merged into the weights",
    "trained-in-place": "trained in place of the base's, which is here as well",
}
_UNREAD: Mapping[str, str] = {
    "coreml-compressed": "values compressed in a way that is not read",
    "awq-codes": "4-bit codes packed for AWQ, which are not read from this format",
    "int8-without-scales": "int8 values without scales",
    "sliced-variable": "a variable in slices, which are not joined",
    "codes-without-range": "codes whose range the graph does not give",
    "unknown-type": "of a data type that is unknown here",
    "foreign-layer": "a layer of another framework, kept as bytes",
    "nested-tensor": "a nested torch tensor",
    "meta-tensor": "a meta tensor, which has no values",
    "foreign-device": "a tensor of a foreign device",
    "wrapped-tensor": "a wrapped torch tensor",
    "array-in-pickle": "a NumPy array inside the pickle",
    "old-torchscript": "a tensor of a TorchScript program before torch 1.4",
    "unknown-quantisation": "a quantised torch tensor of an unknown scheme",
    "sparse-layout": "a sparse torch tensor of a layout that is unknown here",
    "sparse-tensor": "a sparse tensor",
}

TEXTS: dict[str, Callable[[Any], str]] = {
    "fixed-table": lambda fact: _TABLES[fact.table],
    "not-a-weight": lambda fact: _OTHERS[fact.what],
    "adapter-part": lambda fact: _PARTS[fact.part],
    "not-read": lambda fact: _UNREAD[fact.form],
    "unread-packing": lambda fact: f"unread: {fact.packing}",
    "unread-type": lambda fact: f"dtype '{fact.dtype}', which this version cannot read",
    "unread-wrapper": lambda fact: f"a {fact.wrapper}, which wraps others",
    "unread-tokenizer": lambda fact: f"a tokenizer that cannot be read: it {fact.problem}",
    "not-finite": lambda fact: (
        f"{fact.count:,} {'finite' if fact.beyond_float32 else 'NaN or infinite'} value{'s' * (fact.count != 1)}"
        f"{' beyond float32' if fact.beyond_float32 else ''}"
    ),
    "stated": lambda fact: fact.words,
    "vector": lambda _: "vectors (gains, biases, fitted constants) agree between unrelated networks",
    "other-order": lambda _: "same rows or values in another order: tested by its rows, not by z",
}
