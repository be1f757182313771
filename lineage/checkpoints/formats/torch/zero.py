"""Checkpoints of DeepSpeed's ZeRO stage 3: the weights lie in float32 in the states of the optimizer, in runs by rank.

Layout: `_get_fp32_state_dict_from_zero3_checkpoint` of deepspeed/utils/zero_to_fp32.py. Each rank has one run of values
in `fp32_flat_groups`; of each tensor of `param_shapes`, in turn, it holds the next ceil(values / ranks), and the tensor
is the parts of all ranks one after the other, without the padding at the end. Buffers lie whole in `module`, tensors
that are not trained in parts in `frozen_param_fragments`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lineage.checkpoints.decode.non_weights import set_aside
from lineage.checkpoints.formats.torch.ranks import ZERO_PARTS
from lineage.checkpoints.formats.torch.tensors import Tensor, is_size
from lineage.checkpoints.formats.torch.zip import Loaded, load_zip
from lineage.checkpoints.io.byte_sources import Joined
from lineage.checkpoints.io.bytes import ByteSource, PositionedFile, Window
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import DenseRows, Place, check_name, count_elements, dense
from lineage.checkpoints.reader import Contents
from lineage.errors import Malformed, UnsupportedFormat
from lineage.types import TensorView

STATES = re.compile(r"zero_pp_rank_(?P<rank>\d+)_mp_rank_(?P<model>\d+)_model_states\.pt")
_OPTIMIZER = ("bf16_zero", "fp16_zero", "zero")  # what the file of the same rank's optimizer begins with
_BY_EXPERT = ("ds_autoep_layers", "autoep_layers")
MAX_RANKS = 1 << 12
_FLOAT = np.dtype("<f4")


class Rank(NamedTuple):
    """The names of the two files of a rank."""

    model: str
    optimizer: str


def ranks_of(names: Sequence[str], held: Callable[[str], bool]) -> list[Rank] | None:
    """The files of all ranks, in order; None where these are not such files, or the optimizer's are not there."""
    found = [match for name in names if (match := STATES.fullmatch(name))]
    order = sorted(found, key=lambda match: int(match["rank"]))
    if len(found) < len(names) or len({match["model"] for match in found}) != 1 or len(found) > MAX_RANKS:
        return None
    if [int(match["rank"]) for match in order] != list(range(len(order))):
        return None
    ranks = []
    for match in order:
        endings = match[0].removeprefix("zero").replace("model_states", "optim_states")
        optimizer = next((name for first in _OPTIMIZER if held(name := first + endings)), None)
        if optimizer is None:
            return None
        ranks.append(Rank(match[0], optimizer))
    return ranks


def read_zero(models: Sequence[PositionedFile], optimizers: Sequence[PositionedFile]) -> Contents:
    """The whole tensors of a run, from the files of all its ranks. Raises CheckpointError."""
    held = [load_zip(file) for file in models]
    first = _mapping(held[0], held[0].value)
    if any(key in first for key in _BY_EXPERT):
        raise UnsupportedFormat(held[0].path, "has experts in parts of their own (AutoEP): run ds_to_universal.py")
    runs = [_run(load_zip(file), len(models)) for file in optimizers]
    tensors = [*_trained(held[0], first, runs), *_frozen(held, first), *_buffers(held[0], first)]
    kept, left_out = set_aside({view.name: view for view in tensors}.values())
    return Contents("torch-zero3", kept, left_out)


def _run(loaded: Loaded, ranks: int) -> ByteSource:
    """All values of one rank, one after the other."""
    state = _mapping(loaded, _mapping(loaded, loaded.value).get("optimizer_state_dict"))
    groups = state.get("fp32_flat_groups")
    if state.get("zero_stage", ZERO_PARTS) != ZERO_PARTS or not isinstance(groups, list):
        raise UnsupportedFormat(loaded.path, "holds no fp32_flat_groups of ZeRO stage 3: run zero_to_fp32.py")
    count = state.get("partition_count", ranks)
    counts = set(count) if isinstance(count, list) else {count}
    if counts != {ranks}:
        raise UnsupportedFormat(loaded.path, f"is of {quoted(str(count))} ranks, and {ranks} are there: add the others")
    vectors = [_vector(loaded, group) for group in groups]
    if any(kind != _FLOAT for _, kind in vectors):
        raise Malformed(loaded.path, "a group of fp32_flat_groups is not a vector of float32")
    return Joined(loaded.path, [source for source, _ in vectors])


def _vector(loaded: Loaded, held: Any) -> tuple[ByteSource, np.dtype[Any]]:
    """The bytes of a vector, and its type."""
    view = loaded.view("a part", held) if isinstance(held, Tensor) else None
    if not isinstance(view, TensorView) or not isinstance(view.rows, DenseRows):
        raise Malformed(loaded.path, "what should be a part of a tensor is not a vector")
    place = view.rows.place
    return Window(place.source, place.start, math.prod(view.shape) * place.dtype.itemsize), place.dtype


def _trained(loaded: Loaded, first: Mapping[Any, Any], runs: Sequence[ByteSource]) -> list[TensorView]:
    groups = first.get("param_shapes")
    shapes: dict[str, tuple[int, ...]] = {}
    for group in groups if isinstance(groups, list) else [groups]:
        shapes |= _shapes(loaded, group)
    found, offset = [], 0
    for name, shape in shapes.items():
        each = -(-count_elements(loaded.path, name, shape) // len(runs))
        if any((offset + each) * _FLOAT.itemsize > run.size for run in runs):
            raise Malformed(loaded.path, f"the ranks have no values left for tensor {quoted(name)}")
        parts = [Window(run, offset * _FLOAT.itemsize, each * _FLOAT.itemsize) for run in runs]
        found.append(_view(loaded, name, shape, parts))
        offset += each
    return found


def _frozen(held: Sequence[Loaded], first: Mapping[Any, Any]) -> list[TensorView]:
    shapes = _shapes(held[0], first.get("frozen_param_shapes") or {})
    fragments = [_mapping(one, _mapping(one, one.value).get("frozen_param_fragments") or {}) for one in held]
    found = []
    for name, shape in shapes.items():
        parts = [_vector(one, parts.get(name)) for one, parts in zip(held, fragments, strict=True)]
        kinds = {kind for _, kind in parts}
        if len(kinds) > 1:
            raise Malformed(held[0].path, f"the parts of tensor {quoted(name)} are of several types")
        found.append(_view(held[0], name, shape, [source for source, _ in parts], kinds.pop()))
    return found


def _buffers(loaded: Loaded, first: Mapping[Any, Any]) -> list[TensorView]:
    """What lies whole in each file: tensors of the module that have values."""
    module = _mapping(loaded, first.get("module"))
    whole = {name: one for name, one in module.items() if isinstance(one, Tensor) and 0 not in one.shape}
    views = [loaded.view(str(name), one) for name, one in whole.items()]
    return [view for view in views if isinstance(view, TensorView)]


def _view(
    loaded: Loaded, name: str, shape: tuple[int, ...], parts: Sequence[ByteSource], kind: np.dtype[Any] = _FLOAT
) -> TensorView:
    source = Joined(loaded.path, parts)
    if source.size < count_elements(loaded.path, name, shape) * kind.itemsize:
        raise Malformed(loaded.path, f"the parts of tensor {quoted(name)} are smaller than its shape {shape}")
    return dense(name, Place(source, 0, shape, kind), f"zero/{name}")


def _shapes(loaded: Loaded, held: Any) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for name, shape in _mapping(loaded, held).items():
        if not isinstance(name, str) or not isinstance(shape, tuple) or not all(is_size(side) for side in shape):
            raise Malformed(loaded.path, "its param_shapes are not shapes by name")
        check_name(loaded.path, name)
        found[name] = shape
    return found


def _mapping(loaded: Loaded, held: Any) -> Mapping[Any, Any]:
    if not isinstance(held, dict):
        raise Malformed(loaded.path, "is not a file of DeepSpeed: a dictionary is missing")
    return held
