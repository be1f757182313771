"""One small language model, dense or a mixture, as the frameworks pack it: names, fused matrices, orders of rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.synthetic import Arrays

HEADS, SIDE, WIDTH, UNITS, LAYERS, TOKENS, EXPERTS = 4, 16, 64, 96, 2, 96, 4
CONFIG = {"model_type": "llama", "num_attention_heads": HEADS, "hidden_size": WIDTH}
Array = NDArray[Any]
Packing = Callable[[Arrays], Arrays]


def dense(seed: int, groups: int = HEADS) -> Arrays:
    """A LLaMA as the hub has it; `groups` key and value heads. The units are of unlike size, as in trained models."""
    draw = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> Array:
        return draw.standard_normal((rows, columns)) * draw.gamma(2, 0.5, (rows, 1)) / 8

    made = {"model.embed_tokens.weight": draw.standard_normal((TOKENS, WIDTH))}
    for n in range(LAYERS):
        at = f"model.layers.{n}."
        for part, heads in (("q", HEADS), ("k", groups), ("v", groups)):
            made[f"{at}self_attn.{part}_proj.weight"] = matrix(heads * SIDE, WIDTH)
        made[f"{at}self_attn.o_proj.weight"] = matrix(WIDTH, HEADS * SIDE)
        made[f"{at}mlp.gate_proj.weight"] = matrix(UNITS, WIDTH)
        made[f"{at}mlp.up_proj.weight"] = matrix(UNITS, WIDTH)
        made[f"{at}mlp.down_proj.weight"] = matrix(WIDTH, UNITS)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            made[f"{at}{norm}.weight"] = 1 + 0.1 * draw.standard_normal(WIDTH)
    made["model.norm.weight"] = 1 + 0.1 * draw.standard_normal(WIDTH)
    return {name: array.astype(np.float32) for name, array in made.items()}


def mixture(seed: int) -> Arrays:
    """A Mixtral as the hub had it until 2025: one matrix an expert."""
    draw = np.random.default_rng(seed + 100)
    made = {name: array for name, array in dense(seed).items() if ".mlp." not in name}
    for n in range(LAYERS):
        at = f"model.layers.{n}.mlp."
        made[f"{at}gate.weight"] = draw.standard_normal((EXPERTS, WIDTH)) / 8
        for e in range(EXPERTS):
            for part, shape in (("gate", (UNITS, WIDTH)), ("up", (UNITS, WIDTH)), ("down", (WIDTH, UNITS))):
                rows = draw.gamma(2, 0.5, (shape[0], 1))
                made[f"{at}experts.{e}.{part}_proj.weight"] = draw.standard_normal(shape) * rows / 8
    return {name: array.astype(np.float32) for name, array in made.items()}


def fused(model: Arrays, module: str, join: Callable[[Array, Array, Array], Array]) -> Arrays:
    """Query, key and value joined by `join`, under the name `module`."""
    made: Arrays = {}
    for name, array in model.items():
        if "q_proj" in name:
            parts = [model[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            made[name.replace("self_attn.q_proj", module)] = np.ascontiguousarray(join(*parts))
        elif "k_proj" not in name and "v_proj" not in name:
            made[name] = array
    return made


def gated(model: Arrays, module: str, join: Callable[[Array, Array], Array]) -> Arrays:
    """Gate and up joined by `join`, under the name `module`."""
    made: Arrays = {}
    for name, array in model.items():
        if "gate_proj" in name:
            up = model[name.replace("gate_proj", "up_proj")]
            made[name.replace("mlp.gate_proj", module)] = np.ascontiguousarray(join(array, up))
        elif "up_proj" not in name:
            made[name] = array
    return made


def stacked(*parts: Array) -> Array:
    """One above the other."""
    return np.concatenate(parts)


def by_group(q: Array, k: Array, v: Array) -> Array:
    """The query heads of a group, their key, their value; with as many keys as queries, by head."""
    groups = len(k) // SIDE
    heads = [x.reshape(groups, -1, SIDE, x.shape[1]) for x in (q, k, v)]
    return np.concatenate(heads, axis=1).reshape(-1, q.shape[1])


def in_blocks(q: Array, k: Array, v: Array) -> Array:
    """CodeGen's four blocks of query, value, key."""
    return np.concatenate([x.reshape(4, -1, x.shape[1]) for x in (q, v, k)], axis=1).reshape(-1, q.shape[1])


def by_turns(gate: Array, up: Array) -> Array:
    """A row of the gate, a row of up."""
    return np.stack([gate, up], axis=1).reshape(-1, gate.shape[1])


def in_pairs(model: Arrays) -> Arrays:
    """Query and key as Meta and Mistral keep them: the rows of a rotary pair are neighbours."""
    made = dict(model)
    for name, array in model.items():
        if "q_proj" in name or "k_proj" in name:
            made[name] = array.reshape(-1, 2, SIDE // 2, array.shape[1]).swapaxes(1, 2).reshape(array.shape)
    return made


_METAS = {
    "model.": "", "self_attn.q_proj": "attention.wq", "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv", "self_attn.o_proj": "attention.wo", "mlp.gate_proj": "feed_forward.w1",
    "mlp.down_proj": "feed_forward.w2", "mlp.up_proj": "feed_forward.w3", "post_attention_layernorm": "ffn_norm",
    "input_layernorm": "attention_norm", "embed_tokens": "tok_embeddings",
}  # fmt: skip


def renamed(model: Arrays, names: dict[str, str] | None = None) -> Arrays:
    """The same tensors by other names, Meta's without `names`."""
    made: Arrays = {}
    for name, array in model.items():
        new = name
        for ours, theirs in (names or _METAS).items():
            new = new.replace(ours, theirs)
        made[new] = array
    return made


def conv1d(model: Arrays) -> Arrays:
    """GPT-2's layout: matrices as (in, out), query, key and value side by side."""
    made = fused(model, "self_attn.c_attn", stacked)
    layers = {name for name, array in made.items() if ".layers." in name and array.ndim == 2}
    return {name: np.ascontiguousarray(array.T) if name in layers else array for name, array in made.items()}


def phi3(model: Arrays) -> Arrays:
    return gated(fused(model, "self_attn.qkv_proj", stacked), "mlp.gate_up_proj", stacked)


def olmo(model: Arrays) -> Arrays:
    """All matrices of a layer in one module."""
    made = gated(fused(model, "att_proj", stacked), "ff_proj", stacked)
    return renamed(made, {"self_attn.o_proj": "attn_out", "mlp.down_proj": "ff_out"})


def keys_with_values(model: Arrays, module: str) -> Arrays:
    """Keys above values, under the name `module`; the query by itself."""
    made: Arrays = {}
    for name, array in model.items():
        if "k_proj" in name:
            made[name.replace("k_proj", module)] = stacked(array, model[name.replace("k_proj", "v_proj")])
        elif "v_proj" not in name:
            made[name] = array
    return made


def turning_in_part(model: Arrays, rows: int = SIDE // 2) -> Arrays:
    """Query and key of which the first rows of a head turn, and these in pairs: GPT-J against GPT-NeoX."""
    made = dict(model)
    for name, array in model.items():
        if "q_proj" in name or "k_proj" in name:
            heads = array.reshape(-1, SIDE, array.shape[1]).copy()
            turning = heads[:, :rows].reshape(-1, 2, rows // 2, array.shape[1])
            heads[:, :rows] = turning.swapaxes(1, 2).reshape(-1, rows, array.shape[1])
            made[name] = heads.reshape(array.shape)
    return made


DENSE: dict[str, tuple[Packing, dict[str, Any]]] = {
    "phi-3": (phi3, {}),
    "baichuan": (lambda m: fused(m, "self_attn.W_pack", stacked), {}),
    "torch": (lambda m: fused(m, "self_attn.in_proj", stacked), {}),
    "gpt-neox": (lambda m: fused(m, "self_attn.query_key_value", by_group), {"model_type": "gpt_neox"}),
    "falcon": (lambda m: fused(m, "self_attn.query_key_value", by_group), {"model_type": "falcon"}),
    "internlm2": (lambda m: fused(m, "self_attn.wqkv", by_group), {"model_type": "internlm2"}),
    "megatron": (
        lambda m: gated(fused(m, "self_attn.linear_qkv", by_group), "mlp.linear_fc1", stacked),
        {"model_type": "megatron"},
    ),
    "chatglm": (lambda m: gated(m, "mlp.dense_h_to_4h", stacked), {"model_type": "chatglm"}),
    "pvt": (lambda m: keys_with_values(m, "kv"), {}),
    "imagen": (lambda m: keys_with_values(m, "to_kv"), {}),
    "flash-attention": (lambda m: keys_with_values(m, "Wkv"), {}),
    "olmo": (olmo, {}),
    "names of one's own": (lambda m: gated(fused(m, "self_attn.p1", stacked), "mlp.p2", stacked), {}),
    "up first": (lambda m: gated(m, "mlp.up_gate_proj", lambda gate, up: stacked(up, gate)), {}),
}
"""Packings that names, shapes and the config reveal: the parts have the digests of the split model's."""

UNTOLD: dict[str, Packing] = {
    "by head": lambda m: fused(m, "self_attn.qkv_proj", by_group),
    "by head, unsplit": lambda m: fused(m, "self_attn.query_key_value", by_group),
    "codegen": lambda m: fused(m, "self_attn.qkv_proj", in_blocks),
    "gate and up by turns": lambda m: gated(m, "mlp.gate_up_proj", by_turns),
    "up and gate by turns": lambda m: gated(m, "mlp.gate_up_proj", lambda gate, up: by_turns(up, gate)),
    "up before gate": lambda m: gated(m, "mlp.gate_up_proj", lambda gate, up: stacked(up, gate)),
    "names of one's own, by head": lambda m: fused(m, "self_attn.p1", by_group),
    "names of one's own, by turns": lambda m: gated(m, "mlp.p2", by_turns),
    "conv1d": conv1d,
}
"""Packings that only the values reveal."""

ROTARY: dict[str, Packing] = {
    "meta": lambda m: renamed(in_pairs(m)),
    "torchtune": in_pairs,
    "gpt-fast": lambda m: fused(in_pairs(m), "attention.wqkv", stacked),
    "pairs by group": lambda m: fused(in_pairs(m), "self_attn.query_key_value", by_group),
    "gpt-j": turning_in_part,
    "gpt-neox of pairs": lambda m: fused(turning_in_part(m, 4), "self_attn.query_key_value", by_group),
}


def experts(
    model: Arrays, gate_up: str | None, down: str, join: Callable[[Array, Array], Array] = stacked, turn: bool = False
) -> Arrays:
    """The experts of each layer in stacks called `gate_up` and `down`; `turn` has them as (in, out)."""
    found = re.compile(r"(.+\.)mlp\.experts\.0\.gate_proj\.weight")
    made = {name: array for name, array in model.items() if ".experts." not in name}
    for name in model:
        match = found.fullmatch(name)
        if match is None:
            continue
        every = {
            part: [model[f"{match[1]}mlp.experts.{e}.{part}_proj.weight"] for e in range(EXPERTS)]
            for part in ("gate", "up", "down")
        }
        halves = [join(gate, up) for gate, up in zip(every["gate"], every["up"], strict=True)]
        stacks = (
            {gate_up: halves, down: every["down"]}
            if gate_up
            else {"w1": every["gate"], "w3": every["up"], down: every["down"]}
        )
        for module, matrices in stacks.items():
            stack = np.stack(matrices)
            made[f"{match[1]}mlp.experts.{module}"] = np.ascontiguousarray(stack.swapaxes(1, 2) if turn else stack)
    return made


def dbrx(model: Arrays) -> Arrays:
    """Experts one above the other in a matrix, the down projection transposed."""
    made: Arrays = {}
    for name, array in experts(model, None, "w2").items():
        if ".experts." in name:
            rows = array.swapaxes(1, 2) if name.endswith("w2") else array
            made[name.replace("experts.", "experts.mlp.").replace("w3", "v1")] = rows.reshape(-1, rows.shape[2]).copy()
        else:
            made[name.replace("mlp.gate.weight", "mlp.router.layer.weight")] = array
    return made


def granite(model: Arrays) -> Arrays:
    made = experts(model, "input_linear", "output_linear")
    return {re.sub(r"experts\.(\w+_linear)", r"\1.weight", name): array for name, array in made.items()}


def named(model: Arrays, gate_up: str, down: str, *, turn: bool = False) -> Arrays:
    """Stacks of names of one's own."""
    made = experts(model, "gate_up_proj", "down_proj", turn=turn)
    return {
        n.replace("gate_up_proj", gate_up).replace("experts.down_proj", f"experts.{down}"): a for n, a in made.items()
    }


def three_named(model: Arrays) -> Arrays:
    """A stack each of gate, up and down, as (in, out), of names of one's own."""
    made = experts(model, None, "w2", turn=True)
    return {n.replace(".w1", ".a_in").replace(".w3", ".b_in").replace(".w2", ".c_out"): a for n, a in made.items()}


def grouped(model: Arrays) -> Arrays:
    """Megatron's GroupedMLP: experts side by side, the ones that lead back one above the other."""
    made: Arrays = {}
    for name, array in experts(model, "gate_up_proj", "down_proj", turn=True).items():
        if "gate_up_proj" in name:
            made[name.replace("gate_up_proj", "weight1")] = array.transpose(1, 0, 2).reshape(WIDTH, -1).copy()
        elif "experts.down_proj" in name:
            made[name.replace("down_proj", "weight2")] = array.reshape(-1, WIDTH)
        else:
            made[name] = array
    return made


def numbered(model: Arrays) -> Arrays:
    """TransformerEngine's: a number of the parameter for each expert, gate above up."""
    made: Arrays = {}
    for name, array in model.items():
        found = re.fullmatch(r"(.+experts)\.(\d+)\.(gate|up|down)_proj\.weight", name)
        if found is None:
            made[name] = array
        elif found[3] == "gate":
            made[f"{found[1]}.linear_fc1.weight{found[2]}"] = stacked(array, model[name.replace("gate", "up")])
        elif found[3] == "down":
            made[f"{found[1]}.linear_fc2.weight{found[2]}"] = array
    return made


EXPERT_STACKS: dict[str, tuple[Packing, dict[str, Any]]] = {
    "transformers 5": (lambda m: experts(m, "gate_up_proj", "down_proj"), {}),
    "llama-4": (lambda m: experts(m, "gate_up_proj", "down_proj", turn=True), {}),
    "gpt-oss": (lambda m: experts(m, "gate_up_proj", "down_proj", by_turns, turn=True), {"model_type": "gpt_oss"}),
    "torchtitan": (lambda m: experts(m, None, "w2"), {}),
    "granite": (granite, {}),
    "dbrx": (dbrx, {}),
    "vllm": (lambda m: named(m, "w13_weight", "w2_weight"), {}),
    "megatron, grouped": (grouped, {}),
    "transformer engine": (numbered, {}),
    "two stacks of any name": (lambda m: named(m, "fc_in", "fc_out", turn=True), {}),
    "three stacks of any name": (three_named, {}),
}
"""Stacks of experts that names, shapes and the config reveal."""

UNTOLD_EXPERTS: dict[str, Packing] = {
    "by turns": lambda m: experts(m, "gate_up_proj", "down_proj", by_turns),
    "by turns, turned": lambda m: experts(m, "gate_up_proj", "down_proj", by_turns, turn=True),
    "up before gate": lambda m: experts(m, "gate_up_proj", "down_proj", lambda gate, up: stacked(up, gate)),
}
