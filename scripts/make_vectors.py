"""Make the known answers: index/vectors/vectors.json and tests/golden/vectors-2.sketch.

    python scripts/make_vectors.py

The inputs are formulas, so that nobody needs a file or a random generator to check an implementation of
index/FORMAT.md. Run it only when the sketch family changes its name: until then the answers must stay.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.sketch import FAMILY, write_sketch
from lineage.sketch.bands import grid, sampled
from lineage.sketch.family import PERMUTATIONS, SEED_CODES, SEED_PROJECTION
from lineage.sketch.layouts import content_id
from lineage.sketch.minhash import minhash
from lineage.sketch.signs import mix64, sign_bits
from lineage.sketch.tensor_pass import sketch_tensor
from lineage.types import Axis, CheckpointSketch, Depth, Part, TensorSketch, TensorView

ROOT = Path(__file__).parent.parent
ANSWERS = ROOT / "index" / "vectors" / "vectors.json"
GOLDEN = ROOT / "tests" / "golden" / "vectors-2.sketch"

COARSE = "((h(i) >> 60) - 8) / 8"
FINE = "((h(i) >> 40) - 2**23) / 2**23"
FINER = FINE + " + i / 2**40"
WHOLE = "(h(i) >> 48) - 2**15"
FORMULA = (
    "Element i (row-major, from 0) is the formula of its tensor, rounded to the nearest number of its dtype, ties to "
    "even. h(i) is output i of SplitMix64 from state 0: mix64((i + 1) * 0x9E3779B97F4A7C15 mod 2**64). input_blake3 is "
    "the BLAKE3 of the elements as little-endian bytes."
)
# name -> shape, dtype, formula; sums of the coarse numbers are exact in float32, so their row codes are exact too
TENSORS: dict[str, tuple[tuple[int, ...], str, str]] = {
    "scalar": ((), "float32", COARSE),
    "vector": ((100,), "float32", FINE),
    "square": ((33, 33), "float32", COARSE),
    "wide": ((6, 70), "float16", FINE),
    "tall": ((70, 6), "float32", FINE),
    "bf16": ((40, 32), "bfloat16", COARSE),
    "f64": ((5, 4), "float64", FINER),
    "e4m3": ((9, 7), "float8_e4m3fn", FINE),
    "e5m2": ((7, 9), "float8_e5m2", FINE),
    "kernel": ((10, 9, 3, 3), "float32", FINE),
    "kernel_rows": ((33, 4, 3, 3), "float32", COARSE),
    "counts": ((12,), "int32", WHOLE),
    "large": ((520, 513), "float32", COARSE),
}
LENGTHS = (1, 63, 65, 100, 129, 1000, 30522, 2**20 + 7, 2**40)
POSITIONS = (0, 1, 63, 64, 1000, 2**32, 3 * 2**32 + 5)


@lru_cache
def array(name: str) -> NDArray[Any]:
    """The input tensor of that name."""
    shape, dtype, formula = TENSORS[name]
    i = np.arange(int(np.prod(shape, dtype=np.int64)))
    h = mix64((i + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    fine = ((h >> np.uint64(40)).astype(np.float64) - 2**23) / 2**23
    values = {
        COARSE: ((h >> np.uint64(60)).astype(np.float64) - 8) / 8,
        FINE: fine,
        FINER: fine + i / 2**40,
        WHOLE: (h >> np.uint64(48)).astype(np.float64) - 2**15,
    }[formula]
    kind: Any = getattr(ml_dtypes, dtype, None) or np.dtype(dtype)
    return values.astype(kind).reshape(shape)


def sketched(name: str, depth: Depth = "full") -> TensorSketch:
    """The sketch of one input tensor; what it is for is left open."""
    values = array(name)
    rows = values.reshape(values.shape or (1,))
    view = TensorView(name, values.shape, values.dtype, lambda start, stop: rows[start:stop], name)
    nothing = Axis("unknown", False)
    return sketch_tensor(view, Part("vectors", "unknown", None, (nothing, nothing)), depth, "vectors")


def model(depth: Depth = "full") -> CheckpointSketch:
    """All input tensors as one model."""
    tensors = tuple(sketched(name, depth) for name in TENSORS)
    return CheckpointSketch(
        id=content_id(tensors, depth),
        family=FAMILY,
        depth=depth,
        name="vectors",
        path="",
        format="formula",
        architecture="",
        nbytes=sum(array(name).nbytes for name in TENSORS),
        bytes_read=0,
        tensors=tensors,
    )


def answer(tensor: TensorSketch) -> dict[str, Any]:
    """What is expected of one tensor."""
    shape, dtype, formula = TENSORS[tensor.name]
    return {
        "name": tensor.name,
        "shape": shape,
        "dtype": dtype,
        "formula": formula,
        "input_blake3": blake3(array(tensor.name).tobytes()).hexdigest(),
        "digest": tensor.digest,
        "band_digest": tensor.band_digest,
        "stats": {field: getattr(tensor.stats, field) for field in tensor.stats.__slots__},
        "moments": _listed(tensor.moments),
        "grid": [_listed(axis) for axis in tensor.grid],
        "values": _listed(tensor.values),
        "units": [
            None if units is None else {"scale": _listed(units.scale), "codes": _listed(units.codes)}
            for units in tensor.units
        ],
        "minhash": _listed(tensor.minhash),
    }


def answers() -> dict[str, Any]:
    """The whole document."""
    from datasketch import MinHash

    a, b = MinHash(num_perm=PERMUTATIONS, seed=1, scheme="affine32").permutations
    full = model()
    positions = np.array(POSITIONS, np.int64)
    return {
        "schema": "lineage/vectors/1",
        "family": FAMILY,
        "inputs": FORMULA,
        "sampled": {str(n): _listed(sampled(n)) for n in LENGTHS},
        "grid_16_2": {str(n): _listed(grid(n, 16, 2)) for n in LENGTHS},
        "grid_8_1": {str(n): _listed(grid(n, 8, 1)) for n in LENGTHS},
        "sign_bits": {
            str(seed): dict(zip(map(str, POSITIONS), map(_hexadecimal, sign_bits(positions, seed, 64)), strict=True))
            for seed in (SEED_PROJECTION, SEED_CODES)
        },
        "minhash": {
            "a": _listed(a),
            "b": _listed(b),
            "codes": [0, 1, 2**24 - 1, 2**24, 2**25 - 1],
            "values": _listed(minhash(np.array([0, 1, 2**24 - 1, 2**24, 2**25 - 1], np.uint32))),
        },
        "sketch_blake3": blake3(GOLDEN.read_bytes()).hexdigest(),
        "id": {"full": full.id, "sampled": model("sampled").id},
        "tensors": [answer(tensor) for tensor in full.tensors],
    }


def _listed(values: NDArray[Any] | None) -> Any:
    if values is None:
        return None
    # float32 in its shortest decimal form: read back as float32 it is the same number
    return (values.astype(np.str_).astype(np.float64) if values.dtype == np.float32 else values).tolist()


def _hexadecimal(bits: NDArray[np.bool_]) -> str:
    """Bit k of the number is bit k of the row."""
    return f"{sum(1 << k for k, bit in enumerate(bits) if bit):016x}"


def main() -> None:
    """Write both files."""
    write_sketch(model(), GOLDEN)
    text = json.dumps(answers(), indent=1)
    # innermost lists on one line each
    text = re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)
    ANSWERS.parent.mkdir(parents=True, exist_ok=True)
    ANSWERS.write_text(text + "\n", encoding="utf-8")
    print(f"{ANSWERS}: {ANSWERS.stat().st_size:,} bytes\n{GOLDEN}: {GOLDEN.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
