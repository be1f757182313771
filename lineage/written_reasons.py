"""Exclusions as text: as sketch files hold them, and as an error names one.

The texts are a part of the file format: a report has its own in `lineage.report.words`, which may change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lineage.types.facts.exclusions import (
    AdapterPart,
    Exclusion,
    FixedTable,
    NotAWeight,
    NotFinite,
    NotRead,
    Stated,
    UnreadPacking,
    UnreadTokenizer,
    UnreadType,
    UnreadWrapper,
)

WRITTEN: Mapping[Exclusion, str] = {
    FixedTable("constant"): "constant",
    FixedTable("causal-mask"): "causal mask",
    FixedTable("counter"): "counter",
    FixedTable("counter-or-positions"): "counter or position ids",
    FixedTable("evenly-spaced"): "evenly spaced values",
    FixedTable("geometric-series"): "geometric series (rotary frequencies)",
    FixedTable("window"): "window function",
    FixedTable("one-hot"): "one-hot or identity",
    FixedTable("zero-one-mask"): "mask of zeros and ones",
    FixedTable("position-ids"): "position ids",
    FixedTable("position-index-or-mask"): "position index or mask",
    FixedTable("rotary-table"): "rotary table",
    FixedTable("sinusoidal-positions"): "sinusoidal positions",
    FixedTable("stft-basis"): "STFT basis",
    FixedTable("cosine-basis"): "cosine basis",
    FixedTable("mel-filterbank"): "mel filterbank",
    FixedTable("constant-q-basis"): "constant-Q basis",
    FixedTable("prior-boxes"): "prior boxes",
    NotAWeight("optimizer-state"): "optimizer state",
    NotAWeight("training-counter"): "training counter",
    NotAWeight("training-metric"): "a metric of training",
    NotAWeight("moving-average"): "a moving average of the weights beside it",
    NotAWeight("random-state"): "random-number state",
    NotAWeight("prune-mask"): "a prune mask, applied to its weight",
    NotAWeight("spectral-vector"): "a vector of spectral norm",
    NotAWeight("rotary-factors"): "rotary factors, computed from the configuration",
    NotAWeight("setting"): "a setting of the program",
    NotAWeight("quantisation-scales"): "scales of quantised values",
    NotAWeight("single-number"): "a single number, no weight",
    NotAWeight("integers"): "integers, not weights that this version reads",
    NotAWeight("integers-or-truth-values"): "whole numbers or truth values, no weights",
    NotAWeight("integers-of-graph"): "whole numbers of the graph, no weights",
    NotAWeight("numbers-of-graph"): "numbers of the graph, no weights",
    NotAWeight("repeated-value"): "one value, repeated",
    NotAWeight("repeated-view"): "a view that repeats fewer stored values",
    NotAWeight("saved-twice"): "the same variable, saved twice",
    NotAWeight("link"): "a link, which is not followed",
    NotAWeight("text"): "text, not numbers",
    NotAWeight("text-or-dates"): "text or dates, not numbers",
    NotAWeight("text-or-records"): "text or records, not numbers",
    NotAWeight("objects-or-text"): "an array of Python objects or text, not of numbers",
    NotAWeight("never-written"): "was never written",
    NotAWeight("no-elements"): "no elements",
    NotAWeight("infinities"): "infinities, a mask or a bound",
    NotAWeight("not-in-shard-index"): "not named by the index of the shards",
    NotAWeight("extreme-values"): "values far beyond what weights have",
    AdapterPart("dora-magnitude"): "DoRA's magnitude: it scales rows of the base, which is not here",
    AdapterPart("added-bias"): "a bias that the adapter adds to the module's own",
    AdapterPart("token-rows"): "rows of single tokens",
    AdapterPart("copy-of-base"): "a copy of the base's weight",
    AdapterPart("base-weight"): "the base's weight, which the adapter changes",
    AdapterPart("whole-change"): "a whole change that is added to the base, not read",
    AdapterPart("decomposed-factor"): "a factor of a kernel that is decomposed further, not read",
    AdapterPart("no-factor"): "not a factor of an adapter",
    AdapterPart("unmerged-factor"): "a factor of an adapter that is not merged into the weights",
    AdapterPart("trained-in-place"): "trained in the place of the base's, which is here as well",
    NotRead("coreml-compressed"): "values compressed in a way that is not read",
    NotRead("awq-codes"): "4-bit codes packed for AWQ, which are not read from this format",
    NotRead("int8-without-scales"): "int8 values without scales",
    NotRead("sliced-variable"): "a variable in slices, which are not joined",
    NotRead("codes-without-range"): "codes whose range the graph does not tell",
    NotRead("unknown-type"): "of a data type that is unknown here",
    NotRead("foreign-layer"): "a layer of another framework, kept as bytes",
    NotRead("nested-tensor"): "a nested torch tensor",
    NotRead("meta-tensor"): "a meta tensor, which has no values",
    NotRead("foreign-device"): "a tensor of a foreign device",
    NotRead("wrapped-tensor"): "a wrapped torch tensor",
    NotRead("array-in-pickle"): "a NumPy array inside the pickle",
    NotRead("old-torchscript"): "a tensor of a TorchScript program before torch 1.4",
    NotRead("unknown-quantisation"): "a quantised torch tensor of an unknown scheme",
    NotRead("sparse-layout"): "a sparse torch tensor of another layout than COO, CSR and BSR",
    NotRead("sparse-tensor"): "a sparse tensor",
}

_READ = {text: reason for reason, text in WRITTEN.items()}
_AROUND: tuple[tuple[str, str, Callable[[str], Exclusion]], ...] = (  # what stands before and behind the figure
    ("unread: ", "", UnreadPacking),
    ("dtype '", "', which this version cannot read", UnreadType),
    ("a tokenizer that cannot be read: it ", "", UnreadTokenizer),
    ("a ", ", which wraps others", UnreadWrapper),
    ("", " NaN or infinite values", lambda count: NotFinite(_count(count), False)),
    ("", " finite values beyond float32", lambda count: NotFinite(_count(count), True)),
)


def written(reason: Exclusion) -> str:
    """A reason as text. Raises KeyError for one that no file holds."""
    match reason:
        case Stated(words):
            text = words
        case UnreadPacking(packing):
            text = f"unread: {packing}"
        case UnreadType(dtype):
            text = f"dtype '{dtype}', which this version cannot read"
        case UnreadTokenizer(problem):
            text = f"a tokenizer that cannot be read: it {problem}"
        case UnreadWrapper(wrapper):
            text = f"a {wrapper}, which wraps others"
        case NotFinite(count, beyond_float32):
            text = f"{count:,} {'finite values beyond float32' if beyond_float32 else 'NaN or infinite values'}"
        case _:
            text = WRITTEN[reason]
    return text


def read(text: str) -> Exclusion:
    """The reason that a text stands for; one that is not known here is kept as it is written."""
    for before, behind, make in () if text in _READ else _AROUND:
        if text.startswith(before) and text.endswith(behind) and len(text) > len(before) + len(behind):
            try:
                reason = make(text[len(before) : len(text) - len(behind)])
            except ValueError:
                continue
            if written(reason) == text:
                return reason
    return _READ.get(text, Stated(text))


def _count(text: str) -> int:
    """A count with its commas. Raises ValueError for anything else."""
    if len(text) > 32:  # digits enough for any file
        raise ValueError("no count")
    return int(text.replace(",", ""))
