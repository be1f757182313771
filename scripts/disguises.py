"""Disguises: changes to a model's numbers that leave its function as it was, by the names of Hugging Face's code.

Llama, Mixtral, GPT-2, BERT, ViT and LLaVA, and the zoo's network of convolutions. `permuted` gives residual channels
and neurons, or the channels of convolutions, another order; `rotated` rotates the residual stream, with the gains (and
the biases) of the norms folded into what reads it; `rescaled` moves a scale from one matrix of an MLP to the next and
mixes the value heads by invertible matrices, or moves scales between convolutions and their norms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from lineage.types import Float64Array

POST_NORM = ("bert",)
"""Kinds that no rotation leaves as they were: a norm stands behind the sum."""
UNROTATED = (*POST_NORM, "cnn")
"""These, and networks of convolutions, behind which stands a nonlinearity."""
GATED = ("llama", "llava", "mixtral", "cnn")
"""Kinds whose matrices can be rescaled: no smooth activation stands between them."""

Arrays = Mapping[str, NDArray[np.float32]]

# Which axis of a tensor is the residual stream, by the end of its name; the first that fits.
_STREAM: tuple[tuple[str, int], ...] = (
    (r"patch_embed\w*(\.projection)?\.(weight|bias)", 0),
    (r"(embed_tokens|word_embeddings|wte|wpe|position_embedding|token_type_embeddings|lm_head)\.weight", 1),
    (r"(position_embeddings|cls_token)", 2),
    (r"position_embeddings\.weight", 1),
    (r"class_embedding", 0),
    (r"(c_attn|c_fc)\.weight", 0),
    (r"c_proj\.weight", 1),
    (r"c_proj\.bias", 0),
    (r"(attention\.output|o_proj|out_proj|down_proj|w2|fc2|layer\.\d+\.output|linear_2)(\.dense)?\.(weight|bias)", 0),
    (
        r"(query|key|value|q_proj|k_proj|v_proj|gate_proj|up_proj|w1|w3|fc1|intermediate\.dense|block_sparse_moe\.gate)\.weight",
        1,
    ),
    (r"(classifier|transform\.dense|linear_1)\.weight", 1),
)
_NORM = r"(\w*norm\w*|\w*Norm|ln_\w+)\.(weight|bias)"
_NOT_OF_IT = r"cls\.predictions\.transform\.LayerNorm"
_NEURONS: tuple[tuple[str, int], ...] = (
    (r"c_fc\.weight", 1), (r"c_fc\.bias", 0), (r"mlp\.c_proj\.weight", 0),
    (r"(gate_proj|up_proj|w1|w3|fc1|intermediate\.dense)\.(weight|bias)", 0),
    (r"(down_proj|w2|fc2|layer\.\d+\.output\.dense)\.weight", 1),
)  # fmt: skip
# What reads the stream behind which norm: the end of the reader's name, the end of the norm's in the same layer.
_READ_BEHIND: tuple[tuple[str, str], ...] = (
    (r"(q_proj|k_proj|v_proj)\.weight", r"(input_layernorm|layer_norm1)"),
    (r"(query|key|value)\.weight", r"layernorm_before"),
    (r"(gate_proj|up_proj|w1|w3|block_sparse_moe\.gate|fc1)\.weight", r"(post_attention_layernorm|layer_norm2)"),
    (r"intermediate\.dense\.weight", r"layernorm_after"),
    (r"c_attn\.weight", r"ln_1"),
    (r"c_fc\.weight", r"ln_2"),
)
_OF_CHANNELS = re.compile(r"features\.(\d+)\.(conv|bn)\.(\w+)")
_READ_AT_THE_END: tuple[tuple[str, str], ...] = (
    (r"lm_head\.weight", r"(model\.norm|ln_f)"),
    (r"classifier\.weight", r"vit\.layernorm"),
)


def permuted(arrays: Arrays, seed: int) -> dict[str, NDArray[np.float32]]:
    """Residual channels of each tower and neurons of each layer in another order."""
    random = np.random.default_rng(seed)
    orders: dict[tuple[str, int], NDArray[np.int64]] = {}

    def order(key: str, length: int) -> NDArray[np.int64]:
        return orders.setdefault((key, length), random.permutation(length))

    made = dict(arrays)
    for name in sorted(made):
        for side, channels in _channel_axes(name, made):
            made[name] = np.take(made[name], order(channels, made[name].shape[side]), side)
        axis = None if _channel_axes(name, made) else _stream_axis(name, made[name])
        if axis is not None:
            made[name] = np.take(made[name], order(_tower(name), made[name].shape[axis]), axis)
        axis = _axis(_NEURONS, name)
        if axis is not None:
            made[name] = np.take(made[name], order(_mlp(name), made[name].shape[axis]), axis)
    return made


def rotated(arrays: Arrays, seed: int) -> dict[str, NDArray[np.float32]]:
    """The residual stream of each tower rotated; for towers whose norms come before what they feed (not BERT's).

    Tied tables are written twice: the head has the last gain in it.
    """
    made = {name: array.astype(np.float64) for name, array in arrays.items()}
    for name in [name for name in made if name.endswith("wte.weight")]:
        made.setdefault("lm_head.weight", made[name].copy())
    centres = any(re.search(_NORM.replace("weight|bias", "bias") + "$", name) for name in made)
    _fold_norms(made)
    turns: dict[str, Float64Array] = {}
    for name in sorted(made):
        axis = _stream_axis(name, made[name])
        if axis is None or re.search(_NORM + "$", name):
            continue
        length = made[name].shape[axis]
        turn = turns.setdefault(_tower(name), _rotation(length, seed + len(turns), keeps_mean=centres))
        made[name] = np.moveaxis(np.tensordot(made[name], turn, axes=(axis, 0)), -1, axis)
    return {name: array.astype(np.float32) for name, array in made.items()}


def rescaled(arrays: Arrays, seed: int, heads: int = 32) -> dict[str, NDArray[np.float32]]:
    """Up rows scaled and down columns scaled back (gated MLPs), value rows of each head mixed and mixed back.

    Of a network of convolutions, channels scaled and scaled back by their norm, and its gains by the next layer.
    """
    random = np.random.default_rng(seed)
    made = dict(arrays)
    for name in [name for name in sorted(made) if name.endswith(".conv.weight")]:
        _rescale_channels(name, made, random)
    for up, down in ((u, d) for u in sorted(made) for d in [_partner(u)] if d in made):
        scale = np.exp(0.7 * random.standard_normal(len(made[up]))).astype(np.float32)
        made[up], made[down] = made[up] * scale[:, None], made[down] / scale
    for value in [name for name in sorted(made) if name.endswith("self_attn.v_proj.weight") and "vision" not in name]:
        out = value.replace("v_proj", "o_proj")
        rows, groups = len(made[value]) // heads, made[out].shape[1] // len(made[value])
        v = made[value].reshape(rows, heads, -1).copy()
        o = made[out].reshape(len(made[out]), rows, groups, heads).copy()
        for head in range(rows):
            mix = _rotation(heads, seed + head) * np.exp(0.4 * random.standard_normal(heads))
            v[head] = mix.T @ v[head]
            o[:, head] = o[:, head] @ np.linalg.inv(mix).T
        made[value], made[out] = v.reshape(made[value].shape), o.reshape(made[out].shape)
    return made


def _rescale_channels(name: str, arrays: dict[str, NDArray[np.float32]], random: np.random.Generator) -> None:
    norm = name.replace("conv.weight", "bn")
    ahead, behind = np.exp(0.7 * random.standard_normal((2, len(arrays[name])))).astype(np.float32)
    arrays[name] = arrays[name] * ahead[:, None, None, None]
    for leaf, factor in (("running_mean", ahead), ("running_var", ahead**2), ("weight", behind), ("bias", behind)):
        arrays[f"{norm}.{leaf}"] = arrays[f"{norm}.{leaf}"] * factor
    ((_, channels),) = _channel_axes(f"{norm}.weight", arrays)
    for reader in [one for one in arrays if (1, channels) in _channel_axes(one, arrays)]:
        shape = (1, -1, *(1 for _ in arrays[reader].shape[2:]))
        arrays[reader] = arrays[reader] / behind.reshape(shape)


def _partner(name: str) -> str:
    if name.endswith("up_proj.weight"):
        return name.replace("up_proj", "down_proj")
    return name.replace(".w3.", ".w2.") if name.endswith("w3.weight") else ""


def _fold_norms(arrays: dict[str, Float64Array]) -> None:
    """Gains and biases of norms taken into the matrices that read behind them."""
    for name in sorted(arrays):
        norm = _norm_before(name, arrays)
        if norm is None:
            continue
        axis = _axis(_STREAM, name)
        weight = np.moveaxis(arrays[name], axis or 0, -1)
        shift = arrays.get(f"{norm}.bias")
        bias = name.removesuffix("weight") + "bias"
        if shift is not None and bias in arrays:
            arrays[bias] = arrays[bias] + weight @ shift
        arrays[name] = np.moveaxis(weight * arrays[f"{norm}.weight"], -1, axis or 0)
    for name in sorted(arrays):
        if re.search(_NORM + "$", name) and not re.search(r"pre_layrnorm|post_layernorm", name):
            arrays[name] = np.full_like(arrays[name], float(name.endswith("weight")))


def _norm_before(name: str, arrays: Mapping[str, Float64Array]) -> str | None:
    for reader, norm in _READ_BEHIND:
        if re.search(reader + "$", name):
            layer = re.match(r".*?(?:layers?|h)\.\d+\.", name)
            held = [one for one in arrays if layer and one.startswith(layer[0]) and re.search(norm + r"\.weight$", one)]
            return held[0].removesuffix(".weight") if held else None
    for reader, norm in _READ_AT_THE_END:
        if re.search(reader + "$", name):
            held = [one for one in arrays if re.search(norm + r"\.weight$", one)]
            return held[0].removesuffix(".weight") if held else None
    return None


def _rotation(length: int, seed: int, *, keeps_mean: bool = False) -> Float64Array:
    """A random rotation; with `keeps_mean` one that leaves the direction of equal numbers, as LayerNorm asks."""
    random = np.random.default_rng(seed)
    if not keeps_mean:
        return np.linalg.qr(random.standard_normal((length, length)))[0]
    first = np.column_stack([np.ones(length), random.standard_normal((length, length - 1))])
    basis = np.linalg.qr(first)[0]
    inner = np.eye(length)
    inner[1:, 1:] = np.linalg.qr(random.standard_normal((length - 1, length - 1)))[0]
    return np.asarray(basis @ inner @ basis.T)


def _channel_axes(name: str, arrays: Arrays) -> list[tuple[int, str]]:
    """The axes of channels of a tensor of the network of convolutions, and which channels they are."""
    found = _OF_CHANNELS.fullmatch(name)
    if found is not None:
        layer = int(found[1])
        reads = [(1, f"channels {layer - 1}")] if found[2] == "conv" and layer else []
        return [(0, f"channels {layer}"), *reads]
    layers = [int(one[1]) for other in arrays if (one := _OF_CHANNELS.fullmatch(other)) is not None]
    return [(1, f"channels {max(layers)}")] if layers and name == "classifier.weight" else []


def _stream_axis(name: str, array: NDArray[np.floating]) -> int | None:
    if re.search(_NORM + "$", name):
        return None if re.search(_NOT_OF_IT, name) else 0
    axis = _axis(_STREAM, name)
    return None if axis is None or axis >= array.ndim else axis


def _axis(table: tuple[tuple[str, int], ...], name: str) -> int | None:
    return next((axis for pattern, axis in table if re.search(rf"(^|\.){pattern}$", name)), None)


def _tower(name: str) -> str:
    if name.startswith("multi_modal_projector.linear_1"):
        return "vision"
    return "vision" if "vision" in name or name.startswith(("vit.", "classifier")) else "text"


def _mlp(name: str) -> str:
    return "/".join(_parts(name))


def _parts(name: str) -> Iterator[str]:
    """What distinguishes one MLP from another: tower, layer, expert."""
    yield _tower(name)
    yield from re.findall(r"(?:layers?|h|experts)\.\d+", name)
