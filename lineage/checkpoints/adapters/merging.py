"""An adapter merged onto its base while the base is read: base rows + scale * B A rows, nothing written anywhere.

PEFT's, and those of trainers that write the scale into the file: kohya's, diffusers', LyCORIS, llama.cpp's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.adapters.config import CONFIG
from lineage.checkpoints.adapters.names import MAGNITUDE
from lineage.checkpoints.adapters.product import Product
from lineage.checkpoints.adapters.reading import DORA, LORA
from lineage.checkpoints.io.quoting import quoted
from lineage.errors import UnsupportedFormat
from lineage.types import AnyArray, Checkpoint, TensorView
from lineage.written_reasons import written

# Containers that one library puts in front of a tensor's name and another leaves out.
_CONTAINERS = frozenset({"model", "transformer", "module", "base_model", "bert", "roberta", "distilbert", "gpt_neox"})
# Initialisations that subtract from the base what the factors hold; PEFT converts them on request.
_UNSCALED = ("torchtune-", "mlx-")  # trainers whose files do not say how the change is scaled
_TRAINERS = ("kohya-", "diffusers-", "lycoris-", "gguf-", *_UNSCALED)
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq")


def is_adapter_checkpoint(opened: Checkpoint) -> bool:
    """Whether a checkpoint is an adapter alone."""
    return opened.format in (LORA, DORA) or _is_of_trainer(opened)


def _is_of_trainer(opened: Checkpoint) -> bool:
    """Whether this is an adapter as a trainer other than PEFT writes it: all of its tensors are changes."""
    return opened.format.startswith(_TRAINERS) and opened.format.endswith(("-lora", "-loha", "-lokr"))


def merged(base: Checkpoint, adapter: Checkpoint) -> Checkpoint:
    """The model that `adapter` makes of `base`: each changed tensor as float32 sums, computed band by band.

    DoRA's magnitudes are applied as in DoRA (Liu et al. 2024): every row of the sum is scaled to its magnitude. Raises
    UnsupportedFormat where one is not an adapter, or the other is, where a target has no place in the base, and for
    what cannot be merged correctly: biases of adapters, rows of single tokens, magnitudes of columns.
    """
    _require_mergeable(base, adapter)
    places = _places(base, adapter)
    views = {view.name: view for view in base.tensors}
    for view in adapter.tensors:
        name = places[view.name]
        if isinstance(view.rows, Product):
            views[name] = _summed(base, adapter, views[name], view, view.rows)
        elif _is_of_trainer(adapter):
            views[name] = _added(base, adapter, views[name], view)
        else:
            views[name] = replace(view, name=name, storage=f"adapter/{view.storage}")
    return replace(
        base,
        name=f"{base.name}+{adapter.name}",
        path=f"{base.path} + {adapter.path}",
        tensors=tuple(views.values()),
        nbytes=base.nbytes + adapter.nbytes,
        licence=None,
        declared=adapter.declared,
        files=(*base.files, *adapter.files),
    )


def _require_mergeable(base: Checkpoint, adapter: Checkpoint) -> None:
    if adapter.format.startswith(_UNSCALED):
        raise UnsupportedFormat(
            adapter.path, "does not say how it is scaled (torchtune, MLX): merge it with the program that made it"
        )
    if not is_adapter_checkpoint(adapter):
        raise UnsupportedFormat(adapter.path, "is not a LoRA or DoRA adapter: give its folder")
    if is_adapter_checkpoint(base):
        raise UnsupportedFormat(base.path, "is an adapter itself: give the base to merge the other into")
    begun = str(adapter.config.get("init_lora_weights", "")).lower()
    if begun.startswith(_CHANGES_BASE):
        raise UnsupportedFormat(
            adapter.path, f"init_lora_weights of {CONFIG} is {quoted(begun)}: its factors belong to a changed base"
        )
    for name, reason in adapter.left_out:
        if reason != MAGNITUDE or _is_of_trainer(adapter):
            said = f"{quoted(name)} ({written(reason)})"
            raise UnsupportedFormat(adapter.path, f"{said} cannot be merged: merge it with the program that made it")


def _places(base: Checkpoint, adapter: Checkpoint) -> dict[str, str]:
    """For each tensor of the adapter the name of the base's tensor that it changes; new whole ones keep their own."""
    held = {view.name for view in base.tensors}
    known = _unique({name: _bare(name) for name in held})
    flat = _unique({name: _flat(name) for name in held}) if _is_of_trainer(adapter) else {}
    places: dict[str, str] = {}
    for view in adapter.tensors:
        found = view.name if view.name in held else known.get(_bare(view.name)) or flat.get(_flat(view.name))
        if found is None and (isinstance(view.rows, Product) or _is_of_trainer(adapter)):
            raise UnsupportedFormat(adapter.path, f"does not fit {base.name}: it has no tensor {quoted(view.name)}")
        places[view.name] = found or view.name
    name, count = next(iter(Counter(places.values()).most_common(1)))
    if count > 1:
        raise UnsupportedFormat(adapter.path, f"does not fit {base.name}: {count} of its tensors mean {quoted(name)}")
    return places


def _unique(spelled: Mapping[str, str]) -> dict[str, str]:
    """Names by another spelling of theirs that is unique."""
    times = Counter(spelled.values())
    return {spelling: name for name, spelling in spelled.items() if times[spelling] == 1}


def _flat(name: str) -> str:
    """A name as kohya's scripts write it, which does not distinguish dots from underscores."""
    return _bare(name).replace(".", "_")


def _bare(name: str) -> str:
    first, dot, rest = name.partition(".")
    while dot and first in _CONTAINERS:
        name = rest
        first, dot, rest = name.partition(".")
    return name


def _summed(
    base: Checkpoint, adapter: Checkpoint, view: TensorView, change: TensorView, product: Product
) -> TensorView:
    """The view of the sum, transposed if the base stores the matrix transposed."""
    if view.shape != product.shape:
        if view.shape != product.shape[::-1] or len(view.shape) != 2:
            raise UnsupportedFormat(
                adapter.path,
                f"does not fit {base.name}: {quoted(view.name)} is {view.shape} there, {change.shape} here",
            )
        product = product.transposed()
    if view.dtype.kind in "biuc":
        raise UnsupportedFormat(base.path, f"{quoted(view.name)} is {view.dtype.name}: nothing can be added to that")
    if product.magnitude is not None and product.right.turned:
        raise UnsupportedFormat(
            adapter.path, f"DoRA's magnitudes of {quoted(view.name)} are of its columns: merge it with PEFT"
        )
    magnitudes = product.magnitude

    def rows(start: int, stop: int) -> AnyArray:
        total = view.rows(start, stop).astype(np.float64) + product(start, stop)
        if magnitudes is not None:
            total *= _scales(total, magnitudes, start, stop)
        with np.errstate(over="ignore", invalid="ignore"):  # the sketch refuses what is not finite
            return total.astype(np.float32)

    return replace(
        view, dtype=np.dtype(np.float32), rows=rows, storage=f"{view.storage} + {change.storage}", encoding=None
    )


def _added(base: Checkpoint, adapter: Checkpoint, view: TensorView, change: TensorView) -> TensorView:
    """The view of the sum with a change that is not a plain product."""
    if view.shape != change.shape:
        raise UnsupportedFormat(
            adapter.path,
            f"does not fit {base.name}: {quoted(view.name)} is {view.shape} there, {change.shape} here",
        )
    if view.dtype.kind in "biuc":
        raise UnsupportedFormat(base.path, f"{quoted(view.name)} is {view.dtype.name}: nothing can be added to that")

    def rows(start: int, stop: int) -> AnyArray:
        with np.errstate(over="ignore", invalid="ignore"):  # as above
            total = view.rows(start, stop).astype(np.float64) + change.rows(start, stop)
            return np.asarray(total.astype(np.float32))

    return replace(
        view, dtype=np.dtype(np.float32), rows=rows, storage=f"{view.storage} + {change.storage}", encoding=None
    )


def _scales(total: NDArray[np.float64], magnitudes: TensorView, start: int, stop: int) -> NDArray[np.float64]:
    """Magnitude over norm for each row of a band; rows of zeros stay as they are."""
    wanted = magnitudes.rows(0, magnitudes.shape[0]).reshape(-1)[start:stop].astype(np.float64)
    norms = np.sqrt(np.square(total.reshape(len(total), -1)).sum(axis=1))
    scales: NDArray[np.float64] = np.divide(wanted, norms, out=np.ones(len(total)), where=norms > 0)
    return scales.reshape(-1, *[1] * (total.ndim - 1))
