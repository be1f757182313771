"""Packings that are known by their parts but not read: made for one kernel, or with codebooks.

Each is recognised by the names that its library gives the parts: ExLlamaV2 and V3 (exllamav2/ext.py, exllamav3
modules/quant/exl3.py), AQLM (aqlm/inference.py), Marlin (IST-DASLab/marlin), QuIP# (quip-sharp), VPTQ
(vptq/layers/vqlinear.py), SVDQuant (nunchaku/models/linear.py), EETQ, and compressed-tensors' 2:4 sparsity. The
number of weights follows from the shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from lineage.types import TensorView

MOST_BYTES = 4  # of a word of codes; torch keeps positions and indices in eight
LEAST = 1024  # values of a matrix of integers that a quantised model has besides
_Shapes = Mapping[str, tuple[int, ...]]


class Packing(NamedTuple):
    """A packing: the part with the codes, one that is always beside it, the others, and how many values there are."""

    label: str
    codes: str
    beside: str
    others: str
    values: Callable[[tuple[int, ...], _Shapes], int]


class Unread(NamedTuple):
    """A weight that is not read: its module, its packing, how many values it has, and its parts."""

    module: str
    packing: str
    values: int
    parts: frozenset[str]


def _all(factor: int) -> Callable[[tuple[int, ...], _Shapes], int]:
    return lambda codes, _: factor * math.prod(codes)


def _exl2(codes: tuple[int, ...], parts: _Shapes) -> int:
    inputs = next((math.prod(parts[part]) for part in ("q_invperm", "q_perm") if part in parts), 8 * codes[0])
    return inputs * codes[-1]


def _aqlm(codes: tuple[int, ...], parts: _Shapes) -> int:
    return math.prod(codes[:2]) * math.prod(parts["codebooks"][2:])


def _bits_set(_: tuple[int, ...], parts: _Shapes) -> int:
    return 8 * math.prod(parts["bitmask"])


def _hqq_pickled(codes: tuple[int, ...], parts: _Shapes) -> int:
    """A scale for each row of the grid where there are more scales than rows of words, else two codes to a word."""
    scales = math.prod(parts["meta.scale"])
    return max(scales, 2 * codes[0]) * codes[-1] if scales >= codes[0] else 2 * math.prod(codes)


def _tiles(codes: tuple[int, ...], _: _Shapes) -> int:
    return 256 * math.prod(codes[:2])


_ROTATED = "SV codebook_id Wscale"
_SMOOTHED = "smooth smooth_orig smooth_factor smooth_factor_orig lora_down lora_up proj_down proj_up wcscales wtscale"
_NESTED = ("meta.zero", "meta.scale", "meta.zero_q", "meta.scale_q", "meta.meta_zero", "meta.meta_scale")
_HQQ_PICKLED = " ".join([*_NESTED, *(f"{one}.{part}" for one in _NESTED[4:] for part in ("scale", "zero"))])
_HQQ = "scale zero zero_q scale_q nbits shape group_size axis"
PACKINGS = (
    Packing("EXL2", "q_weight", "q_scale", "q_scale_max q_groups q_perm q_invperm q_group_map", _exl2),
    Packing("EXL3", "trellis", "suh", "svh mcg mul1", _tiles),
    Packing("EXL3", "trellis", "su", "sv mcg mul1", _tiles),
    Packing("AQLM", "codes", "codebooks", "scales", _aqlm),
    Packing("Marlin", "B", "s", "workspace meta B_meta", _all(8)),
    Packing("Marlin 2:4", "B_24", "s", "B_meta workspace", _all(16)),
    Packing("QuIP#", "Qidxs", "SU", _ROTATED, _all(8)),
    Packing("VPTQ", "indices", "centroids.weight", "res_centroids.weight perm weight_scale weight_bias", _all(16)),
    Packing("SVDQuant", "qweight", "wscales", f"{_SMOOTHED} wzeros", _all(2)),
    Packing("EETQ", "weight", "weight_scales", "", _all(1)),
    Packing("compressed-tensors 2:4", "compressed", "bitmask", "shape row_offsets", _bits_set),
    Packing("HQQ without its shape, or with quantised zeros", "W_q", "scale", _HQQ, _all(2)),
    Packing("HQQ with quantised scales", "W_q", "scale_q", _HQQ, _all(2)),
    Packing("HQQ in a pickle, whose numbers lie beside its tensors", "W_q", "meta.scale", _HQQ_PICKLED, _hqq_pickled),
    Packing("HQQ in a pickle, with quantised scales", "W_q", "meta.scale_q", _HQQ_PICKLED, _all(2)),
    Packing("quanto without its shape", "weight._data._data", "weight._scale", "weight._shift", _all(2)),
)


def unread(views: Iterable[TensorView], settings: Mapping[str, Any]) -> list[Unread]:
    """The weights of which only packed parts are there; where the config names a quantisation, any matrix of integers.

    `views` are the tensors that no scheme has decoded.
    """
    by_name = {view.name: view for view in views}
    found: dict[str, Unread] = {}
    for name, view in by_name.items():
        if view.dtype.kind not in "iu" or view.dtype.itemsize > MOST_BYTES or len(view.shape) < 2:
            continue
        known = next((one for packing in PACKINGS if (one := _as(packing, name, view, by_name)) is not None), None)
        if known is not None:
            found.setdefault(known.module, known)
        elif settings.get("quant_method") and math.prod(view.shape) >= LEAST and view.encoding is None:
            found[name] = Unread(name, f"{settings['quant_method']!s:.40}", math.prod(view.shape), frozenset({name}))
    return list(found.values())


def _as(packing: Packing, name: str, view: TensorView, by_name: Mapping[str, TensorView]) -> Unread | None:
    module = name.removesuffix(f".{packing.codes}")
    if module == name or f"{module}.{packing.beside}" not in by_name:
        return None
    parts = {part for part in (packing.beside, *packing.others.split()) if f"{module}.{part}" in by_name}
    shapes = {part: by_name[f"{module}.{part}"].shape for part in parts}
    return Unread(
        module, packing.label, packing.values(view.shape, shapes), frozenset({name, *(f"{module}.{p}" for p in parts)})
    )
