"""What every quantised scheme shares: the stored tensors of one weight, and a view that puts them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.decode.rearranged import permuted
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import DenseRows
from lineage.errors import Malformed
from lineage.types import AnyArray, FileSpan, Float32Array, Spans, TensorView
from lineage.types.checkpoints import nowhere

WHOLE = 1 << 22  # values of a matrix without a place that are read at a time to get at some of its columns


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded weight, and the names of the stored tensors that it is made of."""

    view: TensorView
    parts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored tensors of a checkpoint by name, and what its config says about the quantisation."""

    path: Path
    tensors: Mapping[str, TensorView]
    settings: Mapping[str, Any]

    def get(self, name: str) -> TensorView | None:
        """The tensor of that name, if there is one."""
        return self.tensors.get(name)

    def need(self, name: str, owner: str) -> TensorView:
        """The tensor without which `owner` cannot be read. Raises Malformed if it is missing."""
        if name not in self.tensors:
            raise Malformed(
                self.path, f"tensor {quoted(owner)} cannot be read without {quoted(name)}: open the whole checkpoint"
            )
        return self.tensors[name]

    def refuse(self, name: str, problem: str) -> NoReturn:
        """Raise Malformed for a tensor whose parts do not fit each other."""
        raise Malformed(self.path, f"quantised tensor {quoted(name)} {problem}: the checkpoint is damaged")

    def number(self, key: str) -> int | None:
        """A positive whole number of the config."""
        value = self.settings.get(key)
        return value if type(value) is int and 0 < value < 1 << 31 else None


class PackedLinear(NamedTuple):
    """The parts that GPTQ and AWQ have in common: words of codes (two of them) and scales, all matrices."""

    module: str
    qweight: TensorView
    qzeros: TensorView
    scales: TensorView


def packed_linear(name: str, stored: Stored) -> PackedLinear | None:
    """The parts of the linear layer whose codes are `name`, else None. Raises Malformed if one is missing."""
    module = name.removesuffix(".qweight")
    qweight = stored.tensors[name]
    beside = [f"{module}.scales", f"{module}.qzeros"]
    if module == name or not is_words(qweight) or not any(other in stored.tensors for other in beside):
        return None
    scales, qzeros = (stored.need(other, name) for other in beside)
    if not is_words(qzeros) or scales.dtype.kind in "iub" or len(scales.shape) != 2:
        stored.refuse(name, "has zeros that are not a matrix of 32-bit words, or scales not a matrix of numbers")
    return PackedLinear(module, qweight, qzeros, scales)


def is_words(view: TensorView) -> bool:
    """Whether this is a matrix of 32-bit words."""
    return len(view.shape) == 2 and view.dtype.kind in "iu" and view.dtype.itemsize == 4


def weight_view(
    name: str,
    shape: tuple[int, ...],
    stored: TensorView,
    encoding: str,
    rows: Callable[[int, int], Float32Array],
    *,
    spans: Spans | None = None,
) -> TensorView:
    """A view of a quantised weight in float32; `rows` is only asked for bands inside the shape.

    Without `spans`, the rows of `stored` are taken for those of the weight where there are as many.
    """
    length = shape[0] if shape else 1

    def checked(start: int, stop: int) -> AnyArray:
        if not 0 <= start <= stop <= length:
            raise IndexError(f"rows {start}:{stop} of {length}")
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # the sketch refuses such values
            return rows(start, stop)

    told = spans or (stored.spans if stored.shape[:1] == shape[:1] else nowhere)
    return TensorView(name, shape, np.dtype(np.float32), checked, stored.storage, encoding, told)


def columns(view: TensorView, start: int, stop: int) -> AnyArray:
    """Read columns [start, stop) of a matrix, transposed: shape (stop - start, rows).

    Only they are read where the matrix lies plainly in a file; else it is read in blocks of rows.
    """
    length, width = view.shape
    if isinstance(view.rows, DenseRows) and view.rows.place.shape == view.shape:
        return permuted(view.name, view.rows.place, (1, 0), view.storage).rows(start, stop)
    step = max(1, WHOLE // width)
    bands = [view.rows(row, min(row + step, length))[:, start:stop] for row in range(0, length, step)]
    return np.ascontiguousarray(np.concatenate(bands).T)


def elements(view: TensorView, start: int, stop: int) -> AnyArray:
    """Read elements [start, stop) in row-major order."""
    width = int(np.prod(view.shape[1:], dtype=np.int64))
    first = start // width
    return view.rows(first, -(-stop // width)).reshape(-1)[start - first * width : stop - first * width]


def spans_of_elements(view: TensorView, start: int, stop: int) -> Iterable[FileSpan]:
    """Where elements [start, stop) in row-major order lie in files."""
    width = int(np.prod(view.shape[1:], dtype=np.int64))
    return view.spans(start // width, -(-stop // width))


def whole(view: TensorView) -> AnyArray:
    """Read a small tensor."""
    return view.rows(0, view.shape[0] if view.shape else 1).reshape(view.shape)


def input_groups(
    stored: Stored, name: str, inputs: int, groups: int, g_idx: TensorView | None
) -> tuple[int, Callable[[], NDArray[np.int64]]]:
    """The size of a group, and a reader of the group of each input: as `g_idx` says, else in equal runs."""
    size = even_groups(stored, name, inputs, groups)
    if g_idx is None:
        return size, lambda: np.arange(inputs, dtype=np.int64) // size
    if g_idx.shape != (inputs,) or g_idx.dtype.kind not in "iu":
        stored.refuse(name, f"has {inputs:,} inputs and g_idx {g_idx.shape}")

    def read() -> NDArray[np.int64]:
        index: NDArray[np.int64] = whole(g_idx).astype(np.int64)
        if index.min() < 0 or index.max() >= groups:
            stored.refuse(name, f"names groups outside the {groups:,} that it has")
        return index

    return size, read


def even_groups(stored: Stored, name: str, inputs: int, groups: int) -> int:
    """Inputs in each group: the config's `group_size` where it fits, else equal runs. Raises Malformed."""
    size = stored.number("group_size")
    size = size if size and -(-inputs // size) == groups else -(-inputs // groups)
    if -(-inputs // size) != groups:
        stored.refuse(name, f"has {inputs:,} inputs in {groups:,} groups of unequal size")
    return size
