"""What people do to weights, in NumPy: operators for a real base (check_real.py) and for the trained zoo (make_zoo.py).

Each takes and returns a dict of arrays by tensor name; none changes its input. Random ones are seeded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64"}


def write(arrays: Mapping[str, NDArray[Any]], path: Path) -> Path:
    """Write `arrays` as one safetensors file (the library's NumPy writer has no bfloat16)."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": _DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).tobytes())
    return path


def write_shards(arrays: Mapping[str, NDArray[Any]], folder: Path, shards: int) -> Path:
    """Write `arrays` as several safetensors files with an index, names dealt out in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(arrays)
    weight_map: dict[str, str] = {}
    for k in range(shards):
        file = f"model-{k + 1:05d}-of-{shards:05d}.safetensors"
        write({n: arrays[n] for n in names[k::shards]}, folder / file)
        weight_map |= dict.fromkeys(names[k::shards], file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


def matrices(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Arrays], Arrays]:
    """Apply `change` to every floating-point tensor of two axes or more."""
    return lambda arrays: {n: change(a) if a.ndim > 1 and a.dtype.kind == "f" else a for n, a in arrays.items()}


def cast(dtype: str) -> Callable[[Arrays], Arrays]:
    """Cast every floating-point tensor."""
    target: Any = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    return lambda arrays: {n: a.astype(target) if a.dtype.kind == "f" else a for n, a in arrays.items()}


def int8_rows(a: NDArray[Any]) -> NDArray[Any]:
    """Round to the nearest of 255 levels a row, dequantised to float32."""
    return _round_groups(a.reshape(a.shape[0], -1), 127).reshape(a.shape)


def int8_tensor(a: NDArray[Any]) -> NDArray[Any]:
    """Round to the nearest of 255 levels of the whole tensor, dequantised to float32."""
    return _round_groups(a.reshape(1, -1), 127).reshape(a.shape)


def int4_groups(a: NDArray[Any], group: int = 32) -> NDArray[Any]:
    """Round to the nearest of 15 levels in groups of 32 along the row (rows of other lengths: a row at a time)."""
    return _round_groups(_runs(a, group), 7).reshape(a.shape)


def _round_groups(runs: NDArray[Any], levels: int) -> NDArray[Any]:
    step = np.abs(runs).max(axis=1, keepdims=True) / levels
    safe = np.where(step > 0, step, 1).astype(np.float32)
    return (np.rint(runs / safe) * safe).astype(np.float32)


def magnitude_pruned(a: NDArray[Any]) -> NDArray[Any]:
    """Set the half of the values of smallest magnitude to zero."""
    return np.where(np.abs(a) < np.median(np.abs(a)), np.float32(0), a)


def pruned_2_4(a: NDArray[Any]) -> NDArray[Any]:
    """Keep the two largest of every four neighbours along the row (rows of other lengths stay whole)."""
    flat = a.reshape(a.shape[0], -1)
    if flat.shape[1] % 4:
        return a
    fours = flat.reshape(-1, 4)
    rank = np.argsort(np.argsort(np.abs(fours), axis=1), axis=1)
    return np.where(rank >= 2, fours, np.float32(0)).astype(a.dtype).reshape(a.shape)


# The 16 levels of NormalFloat4: quantiles of a normal, scaled to [-1, 1] (Dettmers et al. 2023, appendix E).
_NF4 = np.array(
    [
        -1.0, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0.0,
        0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.56261700, 0.72295684, 1.0,
    ],
    np.float32,
)  # fmt: skip


def nf4_groups(a: NDArray[Any], group: int = 64) -> NDArray[Any]:
    """Round to the nearest of NF4's 16 levels, scaled by the largest magnitude of each run of 64 values."""
    runs = _runs(a, group)
    scale = np.abs(runs).max(axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, 1).astype(np.float32)
    nearest = np.searchsorted((_NF4[1:] + _NF4[:-1]) / 2, runs / scale)
    return np.asarray((_NF4[nearest] * scale).reshape(a.shape), np.float32)


def q4_k(a: NDArray[Any]) -> NDArray[Any]:
    """Quantise as GGUF's Q4_K lays it out, dequantised to float32.

    Blocks of 256 values hold eight runs of 32 with 16 levels each; a run's step and offset are six-bit
    multiples of two half-precision numbers of the block. Steps come from the run's range, not from llama.cpp's search.
    Rows are taken one after the other; a tensor whose size is no multiple of 256 stays as it is.
    """
    if a.size % 256:
        return a
    runs = a.reshape(-1, 8, 32).astype(np.float32)
    low = np.minimum(runs.min(axis=2), 0)
    step = _six_bits((runs.max(axis=2) - low) / 15)[..., None]
    offset = _six_bits(-low)[..., None]
    levels = np.clip(np.rint((runs + offset) / np.where(step > 0, step, 1)), 0, 15)
    return np.asarray((levels * step - offset).reshape(a.shape), np.float32)


def _six_bits(values: NDArray[Any]) -> NDArray[Any]:
    """Round each row to multiples (0..63) of one float16 number."""
    unit = (values.max(axis=1, keepdims=True) / 63).astype(np.float16).astype(np.float32)
    return np.asarray(np.clip(np.rint(values / np.where(unit > 0, unit, 1)), 0, 63) * unit, np.float32)


def _runs(a: NDArray[Any], group: int) -> NDArray[Any]:
    """Rows cut into runs of `group` values; rows of other lengths stay whole."""
    flat = a.reshape(a.shape[0], -1)
    return flat.reshape(-1, group) if flat.shape[1] % group == 0 else flat


def noise(share: float, seed: int = 7) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Add normal noise of `share` of the tensor's standard deviation."""
    generator = np.random.default_rng(seed)
    return lambda a: (a + share * a.std() * generator.standard_normal(a.shape)).astype(np.float32)


def renamed(arrays: Arrays) -> Arrays:
    """Give every tensor a name that says nothing, in another order."""
    names = sorted(arrays, key=lambda n: (len(n), n[::-1]))
    return {f"t{k:04d}": arrays[n] for k, n in enumerate(names)}


def transposed(arrays: Arrays) -> Arrays:
    """Store every matrix the other way round."""
    return {n: np.ascontiguousarray(a.T) if a.ndim == 2 else a for n, a in arrays.items()}


def extended(arrays: Arrays, table: str, share: float = 0.1, seed: int = 11) -> Arrays:
    """Append new random rows to a token table."""
    old = arrays[table]
    fresh = np.random.default_rng(seed).standard_normal((int(len(old) * share), old.shape[1])) * old.std()
    return {**arrays, table: np.concatenate([old, fresh.astype(old.dtype)])}


def mlp_permuted(arrays: Arrays, up: str, down: str, seed: int = 13) -> Arrays:
    """Permute the hidden units of one MLP: rows of `up` and its bias, columns of `down`."""
    order = np.random.default_rng(seed).permutation(len(arrays[f"{up}.weight"]))
    return {
        **arrays,
        f"{up}.weight": arrays[f"{up}.weight"][order],
        f"{up}.bias": arrays[f"{up}.bias"][order],
        f"{down}.weight": np.ascontiguousarray(arrays[f"{down}.weight"][:, order]),
    }


def layers_dropped(arrays: Arrays, dropped: set[int], pattern: str) -> Arrays:
    """Drop layers and renumber the rest; `pattern` has one group, the layer's number."""
    layers = sorted({int(m[1]) for n in arrays if (m := re.search(pattern, n))} - dropped)
    kept: Arrays = {}
    for name, array in arrays.items():
        found = re.search(pattern, name)
        if found is None:
            kept[name] = array
        elif int(found[1]) not in dropped:
            kept[name[: found.start(1)] + str(layers.index(int(found[1]))) + name[found.end(1) :]] = array
    return kept


def retrained(arrays: Arrays, seed: int = 17) -> Arrays:
    """An unrelated model of the same shapes: fresh normal matrices of the same spread, gains kept as they are."""
    generator = np.random.default_rng(seed)
    return {
        n: (a.mean() + a.std() * generator.standard_normal(a.shape)).astype(np.float32)
        if a.ndim > 1 and a.dtype.kind == "f"
        else a
        for n, a in arrays.items()
    }


def spliced(host: Arrays, donor: Arrays, part: str) -> Arrays:
    """The host with every tensor of the donor whose name begins with `part`."""
    return {**host, **{n: a for n, a in donor.items() if n.startswith(part)}}
