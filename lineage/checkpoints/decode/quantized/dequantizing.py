"""Every quantised weight of a checkpoint, recognised by the names and types of its parts, as one tensor of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lineage.checkpoints.decode.quantized import (
    awq,
    bitnet,
    bitsandbytes,
    compressed,
    gptq,
    hqq,
    mlx,
    mxfp4,
    quanto,
    scaled,
    torchao,
)
from lineage.checkpoints.decode.quantized.scheme import Decoded, Stored
from lineage.checkpoints.decode.quantized.unread import unread
from lineage.checkpoints.reader import Contents
from lineage.types import TensorView
from lineage.types.facts.exclusions import UnreadPacking

# The first that recognises a tensor decodes it. AWQ takes what GPTQ leaves, plain scales come last.
SCHEMES: tuple[Callable[[str, Stored], Decoded | None], ...] = (
    bitsandbytes.decode,
    gptq.decode,
    awq.decode,
    compressed.decode,
    mxfp4.decode,
    mlx.decode,
    torchao.decode,
    hqq.decode,
    quanto.decode,
    bitnet.decode,
    scaled.decode,
)

_PLAIN = frozenset({"bfloat16", "float16", "float32", "float64"})
_PACKED = (compressed.SUFFIX, quanto.DATA)  # decoded or refused, for any type
_BESIDE = ".quant_state.bitsandbytes__"


def dequantized(path: Path, contents: Contents, config: Mapping[str, Any]) -> Contents:
    """Replace the codes by a view of the weight, and drop its other parts.

    Weights in a packing that is known but not supported are left out and counted; unrecognised tensors are unchanged.
    Raises Malformed if parts are missing or do not fit each other.
    """
    stored = Stored(path, {view.name: view for view in contents.tensors}, _settings(config))
    decoded: dict[str, TensorView] = {}
    parts: set[str] = set()
    for name in _candidates(stored):
        found = next((found for scheme in SCHEMES if (found := scheme(name, stored)) is not None), None)
        if found is not None:
            decoded[name] = found.view
            parts |= found.parts
    views = [
        decoded.get(view.name, view) for view in contents.tensors if view.name in decoded or view.name not in parts
    ]
    packed = unread([view for view in views if view.name not in decoded], stored.settings)
    gone = {part for one in packed for part in one.parts}
    return replace(
        contents,
        tensors=tuple(view for view in views if view.name not in gone),
        left_out=(*contents.left_out, *((one.module, UnreadPacking(one.packing)) for one in packed)),
        unread=(*contents.unread, *((UnreadPacking(one.packing), one.values) for one in packed)),
    )


def _candidates(stored: Stored) -> list[str]:
    """Names that some scheme may take: all but those of plain numbers that are not called after a packing."""
    if any(_BESIDE in name for name in stored.tensors):
        return [*stored.tensors]
    return [n for n, view in stored.tensors.items() if view.dtype.name not in _PLAIN or n.endswith(_PACKED)]


def one_weight(path: Path, parts: Mapping[str, TensorView]) -> TensorView:
    """The one weight that these stored tensors make. Raises Malformed if no scheme takes them."""
    stored = Stored(path, parts, {})
    found = next((found for name in parts for scheme in SCHEMES if (found := scheme(name, stored)) is not None), None)
    if found is None:
        stored.refuse(next(iter(parts)), "has parts of types that do not go together")
    return found.view


def _settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the config says about the quantisation; MLX and transformers name it differently."""
    for key in ("quantization_config", "quantization", "compression_config"):
        if isinstance(config.get(key), dict):
            settings: dict[str, Any] = config[key]
            return settings
    return {}
