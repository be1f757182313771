"""From the factors of an adapter to one tensor for each that it changes: its product, or the whole that replaces it.

Layout: PEFT's checkpoint format, https://huggingface.co/docs/peft/developer_guides/checkpoint
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lineage.checkpoints.adapters.config import CONFIG, AdapterConfig, read_config
from lineage.checkpoints.adapters.names import Kind, Named, named
from lineage.checkpoints.adapters.product import Factor, Product
from lineage.checkpoints.io.byte_sources import Recent
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.reader import Contents, Facts
from lineage.errors import Malformed, NoWeights, UnsupportedFormat
from lineage.types import TensorView
from lineage.types.facts.exclusions import AdapterPart, Exclusion

LORA, DORA = "peft-lora", "peft-dora"

# A product is as large as the tensor that it changes, whatever the size of the file: limits that no real model reaches.
MAX_ROWS = 1 << 21
MAX_ROW = 1 << 17  # values in a row
MAX_VALUES = 1 << 33  # in one product
MAX_HELD = 1 << 25  # values of a factor that is held in memory


@dataclass(slots=True)
class _Parts:
    """The tensors of one target, by purpose."""

    views: dict[Kind, TensorView] = field(default_factory=dict)
    is_embedding: bool = False


def read_adapter(path: Path, contents: Contents, held: Mapping[str, Any]) -> Contents:
    """The tensors of a LoRA or DoRA adapter as changes of its base; `held` is its parsed adapter_config.json.

    Every pair of factors becomes a view of its product, named as the tensor that it changes, with the encoding
    `lora-r8` or `dora-r8` (8 is its rank; `-turned` where the base has a layer's inputs as rows); whole tensors
    (modules_to_save, biases) stay what they are. Nothing is read. Raises NoWeights without factors, Malformed for
    factors that do not fit, UnsupportedFormat for those of other kinds.
    """
    config = read_config(path, held)
    left_out: list[tuple[str, Exclusion]] = list(contents.left_out)
    targets: dict[str, _Parts] = {}
    for view in contents.tensors:
        what = _named(path, view)
        if what.reason is not None:
            left_out.append((view.name, what.reason))
        if what.kind != "beside":
            _put(path, targets.setdefault(what.target, _Parts()), what, view)
    recent = Recent()
    products, wholes = [], []
    for target, parts in targets.items():
        if parts.views.keys() & {"A", "B", "magnitude"}:
            products.append(_product(path, target, parts, config, recent))
            if "whole" in parts.views:
                left_out.append((parts.views["whole"].name, AdapterPart("base-weight")))
        else:
            wholes.append(replace(parts.views["whole"], name=target))
    if not products:
        raise NoWeights(path, f"holds no factors of a LoRA, as its {CONFIG} promises: nothing to compare")
    form = DORA if config.magnitudes else LORA
    facts = Facts(held, declared=config.declared)
    return Contents(form, (*products, *wholes), tuple(left_out), facts, contents.beside)


def _named(path: Path, view: TensorView) -> Named:
    found = named(view.name)
    if found is None:
        raise UnsupportedFormat(
            path, f"tensor {quoted(view.name)} is not a factor of PEFT's LoRA: merge the adapter into its base first"
        )
    return found


def _put(path: Path, parts: _Parts, what: Named, view: TensorView) -> None:
    if what.kind in parts.views:
        first = parts.views[what.kind].name
        raise Malformed(path, f"{quoted(first)} and {quoted(view.name)} are for one tensor: save one adapter at a time")
    parts.views[what.kind] = view
    parts.is_embedding |= what.is_embedding


def _product(path: Path, target: str, parts: _Parts, config: AdapterConfig, recent: Recent) -> TensorView:
    a, b = parts.views.get("A"), parts.views.get("B")
    if a is None or b is None:
        there = next(iter(parts.views.values())).name
        raise Malformed(path, f"{quoted(there)} has no lora_{'B' if a is not None else 'A'} beside it")
    shape, rank = shape_of_product(path, a, b), a.shape[0]
    if rank not in config.ranks:
        said = ", ".join(map(str, sorted(config.ranks)[:4]))
        raise Malformed(path, f"{quoted(a.name)} has rank {rank}, {CONFIG} says {said}")
    out, into = Factor(b, False, recent), Factor(a, False, recent)
    product = Product(shape, out, into, config.scale(target, rank), _magnitude(path, target, parts, shape, config))
    turned = config.transposed and len(shape) == 2 and not parts.is_embedding
    if turned or parts.is_embedding:
        product = product.transposed()
    check_size(path, target, product.shape, _held(product))
    return TensorView(
        name=target,
        shape=product.shape,
        dtype=np.dtype(np.float32),
        rows=product,
        storage=f"{b.storage} * {a.storage} * {product.scale!r}",
        encoding=f"{'lora' if product.magnitude is None else 'dora'}-r{rank}{'-turned' if turned else ''}",
        spans=product.spans,
    )


def shape_of_product(path: Path, a: TensorView, b: TensorView) -> tuple[int, ...]:
    """Shape of the tensor that B (out, rank, 1, ...) and A (rank, in, kernel ...) change. Raises Malformed."""
    for view in (a, b):
        if len(view.shape) < 2 or view.dtype.kind in "biuc":
            raise Malformed(path, f"{quoted(view.name)} is {view.dtype.name} of shape {view.shape}, not a factor")
    fits = len(a.shape) == len(b.shape) and b.shape[1] == a.shape[0] and math.prod(b.shape[2:]) == 1
    if not fits:
        raise Malformed(path, f"{quoted(a.name)} of shape {a.shape} and lora_B of shape {b.shape} have no product")
    return (b.shape[0], *a.shape[1:])


def check_size(path: Path, target: str, shape: tuple[int, ...], held: Iterable[TensorView]) -> None:
    """Raise Malformed for a change of a size that no model has, or with factors that memory does not hold."""
    rows, row = shape[0], math.prod(shape[1:])
    largest = max((math.prod(view.shape) for view in held), default=0)
    if rows > MAX_ROWS or row > MAX_ROW or rows * row > MAX_VALUES or largest > MAX_HELD:
        raise Malformed(
            path, f"the change of {quoted(target)} would have {rows:,} rows of {row:,}: no model is so large"
        )


def _held(product: Product) -> Iterator[TensorView]:
    yield product.right.view
    if product.left.turned:
        yield product.left.view


def _magnitude(
    path: Path, target: str, parts: _Parts, shape: tuple[int, ...], config: AdapterConfig
) -> TensorView | None:
    """The magnitudes of DoRA, one for each row of B."""
    view = parts.views.get("magnitude")
    if (view is not None) != config.magnitudes:
        there = "has no lora_magnitude_vector" if view is None else "has a lora_magnitude_vector"
        raise Malformed(path, f"{quoted(target)} {there}, against use_dora of {CONFIG}")
    if view is not None and (math.prod(view.shape) != (shape[1] if parts.is_embedding else shape[0])):
        raise Malformed(path, f"{quoted(view.name)} has {math.prod(view.shape):,} values for {shape[0]:,} rows")
    return view
