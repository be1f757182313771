"""The test that no tool passed whole: a checkpoint of 88 million parameters and what people make of one.

Nothing is trained: weights are drawn with the statistics of trained ones. Rows and columns have scales of their own, a
few channels stand out, every matrix has some large singular directions, gains follow the depth and token norms the
frequency. That profile belongs to the recipe, so that an independent model of the same recipe shares it. Training adds
a movement, partly of low rank, up to a given cosine. Everything is stored in bf16, as published models are.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from disguises import permuted, rotated
from numpy.typing import NDArray
from operators import cast, int4_groups, layers_dropped, magnitude_pruned, write

Floats = NDArray[np.float32]
Arrays = dict[str, Floats]

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 16384,
    "hidden_size": 768,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}
TABLE, LAST = "model.embed_tokens.weight", "model.norm.weight"
_LAYER = re.compile(r"layers\.(\d+)\.")
_ATTENTION = ".self_attn."
_RECIPE = 20  # seed of the profile that models of one recipe share
_DIRECTIONS = 8
_LOW_RANK = 0.2  # share of a movement's energy that is of low rank


@dataclass(frozen=True, slots=True)
class Row:
    """One pair: what was done to `parent` to make `child`, and what a right answer says.

    `kind` is what was done, or empty for two models with nothing in common. `share` is the part of the child's
    parameters that comes from the parent.
    """

    name: str
    child: str
    parent: str
    kind: str
    share: float = 1.0

    @property
    def is_related(self) -> bool:
        """Whether the child's weights come from the parent's."""
        return bool(self.kind)


ROWS = (
    Row("fine-tune", "tuned", "base", "tuned"),
    Row("continued to cosine .95", "continued-95", "base", "continued"),
    Row("continued to cosine .8", "continued-80", "base", "continued"),
    Row("int4", "int4", "base", "quantized"),
    Row("50% pruned", "half", "base", "pruned"),
    Row("FFN permuted", "ffn-permuted", "base", "disguised"),
    Row("fully permuted", "permuted", "base", "disguised"),
    Row("rotated, gains folded", "rotated", "base", "disguised"),
    Row(".6/.4 merge, and its first parent", "merge", "tuned", "merged", 0.6),
    Row("three layers dropped", "dropped", "base", "depth"),
    Row("attention grafted into fresh weights", "grafted", "base", "grafted", 0.214),
    Row("independent, same recipe", "apart", "base", "", 0.0),
)


TRAINED_ROWS = (
    Row("trained independent pair", "trained-apart", "trained", "", 0.0),
    Row("trained fine-tune", "trained-tuned", "trained", "tuned"),
)


def take_trained(folder: Path, trained: Path, apart: Path, tuned: Path) -> None:
    """Copy really trained models in the form of Hugging Face into `folder`: what TRAINED_ROWS names.

    Raises OSError where one has no `config.json` or `model.safetensors`.
    """
    for name, source in (("trained", trained), ("trained-apart", apart), ("trained-tuned", tuned)):
        home = folder / name
        home.mkdir(parents=True, exist_ok=True)
        for file in ("config.json", "model.safetensors"):
            shutil.copyfile(source / file, home / file)
        _write_tokenizer(home, int(json.loads((home / "config.json").read_text("utf-8"))["vocab_size"]))


def _write_tokenizer(home: Path, tokens: int) -> None:
    """A tokenizer of as many words, the same beside every model: tools that compare those need one to start."""
    special = ["<unk>", "<s>", "</s>"]
    words = [*special, *(f"w{number:x}" for number in range(tokens - len(special)))]
    added = [
        {"id": k, "content": word, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True} for k, word in enumerate(special)
    ]  # fmt: skip
    model = {"type": "WordLevel", "vocab": {word: k for k, word in enumerate(words)}, "unk_token": special[0]}
    parts = {"version": "1.0", "added_tokens": added, "pre_tokenizer": {"type": "Whitespace"}, "model": model}
    (home / "tokenizer.json").write_text(json.dumps(parts), encoding="utf-8")
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    (home / "tokenizer_config.json").write_text(json.dumps(kind), encoding="utf-8")


def make_files(folder: Path, config: Mapping[str, object] = CONFIG) -> None:
    """Write every model of ROWS that `folder` lacks, each a folder of its own with its configuration."""
    made: dict[str, Arrays] = {}

    def of(name: str) -> Arrays:  # as it is stored: children are made from what was published
        if name not in made:
            made[name] = {n: a.astype(np.float32) for n, a in cast("bfloat16")(_RECIPES[name](of, config)).items()}
        return made[name]

    for name in _RECIPES:
        home = folder / name
        if (home / "model.safetensors").exists():
            continue
        arrays = of(name)
        home.mkdir(parents=True, exist_ok=True)
        layers = 1 + max(int(found[1]) for one in arrays if (found := _LAYER.search(one)))
        changed = {"num_hidden_layers": layers, "tie_word_embeddings": "lm_head.weight" not in arrays}
        (home / "config.json").write_text(json.dumps({**config, **changed}, indent=1) + "\n", encoding="utf-8")
        _write_tokenizer(home, len(arrays[TABLE]))
        unfinished = write(cast("bfloat16")({**arrays}), home / "unfinished")
        unfinished.rename(home / "model.safetensors")
        if name not in _KEPT:
            del made[name]


def drawn(seed: int, config: Mapping[str, object]) -> Arrays:
    """A model with the statistics of a trained one; models of other seeds share the recipe's profile and no weights."""
    shared, own = np.random.default_rng(_RECIPE), np.random.default_rng(seed)
    tokens, width, inner, layers, heads, pairs = (int(str(config[key])) for key in _SIZES)
    outliers = _profile(shared, width, 0.25)
    outliers[shared.choice(width, max(1, width // 128), replace=False)] *= 4
    frequency = (0.6 + 0.4 * np.linspace(0, 1, tokens)).astype(np.float32)
    arrays: Arrays = {TABLE: _matrix(own, frequency * _profile(shared, tokens, 0.1), outliers, 0.03)}
    kv = width * pairs // heads
    for layer in range(layers):
        depth = layer / max(1, layers - 1)
        of_layer = f"model.layers.{layer}"
        ends = {
            **{f"self_attn.{one}_proj": (rows, width) for one, rows in (("q", width), ("k", kv), ("v", kv))},
            "self_attn.o_proj": (width, width),
            **{f"mlp.{one}_proj": (inner, width) for one in ("gate", "up")},
            "mlp.down_proj": (width, inner),
        }
        for name, (rows, columns) in ends.items():
            down, across = _profile(shared, rows, 0.2), _profile(shared, columns, 0.2)
            arrays[f"{of_layer}.{name}.weight"] = _matrix(own, down, across, 0.025 * (1 + 0.3 * depth))
        for norm, level in (("input", 0.4 + depth), ("post_attention", 0.3 + 0.8 * depth)):
            gain = level * _profile(shared, width, 0.1) * _profile(own, width, 0.03)
            arrays[f"{of_layer}.{norm}_layernorm.weight"] = gain
    arrays[LAST] = 2 * _profile(shared, width, 0.1) * _profile(own, width, 0.03)
    return arrays


_SIZES = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
)  # fmt: skip


def _profile(random: np.random.Generator, length: int, spread: float) -> Floats:
    return np.exp(spread * random.standard_normal(length)).astype(np.float32)


def _matrix(random: np.random.Generator, rows: Floats, columns: Floats, level: float) -> Floats:
    """A matrix of that standard deviation: scaled normals, and directions that stand out."""
    shape = len(rows), len(columns)
    bulk = random.standard_normal(shape, np.float32) * np.float32(level) * rows[:, None] * columns
    return bulk + np.float32(level) * _of_low_rank(random, shape) / np.float32(math.sqrt(_DIRECTIONS))


def _of_low_rank(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """A matrix of few directions, each of deviation 1."""
    left, right = (random.standard_normal((length, _DIRECTIONS), np.float32) for length in shape)
    return left @ right.T / np.float32(math.sqrt(_DIRECTIONS))


def moved(arrays: Arrays, seed: int, cosine: float) -> Arrays:
    """The same model trained on, until each matrix has that cosine with what it was; gains move a twentieth as far."""
    random = np.random.default_rng(seed)
    far = math.sqrt(1 / cosine**2 - 1)
    made: Arrays = {}
    for name, array in arrays.items():
        noise = random.standard_normal(array.shape, np.float32)
        if array.ndim == 2:
            noise = math.sqrt(1 - _LOW_RANK) * noise + math.sqrt(_LOW_RANK) * _of_low_rank(random, array.shape)
            noise -= array * (np.vdot(noise, array) / np.vdot(array, array))
            made[name] = array + noise * np.float32(far * np.linalg.norm(array) / np.linalg.norm(noise))
        else:
            made[name] = array * (1 + np.float32(far / 20) * noise)
    return made


def of_layers(change: Callable[[Floats], Floats], arrays: Arrays) -> Arrays:
    """The matrices of the layers changed, the tables left, as those who compress models do."""
    return {name: change(array) if array.ndim == 2 and _LAYER.search(name) else array for name, array in arrays.items()}


def ffn_permuted(arrays: Arrays, seed: int) -> Arrays:
    """The neurons of every layer in another order."""
    random, made = np.random.default_rng(seed), dict(arrays)
    for up in [name for name in arrays if name.endswith("up_proj.weight")]:
        order = random.permutation(len(arrays[up]))
        made |= {name: arrays[name][order] for name in (up, up.replace("up_proj", "gate_proj"))}
        down = up.replace("up_proj", "down_proj")
        made[down] = arrays[down][:, order]
    return made


def blended(a: Arrays, b: Arrays, weight: float) -> Arrays:
    """The linear merge of two models."""
    return {name: np.float32(weight) * a[name] + np.float32(1 - weight) * b[name] for name in a}


def grafted(donor: Arrays, rest: Arrays) -> Arrays:
    """The attention of one model among the other weights of another."""
    return {name: donor[name] if _ATTENTION in name else array for name, array in rest.items()}


_Of = Callable[[str], Arrays]
_RECIPES: dict[str, Callable[[_Of, Mapping[str, object]], Arrays]] = {
    "base": lambda _, config: drawn(1, config),
    "tuned": lambda of, _: moved(of("base"), 2, 0.9998),
    "tuned-other": lambda of, _: moved(of("base"), 3, 0.999),
    "continued-95": lambda of, _: moved(of("base"), 4, 0.95),
    "continued-80": lambda of, _: moved(of("base"), 5, 0.8),
    "int4": lambda of, _: of_layers(int4_groups, of("base")),
    "half": lambda of, _: of_layers(magnitude_pruned, of("base")),
    "ffn-permuted": lambda of, _: ffn_permuted(of("base"), 6),
    "permuted": lambda of, _: permuted(of("base"), 7),
    "rotated": lambda of, _: rotated({**of("base"), "lm_head.weight": of("base")[TABLE].copy()}, 8),
    "merge": lambda of, _: blended(of("tuned"), of("tuned-other"), 0.6),
    "dropped": lambda of, _: layers_dropped(of("base"), {4, 5, 6}, r"layers\.(\d+)\."),
    "grafted": lambda of, config: grafted(of("base"), drawn(9, config)),
    "apart": lambda _, config: drawn(10, config),
}
_KEPT = ("base", "tuned", "tuned-other")
