"""From tensors as they are stored to tensors as the model has them: names, order and quantised values brought back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lineage.checkpoints.decode.averages import without_averages
from lineage.checkpoints.decode.kernel_order import channels_first, in_torch_order
from lineage.checkpoints.decode.parametrized import computed
from lineage.checkpoints.decode.quantized import dequantized
from lineage.checkpoints.formats.safetensors import MLX
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.reader import Contents
from lineage.errors import Malformed
from lineage.types import TensorView

# Formats that hold what others wrote, and do not say how it orders the axes of a kernel.
_ANY_ORDER = frozenset({"safetensors", "npz", "npy", "pickle", "joblib", "torch", "torch-legacy", "raw"})


def decoded(path: Path, contents: Contents, config: Mapping[str, Any]) -> Contents:
    """Undo what a format or a quantisation does to the tensors of a whole model, all its files joined.

    `config` is the parsed config.json. Raises Malformed where parts are missing or two tensors get one name.
    """
    if contents.format == "gguf":
        from lineage.checkpoints.formats import gguf

        contents = gguf.restored(contents)
    else:
        contents = computed(dequantized(path, without_averages(contents), config))
    if contents.format == MLX:
        contents = replace(contents, tensors=tuple(_channels_first(view) for view in contents.tensors))
    elif contents.format in _ANY_ORDER:
        contents = replace(contents, tensors=in_torch_order(path, contents.tensors))
    name, times = next(iter(Counter(view.name for view in contents.tensors).most_common(1)), ("", 1))
    if times > 1:
        raise Malformed(path, f"two tensors are {quoted(name)}: one stored so, one decoded to it")
    return contents


def _channels_first(view: TensorView) -> TensorView:
    """Bring a convolution of MLX, (out, kernel..., in), into the order of torch.

    Source: the weight shapes of mlx.nn.Conv1d to Conv3d. Three axes may also be a stack of matrices: the name decides.
    """
    is_kernel = len(view.shape) in (4, 5) or (len(view.shape) == 3 and "conv" in view.name)
    return channels_first(view) if is_kernel else view
