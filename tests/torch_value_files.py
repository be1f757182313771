"""Torch tensors that are not simply values, as torch pickles them: sparse, quantised, wrapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.torch_files import Call, Glob, Storages, ordered_dict, row_major, write_zip

RNG = np.random.default_rng(12)


def layout(name: str) -> Call:
    return Call(Glob("torch.serialization", "_get_layout"), (f"torch.{name}",))


def sparse(storages: Storages, kind: str, *parts: Any, shape: tuple[int, ...], more: tuple[Any, ...] = ()) -> Call:
    held = tuple(storages.tensor(np.ascontiguousarray(part)) for part in parts)
    sizes = Call(Glob("torch", "Size"), (shape,))
    return Call(Glob("torch._utils", "_rebuild_sparse_tensor"), (layout(kind), (*held, sizes, *more)))


def coo(storages: Storages, array: np.ndarray, *, axes: int = 0, coalesced: Any = True, shuffled: bool = False) -> Call:
    axes = axes or array.ndim
    filled = array.reshape(*array.shape[:axes], -1).any(-1)
    places = np.array(np.nonzero(filled))
    order = RNG.permutation(places.shape[1]) if shuffled else np.arange(places.shape[1])
    places = places[:, order]
    more = () if coalesced is None else (coalesced,)
    return sparse(storages, "sparse_coo", places, array[tuple(places)], shape=array.shape, more=more)


def csr(storages: Storages, array: np.ndarray) -> Call:
    bounds = np.concatenate([[0], np.cumsum((array != 0).sum(1))])
    rows, columns = np.nonzero(array)
    return sparse(storages, "sparse_csr", bounds, columns, array[rows, columns], shape=array.shape)


def bsr(storages: Storages, array: np.ndarray, tall: int, wide: int) -> Call:
    blocks = array.reshape(array.shape[0] // tall, tall, array.shape[1] // wide, wide).swapaxes(1, 2)
    filled = blocks.any((2, 3))
    bounds = np.concatenate([[0], np.cumsum(filled.sum(1))]).astype(np.int32)
    return sparse(
        storages, "sparse_bsr", bounds, np.nonzero(filled)[1].astype(np.int32), blocks[filled], shape=array.shape
    )


def by_columns(storages: Storages, array: np.ndarray, tall: int = 1, wide: int = 1) -> Call:
    """CSC, or BSC in blocks."""
    blocks = array.reshape(array.shape[0] // tall, tall, array.shape[1] // wide, wide).transpose(2, 0, 1, 3)
    filled = blocks.any((2, 3))
    bounds = np.concatenate([[0], np.cumsum(filled.sum(1))])
    values = blocks[filled] if tall * wide > 1 else blocks[filled].reshape(-1)
    kind = "sparse_bsc" if tall * wide > 1 else "sparse_csc"
    return sparse(storages, kind, bounds, np.nonzero(filled)[1], values, shape=array.shape)


def qtensor(storages: Storages, codes: np.ndarray, kind: str, scheme: tuple[Any, ...]) -> Call:
    key = storages.add(codes)
    held = storages.storage(key)
    held.identity = (held.identity[0], Glob("torch", kind), *held.identity[2:])
    arguments = (held, 0, codes.shape, row_major(codes.shape), scheme, False, ordered_dict())
    return Call(Glob("torch._utils", "_rebuild_qtensor"), arguments)


def wrapper(name: str, shape: tuple[int, ...], state: dict[str, Any], *, slots: bool = False) -> Call:
    kind = Glob("torchao.quantization", name)
    arguments = (kind, Glob("torch", "bfloat16"), shape, row_major(shape), 0)
    function = Glob("torch._utils", "_rebuild_wrapper_subclass")
    held = (state, {}) if slots else state
    return Call(Glob("torch._tensor", "_rebuild_from_type_v2"), (function, kind, arguments, held))


def write_values(folder: Path) -> None:
    """A file with one of each."""
    storages = Storages()
    codes, dense = RNG.integers(-128, 128, (6, 8)).astype(np.int8), np.eye(6, 8, dtype=np.float32)
    channels = (Glob("torch", "per_channel_affine"), storages.tensor(np.ones(6)), storages.tensor(np.zeros(6, int)), 0)
    held = {
        "a.weight": coo(storages, dense), "b.weight": csr(storages, dense), "c.weight": bsr(storages, dense, 2, 4),
        "i.weight": by_columns(storages, dense), "j.weight": by_columns(storages, dense, 2, 2),
        "d.weight": qtensor(storages, codes, "QInt8Storage", (Glob("torch", "per_tensor_affine"), 0.5, 3)),
        "e.weight": qtensor(storages, codes, "QInt8Storage", channels),
        "f.weight": wrapper("Int8Tensor", (6, 8), {
            "qdata": storages.tensor(codes), "scale": storages.tensor(np.ones((6, 1), np.float32)),
        }),
    }  # fmt: skip
    write_zip(folder / "net.pt", ordered_dict(held), storages)
