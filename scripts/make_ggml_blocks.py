"""Make tests/golden/checkpoints/ggml_blocks.gguf: one tensor of every block type, quantised by ggml itself.

    python scripts/make_ggml_blocks.py --library DIR

DIR holds libggml-base.so, of llama.cpp or of what builds on it (the committed file: ggml 0.25.1, commit 0ad4a86, as
node-llama-cpp 3.22.1 ships it). `ggml_blocks_truth.npz` beside the file has what ggml makes of the blocks, and the
weights that they were made of. Needs the development extra.
"""

from __future__ import annotations

import argparse
import ctypes
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from lineage.checkpoints.formats.gguf.blocks import TYPES

FOLDER = Path(__file__).parents[1] / "tests" / "golden" / "checkpoints"
ROWS, COLUMNS = 2, 256
FLOATS = ctypes.POINTER(ctypes.c_float)


class Ggml:
    """The two functions of the library that are needed. Raises OSError where there is no library."""

    def __init__(self, folder: Path) -> None:
        self._library = ctypes.CDLL(str(folder / "libggml-base.so"))
        self._library.ggml_quantize_chunk.restype = ctypes.c_size_t
        self._library.ggml_quantize_chunk.argtypes = [
            ctypes.c_int, FLOATS, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, FLOATS,
        ]  # fmt: skip

    def quantised(self, code: int, weights: NDArray[np.float32], nbytes: int) -> NDArray[np.uint8]:
        """The blocks of `weights`, uint8 (rows, bytes of a row); every weight is as important as another."""
        rows, columns = weights.shape
        blocks = np.zeros((rows, nbytes), np.uint8)
        importance = np.ones(columns, np.float32)
        arguments = (weights.ctypes.data_as(FLOATS), blocks.ctypes.data, 0, rows, columns)
        written = self._library.ggml_quantize_chunk(code, *arguments, importance.ctypes.data_as(FLOATS))
        if written != blocks.nbytes:
            raise SystemExit(f"type {code}: ggml wrote {written} bytes, not {blocks.nbytes}")
        return blocks

    def dequantised(self, name: str, blocks: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
        """What ggml's own reader makes of blocks, float32 (count,)."""
        lower = name.lower().replace("_k", "_K")
        read = getattr(self._library, f"dequantize_row_{lower}")
        read.restype, read.argtypes = None, [ctypes.c_void_p, FLOATS, ctypes.c_int64]
        values = np.zeros(count, np.float32)
        read(blocks.ctypes.data, values.ctypes.data_as(FLOATS), count)
        return values


def main() -> None:
    """Quantise, and write the file and the truth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True, metavar="DIR")
    ggml = Ggml(parser.parse_args().library)
    weights = np.random.default_rng(1).standard_normal((ROWS, COLUMNS)).astype(np.float32) * np.float32(0.05)
    writer = gguf.GGUFWriter(FOLDER / "ggml_blocks.gguf", "unheard-of")
    truth: dict[str, Any] = {"weights": weights}
    for code, type_ in TYPES.items():
        if type_.dtype is not None:
            continue
        blocks = ggml.quantised(code, weights, COLUMNS // type_.block * type_.nbytes)
        truth[type_.name] = ggml.dequantised(type_.name, blocks, weights.size).reshape(weights.shape)
        writer.add_tensor(type_.name, blocks, raw_dtype=gguf.GGMLQuantizationType(code))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    np.savez_compressed(FOLDER / "ggml_blocks_truth.npz", **truth)


if __name__ == "__main__":
    main()
