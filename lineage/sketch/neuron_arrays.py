"""Neurons in a sketch file: their arrays and what they are of; a file without them is valid, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.sketch.family import ANCHORS
from lineage.sketch.neuron_layers import MOST_NEURONS
from lineage.types import Neurons
from lineage.types.sketch import AnchorKey

_INDEX, _CODES, _HEADS, _SCALES = "neuron_index", "neuron_codes", "neuron_heads", "neuron_scales"
NEURON_ARRAYS = (_INDEX, _CODES, _HEADS, _SCALES)
_SINCE_SCALES = 6  # items of a layer in the header; before there were five, and no scales
_NO_HEADS = np.empty((0, 2, ANCHORS, ANCHORS), np.float32)
_MOST_KINDS = 3
_MOST_LAYERS = 256


def neurons_header(neurons: Sequence[Neurons]) -> dict[str, Any]:
    """The header's entry for the arrays: for each layer what it is and how much of it there is; their digest."""
    return {
        "digest": _digest(neurons_arrays(neurons)),
        "layers": [
            [one.component, one.layer, len(one.codes), len(one.index), one.attention is not None]
            + ([] if one.scale is None else [one.keyed])
            for one in neurons
        ],
    }


def neurons_arrays(neurons: Sequence[Neurons]) -> dict[str, NDArray[Any]]:
    """All layers one after the other: int64 (n,), int8 (rows, 32), float32 (heads, 2, 32, 32) and (rows,).

    Without scales where they are not known; none at all without neurons.
    """
    if not neurons:
        return {}
    scales = [one.scale.reshape(-1) for one in neurons if one.scale is not None]
    return {
        _INDEX: np.concatenate([one.index for one in neurons]),
        _CODES: np.concatenate([one.codes.reshape(-1, ANCHORS) for one in neurons]),
        _HEADS: np.concatenate([_NO_HEADS, *(one.attention[None] for one in neurons if one.attention is not None)]),
        **({_SCALES: np.concatenate(scales)} if scales else {}),
    }


def read_neurons(header: Any, arrays: Mapping[str, NDArray[Any]]) -> tuple[Neurons, ...]:
    """The neurons that a header and its arrays hold. Raises ValueError, KeyError, TypeError for damaged ones."""
    if header is None:
        return ()
    index, codes, heads = _checked(header, arrays)
    scales = arrays.get(_SCALES, np.empty(0, np.float32))
    found, first, row, head = [], 0, 0, 0
    for layer in header["layers"]:
        component, number, kinds, count, has_heads, *keyed = layer
        if not (0 < kinds <= _MOST_KINDS and 0 < count <= MOST_NEURONS):
            raise ValueError("an impossible number of neurons")
        own, of_layer = index[first : first + count], codes[row : row + kinds * count]
        if len(of_layer) != kinds * count or len(own) != count or (np.diff(own) <= 0).any() or own[0] < 0:
            raise ValueError("the neurons are too few, or out of order")
        found.append(
            Neurons(
                component=str(component),
                layer=int(number),
                index=own,
                codes=of_layer.reshape(kinds, count, ANCHORS),
                attention=heads[head] if has_heads else None,
                scale=scales[row : row + kinds * count].reshape(kinds, count) if keyed else None,
                keyed=_key(keyed),
            )
        )
        first, row, head = first + count, row + kinds * count, head + bool(has_heads)
    if (first, row, head) != (len(index), len(codes), len(heads)):
        raise ValueError("there are more neurons than the header says")
    return tuple(found)


def _checked(header: Any, arrays: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Index, codes and heads, all arrays of the types that they must have."""
    index, codes, heads = arrays[_INDEX], arrays[_CODES], arrays[_HEADS]
    if heads.dtype != np.float32 or heads.shape[1:] != _NO_HEADS.shape[1:] or not np.isfinite(heads).all():
        raise ValueError("the heads have another type")
    if index.dtype != np.int64 or codes.dtype != np.int8 or index.ndim != 1 or codes.shape[1:] != (ANCHORS,):
        raise ValueError("the arrays of neurons have another type")
    if any(len(layer) == _SINCE_SCALES for layer in header["layers"]):
        scales = arrays[_SCALES]
        if (
            scales.dtype != np.float32
            or scales.shape != codes.shape[:1]
            or not (np.isfinite(scales) & (scales > 0)).all()
        ):
            raise ValueError("the scales of neurons are no scales")
    if _digest(arrays) != header["digest"] or len(header["layers"]) > _MOST_LAYERS:
        raise ValueError("the neurons do not fit their digest")
    return index, codes, heads


def _key(said: Sequence[Any]) -> AnchorKey:
    if not said:
        return "row"
    if len(said) == 1 and said[0] in get_args(AnchorKey):
        key: AnchorKey = said[0]
        return key
    raise ValueError("neurons by an unknown key")


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    hasher = blake3()
    for name in NEURON_ARRAYS:
        if name in arrays:
            hasher.update(np.ascontiguousarray(arrays[name]).view(np.uint8).data)
    return hasher.hexdigest()
