"""Cuts and grafts on whole models: units, heads, layers, tokens, experts, components. NumPy only."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from operators import Arrays

from zoo.data import reordering, token_texts
from zoo.merges import passthrough
from zoo.model import Config, Model

LAYER = {
    "llama": r"model\.layers\.(\d+)\.",
    "gpt2": r"transformer\.h\.(\d+)\.",
    "bert": r"bert\.encoder\.layer\.(\d+)\.",
    "vit": r"vit\.encoder\.layer\.(\d+)\.",
}
_LAYERS = {"gpt2": "n_layer"}
_UNITS = {
    "llama": (("mlp.gate_proj.weight", 0), ("mlp.up_proj.weight", 0), ("mlp.down_proj.weight", 1)),
    "gpt2": (("mlp.c_fc.weight", 1), ("mlp.c_fc.bias", 0), ("mlp.c_proj.weight", 0)),
    "bert": (("intermediate.dense.weight", 0), ("intermediate.dense.bias", 0), ("output.dense.weight", 1)),
    "vit": (("intermediate.dense.weight", 0), ("intermediate.dense.bias", 0), ("output.dense.weight", 1)),
}
_TABLES = {
    "llama": ("model.embed_tokens.weight", "lm_head.weight"),
    "gpt2": ("transformer.wte.weight",),
    "bert": ("bert.embeddings.word_embeddings.weight", "cls.predictions.bias"),
}
_WRITERS = {
    "llama": (("self_attn.o_proj.weight", 0), ("mlp.down_proj.weight", 0)),
    "gpt2": (("attn.c_proj.weight", 1), ("mlp.c_proj.weight", 1)),
}


def layer_key(kind: str) -> str:
    """The config's entry for the number of layers."""
    return _LAYERS.get(kind, "num_hidden_layers")


def restacked(models: Sequence[Model], order: Sequence[tuple[int, int]]) -> Model:
    """Layers of one or several models in `order` of (model, layer); the rest is the first model's."""
    kind = models[0].kind
    arrays = passthrough([m.arrays for m in models], order, LAYER[kind])
    return models[0].changed(arrays, **{layer_key(kind): len(order)})


def units_pruned(model: Model, share: float) -> Model:
    """Keep the `share` of each layer's MLP units whose incoming weights are largest, in their order."""
    parts, arrays = _UNITS[model.kind], dict(model.arrays)
    kept = 0
    for i in range(model.config[layer_key(model.kind)]):
        at = _at(model.kind, i)
        name, axis = parts[0]
        size = np.linalg.norm(arrays[at + name], axis=1 - axis)
        kept = round(share * len(size))
        chosen = np.sort(np.argsort(-size, kind="stable")[:kept])
        for name, axis in parts:
            arrays[at + name] = arrays[at + name].take(chosen, axis)
    return model.changed(arrays, **{"n_inner" if model.kind == "gpt2" else "intermediate_size": kept})


def heads_pruned(model: Model, dropped: Sequence[int]) -> Model:
    """Drop key-value groups of a Llama with their query heads, in every layer."""
    c, arrays = model.config, dict(model.arrays)
    groups, width = c["num_key_value_heads"], c["head_dim"]
    shared = c["num_attention_heads"] // groups
    left = [g for g in range(groups) if g not in dropped]
    keys = np.concatenate([np.arange(g * width, (g + 1) * width) for g in left])
    queries = np.concatenate([np.arange(g * width * shared, (g + 1) * width * shared) for g in left])
    for i in range(c["num_hidden_layers"]):
        for name, rows, axis in (("q", queries, 0), ("k", keys, 0), ("v", keys, 0), ("o", queries, 1)):
            at = f"{_at('llama', i)}self_attn.{name}_proj.weight"
            arrays[at] = arrays[at].take(rows, axis)
    return model.changed(arrays, num_key_value_heads=len(left), num_attention_heads=len(left) * shared)


def vocabulary_extended(model: Model, extra: int, seed: int) -> Model:
    """Append `extra` tokens: the vocabulary's next words, their rows drawn around the mean row."""
    generator = np.random.default_rng(seed)

    def longer(old: NDArray[Any]) -> NDArray[Any]:
        fresh = generator.standard_normal((extra, *old.shape[1:]))
        return np.concatenate([old, (old.mean(axis=0) + old.std(axis=0) * fresh).astype(np.float32)])

    return _with_tables(model, {**model.vocabulary, "size": model.vocabulary["size"] + extra}, longer)


def vocabulary_reordered(model: Model, seed: int) -> Model:
    """Shuffle the tokens and the rows of every table with them."""
    vocabulary = {**model.vocabulary, "order": seed}
    order = reordering(vocabulary)
    return _with_tables(model, vocabulary, lambda old: old[order])


def vocabulary_rebuilt(model: Model, words: str, size: int, seed: int, folder: Path) -> Model:
    """Another vocabulary: rows of tokens that both have are kept at their new places, the others drawn anew."""
    vocabulary = {"words": words, "size": size, "order": None}
    place = {text: i for i, text in enumerate(token_texts(model.vocabulary, folder))}
    source = np.array([place.get(text, -1) for text in token_texts(vocabulary, folder)])
    generator = np.random.default_rng(seed)

    def rebuilt(old: NDArray[Any]) -> NDArray[Any]:
        fresh = old.mean(axis=0) + old.std(axis=0) * generator.standard_normal((size, *old.shape[1:]))
        known = (source >= 0).reshape(-1, *[1] * (old.ndim - 1))
        return np.asarray(np.where(known, old[source], fresh), np.float32)

    return _with_tables(model, vocabulary, rebuilt)


def embeddings_fresh(model: Model, seed: int) -> Model:
    """Draw every row of the token tables anew, with the old spread."""
    generator = np.random.default_rng(seed)
    return _with_tables(
        model, model.vocabulary, lambda old: (old.std() * generator.standard_normal(old.shape)).astype(np.float32)
    )


def experts_upcycled(model: Model, experts: int, noise: float, seed: int) -> Model:
    """Copy each MLP of a Llama into `experts` experts of a Mixtral, with `noise` of its deviation (0: none)."""
    generator = np.random.default_rng(seed)
    renamed = {"gate_proj": "w1", "up_proj": "w3", "down_proj": "w2"}
    arrays: Arrays = {}
    for name, array in model.arrays.items():
        found = re.fullmatch(r"(model\.layers\.\d+)\.mlp\.(\w+)\.weight", name)
        if found is None:
            arrays[name] = array
            continue
        for e in range(experts):
            moved = noise * array.std() * generator.standard_normal(array.shape) if noise else np.float32(0)
            arrays[f"{found[1]}.block_sparse_moe.experts.{e}.{renamed[found[2]]}.weight"] = (array + moved).astype(
                np.float32
            )
        router = generator.standard_normal((experts, model.config["hidden_size"]))
        arrays[f"{found[1]}.block_sparse_moe.gate.weight"] = (0.02 * router).astype(np.float32)
    return model.changed(
        arrays,
        model_type="mixtral",
        architectures=["MixtralForCausalLM"],
        num_local_experts=experts,
        num_experts_per_tok=2,
    )


def experts_mixed(models: Sequence[Model], seed: int) -> Model:
    """A Mixtral whose expert e is the MLP of model e; all else is the first model's."""
    mixed = experts_upcycled(models[0], len(models), 0.0, seed)
    arrays = dict(mixed.arrays)
    for e, model in enumerate(models):
        own = experts_upcycled(model, len(models), 0.0, seed).arrays
        arrays |= {n: a for n, a in own.items() if f".experts.{e}." in n}
    return mixed.changed(arrays)


def direction_ablated(model: Model, seed: int) -> Model:
    """Project one direction out of all that writes to the residual stream (abliteration: Arditi et al. 2024).

    The direction is the difference of the mean embeddings of two random halves of the words.
    """
    arrays = dict(model.arrays)
    table = arrays[_TABLES[model.kind][0]]
    half = np.random.default_rng(seed).random(len(table)) < 0.5
    direction = table[half].mean(axis=0) - table[~half].mean(axis=0)
    direction = (direction / np.linalg.norm(direction)).astype(np.float32)
    for i in range(model.config[layer_key(model.kind)]):
        for name, axis in _WRITERS[model.kind]:
            old = arrays[_at(model.kind, i) + name]
            along = np.outer(direction, direction @ old) if axis == 0 else np.outer(old @ direction, direction)
            arrays[_at(model.kind, i) + name] = old - along
    return model.changed(arrays)


# -- components --------------------------------------------------------------------------------


def grafted(host: Model, donor: Model, pattern: str) -> Model:
    """The host with every tensor of the donor whose name matches `pattern`."""
    return host.changed({n: donor.arrays[n] if re.search(pattern, n) else a for n, a in host.arrays.items()})


def joined(host: Model, decoder: Model) -> Model:
    """A LLaVA whose language model is `decoder`; the vision tower and the projector are the host's."""
    arrays = {n: a for n, a in host.arrays.items() if not n.startswith("language_model.")}
    arrays |= {f"language_model.{n}": a for n, a in decoder.arrays.items()}
    return Model(arrays, {**host.config, "text_config": decoder.config}, decoder.vocabulary)


def decoder_alone(model: Model) -> Model:
    """The language model of a LLaVA as a Llama of its own."""
    part = "language_model."
    arrays = {n.removeprefix(part): a for n, a in model.arrays.items() if n.startswith(part)}
    config: Config = dict(model.config["text_config"])
    return Model(arrays, config, model.vocabulary)


def _at(kind: str, layer: int) -> str:
    return LAYER[kind].replace(r"(\d+)", str(layer)).replace("\\", "")


def _with_tables(model: Model, vocabulary: dict[str, Any], change: Callable[[NDArray[Any]], NDArray[Any]]) -> Model:
    tables = {n: change(model.arrays[n]) for n in _TABLES[model.kind]}
    moved = model.changed({**model.arrays, **tables}, vocab_size=vocabulary["size"])
    return Model(moved.arrays, moved.config, vocabulary)
