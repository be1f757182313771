"""Fixed tables: tensors that a formula made, so that agreement on them says nothing about descent."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lineage.anatomy.generators import formula_of, formula_of_rows
from lineage.types.facts.exclusions import FixedTable

_BY_NAME: tuple[tuple[str, FixedTable], ...] = (
    (r"num_batches_tracked|global_step|num_updates", FixedTable("counter")),
    (r"(?:text_|image_)?position_ids|token_type_ids", FixedTable("position-ids")),
    (
        r"(?:\w*_)?inv_freq|rotary_emb\.\w+|rotary_pos_emb\.\w+|rope\.freqs|rope_freqs|freqs_cis",
        FixedTable("rotary-table"),
    ),
    (r"(?:cos|sin)_cached|sinusoid\w*|sin_cos_embed|pos_emb_sin\w*", FixedTable("sinusoidal-positions")),
    (
        r"relative_position_index|relative_coords_table|attn_mask|causal_mask|masked_bias",
        FixedTable("position-index-or-mask"),
    ),
    (r"mel_filters?|mel_basis|mel_fb|filter_?bank|mel_scale\.fb", FixedTable("mel-filterbank")),
    (r"stft(?:_conv)?\.weight|stft\w*\.(?:forward_|inverse_)?basis|stft\w*_basis", FixedTable("stft-basis")),
    (r"(?:hann|hamming)_window", FixedTable("window")),
)
_COMPILED = tuple((re.compile(rf"(?:^|[./])(?:{pattern})$"), reason) for pattern, reason in _BY_NAME)
_ANY = re.compile("|".join(f"(?:{pattern.pattern})" for pattern, _ in _COMPILED))
_MASK_NAME = re.compile(r"(?:^|[./])attn(?:\w*)?\.bias$|(?:^|[./])(?:self_)?attention\.bias$")


def fixed_table(name: str, shape: tuple[int, ...], values: NDArray[np.float32] | None) -> FixedTable | None:
    """Why a tensor is a fixed table, or None if it is not.

    `values` is the whole tensor as float32, in any shape of the same size, or None where it is too
    large to be read whole: then only its name is used. Gains near one are not a fixed table.
    """
    by_name = _reason_by_name(name, shape)
    if by_name is not None or values is None or values.size != int(np.prod(shape, dtype=np.int64)):
        return by_name
    return formula_of(np.asarray(values, dtype=np.float32).reshape(shape))


def fixed_rows(rows: NDArray[np.float32]) -> FixedTable | None:
    """Why a tensor too large to be read whole is a fixed table, judged by some of its rows (n, m) in order, or None."""
    return formula_of_rows(rows)


def _reason_by_name(name: str, shape: tuple[int, ...]) -> FixedTable | None:
    # GPT-2 keeps its causal mask as `attn.bias`: a bias that is square and not a vector.
    if len(shape) >= 3 and shape[-1] == shape[-2] and _MASK_NAME.search(name):
        return FixedTable("causal-mask")
    # No pattern goes beyond the last two words of a name, and these are the same in many tensors.
    return _reason_by_end(".".join(name.rsplit(".", 2)[-2:]))


@lru_cache(maxsize=4096)
def _reason_by_end(end: str) -> FixedTable | None:
    if _ANY.search(end) is None:
        return None
    return next(reason for pattern, reason in _COMPILED if pattern.search(end))
