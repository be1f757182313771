"""From tensors as they are stored to tensors as the model has them: names, order and quantised values brought back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lineage.checkpoints import gguf
from lineage.checkpoints.quantized import dequantized
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.safetensors import MLX
from lineage.checkpoints.wording import quoted
from lineage.errors import Malformed
from lineage.types import AnyArray, TensorView


def decoded(path: Path, contents: Contents, config: Mapping[str, Any]) -> Contents:
    """Undo what a format or a quantisation does to the tensors of a whole model, all its files joined.

    `config` is the parsed config.json. Raises Malformed where parts are missing or two tensors get one name.
    """
    contents = gguf.restored(contents) if contents.format == "gguf" else dequantized(path, contents, config)
    if contents.format == MLX:
        contents = replace(contents, tensors=tuple(_channels_first(view) for view in contents.tensors))
    name, times = next(iter(Counter(view.name for view in contents.tensors).most_common(1)), ("", 1))
    if times > 1:
        raise Malformed(path, f"two tensors are {quoted(name)}: one stored so, one decoded to it")
    return contents


def _channels_first(view: TensorView) -> TensorView:
    """Bring the input channels of an MLX convolution, which are its last axis, to where PyTorch has them.

    Source: the weight shapes of mlx.nn.Conv1d to Conv3d, (out, kernel..., in). Three axes may also be a stack of
    matrices: only a name tells.
    """
    if len(view.shape) not in (4, 5) and not (len(view.shape) == 3 and "conv" in view.name):
        return view

    def rows(start: int, stop: int) -> AnyArray:
        return np.ascontiguousarray(np.moveaxis(view.rows(start, stop), -1, 1))

    return replace(view, shape=(view.shape[0], view.shape[-1], *view.shape[1:-1]), rows=rows)
