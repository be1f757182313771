"""Adapters that contain their scale, as trainers other than PEFT write them, without any adapter_config.json.

| written by | factors of a tensor | scale |
|---|---|---|
| kohya's scripts | `lora_unet_X.lora_down.weight`, `lora_up.weight`, of X with underscores for dots | `alpha` / rank |
| diffusers | `unet.X.lora_A.weight`, `lora_B.weight`; `X.lora.down.weight`, `lora.up.weight` | `alpha` / rank, else 1 |
| LyCORIS | LoHa: `hada_w1_a`, `w1_b`, `w2_a`, `w2_b`; LoKr: `lokr_w1`, `w2`, or `w1_a`, `w1_b`, ... | `alpha` / rank |
| llama.cpp | `blk.0.attn_q.weight.lora_a`, `lora_b` | `adapter.lora.alpha` of the file / rank |
| torchtune, MLX | `X.lora_a`, `lora_b`; MLX has both transposed | not in the file |
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lineage.checkpoints.adapters.flat_names import with_dots
from lineage.checkpoints.adapters.lycoris import Hadamard, Kronecker, Rows, Stored, scaled
from lineage.checkpoints.adapters.names import MAGNITUDE, PREFIX
from lineage.checkpoints.adapters.product import Factor, Product
from lineage.checkpoints.adapters.reading import check_size, shape_of_product
from lineage.checkpoints.io.byte_sources import Recent
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.reader import Contents
from lineage.errors import Malformed, NoWeights
from lineage.types import AnyArray, FileSpan, TensorView
from lineage.types.facts.exclusions import AdapterPart
from lineage.written_reasons import written

ALPHA = "adapter.lora.alpha"  # of the metadata of a GGUF file
WHOLE = AdapterPart("whole-change")
DECOMPOSED = AdapterPart("decomposed-factor")
BESIDE = AdapterPart("no-factor")

_ENDS = {
    ".lora_down": "down", ".lora_up": "up", ".lora_A": "down", ".lora_B": "up", ".lora_a": "down", ".lora_b": "up",
    ".lora_A.default": "down", ".lora_B.default": "up", ".lora.down": "down", ".lora.up": "up", "_lora.down": "down",
    "_lora.up": "up", ".lora_linear_layer.down": "down", ".lora_linear_layer.up": "up",
    ".hada_w1_a": "w1_a", ".hada_w1_b": "w1_b", ".hada_w2_a": "w2_a", ".hada_w2_b": "w2_b",
    ".lokr_w1": "k1", ".lokr_w1_a": "k1_a", ".lokr_w1_b": "k1_b",
    ".lokr_w2": "k2", ".lokr_w2_a": "k2_a", ".lokr_w2_b": "k2_b",
    ".lora_mid": "mid", ".hada_t1": "mid", ".hada_t2": "mid", ".lokr_t2": "mid", ".lora.alpha": "alpha",
    ".alpha": "alpha", ".dora_scale": "magnitude", ".diff": "diff", ".diff_b": "diff",
}  # fmt: skip
_REASONS = {"magnitude": MAGNITUDE, "diff": WHOLE}
# What a pipeline of diffusers calls the network that an adapter usually changes.
_NETWORKS = ("unet.", "transformer.", "diffusion_model.", "model.diffusion_model.")
_PIPELINE = (*_NETWORKS, "text_encoder.", "text_encoder_2.", "text_encoder_3.")
_FACTORS = frozenset({"down", "up", "w1_a", "w1_b", "w2_a", "w2_b", "k1", "k1_a", "k1_b", "k2", "k2_a", "k2_b"})

_Parts = Mapping[str, TensorView]


class _Change(NamedTuple):
    """What is added to a tensor, before it is scaled: its kind, the most that its rank can be, and alpha's divisor."""

    rows: Rows
    kind: str
    rank: int
    divisor: int | None


def read_with_scale(path: Path, contents: Contents) -> Contents | None:
    """The changes of an adapter that needs no settings beside it, named as the tensors that they change.

    Nothing is read. None for PEFT's, and for factors of no known trainer. Raises Malformed for factors that do not fit
    each other, NoWeights where all are of kinds that are not read.
    """
    trainer = _trainer(contents)
    if trainer is None:
        return None
    groups: dict[str, dict[str, TensorView]] = defaultdict(dict)
    left_out = list(contents.left_out)
    for view in contents.tensors:
        module, part = _taken_apart(view.name)
        if part in groups[module]:
            raise Malformed(path, f"{quoted(view.name)} has another {part} for its module beside it")
        groups[module][part] = view
    recent, changes, kinds = Recent(), [], Counter[str]()
    for module, parts in groups.items():
        left_out += [(view.name, _REASONS.get(part, BESIDE)) for part, view in parts.items() if part in {"", *_REASONS}]
        if "mid" in parts:
            left_out += [(view.name, DECOMPOSED) for part, view in parts.items() if part not in {"alpha", *_REASONS}]
        elif parts.keys() & _FACTORS:
            change = _change(path, module, parts, recent)
            kinds[change.kind] += 1
            changes.append(_view(path, _target(module), change, parts, contents))
    if not changes:
        raise NoWeights(path, f"holds an adapter whose factors are not read: {written(left_out[0][1])}")
    made = replace(contents, tensors=tuple(changes), left_out=tuple(left_out))
    if contents.format == "gguf":
        from lineage.checkpoints.formats import gguf

        made = gguf.restored(made)
    return replace(made, format=f"{trainer}-{kinds.most_common(1)[0][0]}")


def _trainer(contents: Contents) -> str | None:
    """Which trainer wrote an adapter, as far as the names of its factors show."""
    names = [view.name for view in contents.tensors]
    if contents.format == "gguf":
        return "gguf"
    if any(name.startswith(PREFIX) for name in names):
        return None
    ends = {name.removesuffix(".weight").rpartition(".")[2] for name in names}
    if any(end.startswith(("hada_", "lokr_")) for end in ends):
        return "lycoris"
    if ends & {"lora_down", "lora_up"}:
        return "kohya"
    if ends & {"lora_a", "lora_b"}:
        return "mlx" if contents.format == "mlx" else "torchtune"
    of_pipeline = all(name.startswith(_PIPELINE) for name in names) or ends & {"down", "up"}
    return "diffusers" if of_pipeline else None


def _taken_apart(name: str) -> tuple[str, str]:
    """The module that a tensor is for, and which part; "" if it is not a part of an adapter."""
    bare = name.removesuffix(".weight")
    found = next((end for end in _ENDS if bare.endswith(end)), None)
    return (bare.removesuffix(found), _ENDS[found]) if found else (name, "")


def _target(module: str) -> str:
    name = with_dots(module.replace(".processor.", "."))
    network = next((prefix for prefix in _NETWORKS if name.startswith(prefix)), "")
    name = name.removeprefix(network)
    return name if name.endswith(".weight") else f"{name}.weight"


def _change(path: Path, module: str, parts: _Parts, recent: Recent) -> _Change:
    for part in parts.keys() & _FACTORS:
        if len(parts[part].shape) < 2 or parts[part].dtype.kind in "biuc":
            view = parts[part]
            raise Malformed(path, f"{quoted(view.name)} is {view.dtype.name} of shape {view.shape}, not a factor")
    if parts.keys() & {"down", "up"}:
        rows = _product(path, module, parts, ("down", "up"), recent)
        return _Change(rows, "lora", rows.rank, rows.rank)
    if any(part.startswith("w") for part in parts):
        first, second = (_product(path, module, parts, (f"{w}_b", f"{w}_a"), recent) for w in ("w1", "w2"))
        if first.shape != second.shape:
            raise Malformed(path, f"the two products for {quoted(module)} are {first.shape} and {second.shape}")
        return _Change(Hadamard(first, second), "loha", _at_most(first.rank * second.rank, first.shape), first.rank)
    left, right = (_side(path, module, parts, k, recent) for k in ("k1", "k2"))
    if len(left.shape) != 2:
        raise Malformed(path, f"lokr_w1 of {quoted(module)} has {len(left.shape)} axes, not 2")
    whole = Kronecker(left, right)
    ranks = [one.rank if isinstance(one, Product) else min(one.shape[:2]) for one in (left, right)]
    lengths = [one.rank for one in (right, left) if isinstance(one, Product)]
    return _Change(whole, "lokr", _at_most(math.prod(ranks), whole.shape), lengths[0] if lengths else None)


def _at_most(rank: int, shape: tuple[int, ...]) -> int:
    return min(rank, shape[0], math.prod(shape[1:]))


def _side(path: Path, module: str, parts: _Parts, name: str, recent: Recent) -> Product | Stored:
    view = parts.get(name)
    return Stored(view) if view is not None else _product(path, module, parts, (f"{name}_b", f"{name}_a"), recent)


def _product(path: Path, module: str, parts: _Parts, names: tuple[str, str], recent: Recent) -> Product:
    a, b = (parts.get(name) for name in names)
    if a is None or b is None:
        raise Malformed(path, f"the factors for {quoted(module)} lack one: {', '.join(sorted(parts))} are there")
    turned = len(a.shape) == len(b.shape) == 2 and b.shape[1] != a.shape[0] and b.shape[0] == a.shape[1]
    if turned:  # MLX: (in, rank) and (rank, out)
        shape: tuple[int, ...] = (b.shape[1], a.shape[0])
    else:
        shape = shape_of_product(path, a, b)
    product = Product(shape, Factor(b, turned, recent), Factor(a, turned, recent), 1.0)
    check_size(path, module, product.shape, (a, b) if turned else (a,))
    return product


def _view(path: Path, target: str, change: _Change, parts: _Parts, contents: Contents) -> TensorView:
    held = [view for part, view in parts.items() if part.startswith(("k1", "k2"))]
    check_size(path, target, change.rows.shape, held)
    rows: Callable[[int, int], AnyArray] = change.rows
    alpha, storage = parts.get("alpha"), " * ".join(view.storage for part, view in parts.items() if part in _FACTORS)
    stated = (contents.facts.config if contents.facts else {}).get(ALPHA)
    if alpha is not None and change.divisor is not None:
        if math.prod(alpha.shape) != 1:
            raise Malformed(path, f"{quoted(alpha.name)} is of shape {alpha.shape}, not a number")
        rows, storage = scaled(target, change.rows, alpha, change.divisor, str(path)), f"{storage} * {alpha.storage}"
    elif isinstance(change.rows, Product) and isinstance(stated, int | float) and stated:
        rows = replace(change.rows, scale=stated / change.rank)
        storage = f"{storage} * {stated!r}"
    encoding = f"{change.kind}-r{change.rank}"

    def spans(_start: int, _stop: int) -> Iterable[FileSpan]:
        return [span for view in parts.values() for span in view.spans(0, view.shape[0] if view.shape else 1)]

    return TensorView(target, change.rows.shape, np.dtype(np.float32), rows, storage, encoding, spans)
