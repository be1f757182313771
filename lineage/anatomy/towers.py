"""Transformer towers of a model: where their layers are, which component they form, how wide their stream is."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from lineage.anatomy.names import Named, Path, is_number
from lineage.anatomy.roles import is_expert, is_projector

_MAX_TOWERS = 64  # no model has more; a hostile file may, to cost time
_MATRICES = frozenset({"weight", "kernel", "parameter"})
_ATTENTION = frozenset({"q", "k", "v", "kv", "qkv"})
_READS_STREAM = frozenset({"q", "k", "v", "kv", "qkv", "gate", "up", "gate-up"})
_WRITES_STREAM = frozenset({"o", "down"})
_VISION = re.compile(r"(?:^|\.)(?:vision\w*|visual\w*|vit\w*|image\w*|vpm|siglip\w*|dinov2\w*)(?:\.|$)")
_AUDIO = re.compile(r"(?:^|\.)(?:audio\w*|speech\w*|wav2vec2\w*|hubert\w*|wavlm\w*)(?:\.|$)")
_AUDIO_MODELS = re.compile(r"whisper|wav2vec|hubert|wavlm|moonshine|audio")
_VISION_MODELS = re.compile(r"^(?:vit|deit|beit|dinov?2?|siglip_vision_model|clip_vision_model|swin)")
_ENCODER_MODELS = re.compile(r"bert|mpnet|electra|^esm|xlm-roberta|nomic|xlnet|bart_encoder")
_DECODER_MODELS = re.compile(r"chatglm|gpt|llama|bloom|falcon")


@dataclass(frozen=True, slots=True)
class Tower:
    """One stack of transformer layers and all that belongs to it.

    `stack` is the path before the layer number, `width` the number of residual channels, `stream` the
    label of their axis. `transposed` says that matrices are stored (in, out), as GPT-2's are.
    `hidden` gives for each label of MLP units how many there are.
    """

    stack: Path
    component: str
    width: int
    stream: str
    transposed: bool
    hidden: Mapping[str, int]


def find_towers(tensors: Sequence[Named], roles: Mapping[str, str], model_type: str) -> tuple[Tower, ...]:
    """The towers of a model, text first; empty for a network without attention layers.

    Empty too if there are more towers than any model has. `roles` gives the role of each tensor by
    name. A stack counts as a tower if it holds attention matrices and something that writes back to
    the stream.
    """
    stacks: dict[Path, list[Named]] = defaultdict(list)
    for tensor in tensors:
        at = tensor.stack_at
        if at is not None and len(tensor.shape) in (2, 3) and tensor.leaf in _MATRICES:
            stacks[tensor.module[:at]].append(tensor)
    found = {stack: stacks[stack] for stack in sorted(stacks) if _is_tower({roles[m.name] for m in stacks[stack]})}
    if len(found) > _MAX_TOWERS:
        return ()
    names = _components({stack: _component(stack, tensors, roles, model_type) for stack in found})
    shared = any(t.module[-1:] == ("shared",) for t in tensors)
    towers = [_tower(stack, names[stack], members, roles, shared) for stack, members in found.items()]
    return tuple(sorted(towers, key=lambda tower: (_ORDER.index(tower.component.rstrip(" 0123456789")), tower.stack)))


def mlp_label(tower: str, tensor: Named) -> str:
    """The label of the MLP units that a tensor of a tower makes or reads: one for each layer and each expert."""
    at = tensor.stack_at or 0
    inner = tensor.module[at + 1 :]
    layer = f"{tower}.{tensor.module[at]}"
    if is_expert(tensor):
        number = next((token for token in inner if is_number(token)), "all")
        return f"{layer}/expert {number}"
    return f"{layer}/shared expert" if any("shared_expert" in token for token in inner) else f"{layer}/mlp"


def tower_of(tensor: Named, towers: Sequence[Tower]) -> Tower:
    """The tower that a tensor belongs to: the one with the longest common path, text before audio before vision."""
    modality = _component_by_word(tensor.template)
    fitting = [t for t in towers if modality is None or t.component.startswith(modality)] or list(towers)
    return max(fitting, key=lambda tower: _shared(tensor.module, tower.stack))


def component_by_word(module: Path) -> str | None:
    """The component that the words of a path name, or None."""
    return _component_by_word(".".join(module))


@lru_cache(maxsize=4096)
def _component_by_word(path: str) -> str | None:
    if _VISION.search(path):
        return "vision encoder"
    return "audio encoder" if _AUDIO.search(path) else None


_ORDER = ("text decoder", "text encoder", "audio encoder", "vision encoder", "projector")


def _shared(a: Path, b: Path) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _is_tower(roles: set[str]) -> bool:
    return not (_ATTENTION.isdisjoint(roles) or _WRITES_STREAM.isdisjoint(roles))


def _component(stack: Path, tensors: Sequence[Named], roles: Mapping[str, str], model_type: str) -> str:
    if is_projector(Named("", (), stack, "weight")):
        return "projector"
    by_word = component_by_word(stack)
    if by_word:
        return by_word
    root = stack[: stack.index("encoder")] if "encoder" in stack else stack[:-1]
    if "decoder" in stack or "language_model" in stack or _DECODER_MODELS.search(model_type):
        return "text decoder"
    if _VISION_MODELS.search(model_type) or _has_patches(root, tensors, roles):
        return "vision encoder"
    if "encoder" in stack:
        sound = _AUDIO_MODELS.search(model_type) or _has_sound_front(root, tensors)
        return "audio encoder" if sound else "text encoder"
    return "text encoder" if _ENCODER_MODELS.search(model_type) or _reads_both_ways(tensors) else "text decoder"


def _has_patches(root: Path, tensors: Sequence[Named], roles: Mapping[str, str]) -> bool:
    return any(
        roles[t.name] == "patch-embedding"
        and t.module[: len(root)] == root
        and len(t.module) - len(root) <= 3
        and component_by_word(t.module[len(root) :]) is None
        for t in tensors
    )


def _has_sound_front(root: Path, tensors: Sequence[Named]) -> bool:
    return any(t.module == (*root, "encoder", "conv1") and len(t.shape) == 3 for t in tensors)


def _reads_both_ways(tensors: Sequence[Named]) -> bool:
    return any({"q_lin", "token_type_embeddings", "vocab_transform"} & set(t.module[-1:]) for t in tensors)


def _components(by_stack: Mapping[Path, str]) -> dict[Path, str]:
    seen: Counter[str] = Counter()
    names: dict[Path, str] = {}
    for stack, component in by_stack.items():
        seen[component] += 1
        names[stack] = component if seen[component] == 1 else f"{component} {seen[component]}"
    return names


def _tower(stack: Path, component: str, members: Sequence[Named], roles: Mapping[str, str], shared: bool) -> Tower:
    width = _width(members, roles)
    # One table of token embeddings feeds both stacks of such models, so they share one relabelling.
    stream = "text/residual" if shared and component.startswith("text") else f"{component}/residual"
    votes = [stored_in_out(t, roles[t.name], width) for t in members if not is_expert(t)]
    transposed = votes.count(True) > votes.count(False)
    hidden: dict[str, int] = {}
    for tensor in members:
        if roles[tensor.name] == "down":
            units = tensor.shape[-1] if tensor.shape[-2] == width and not transposed else tensor.shape[-2]
            hidden[mlp_label(component, tensor)] = units
    return Tower(stack, component, width, stream, transposed, hidden)


def _width(members: Sequence[Named], roles: Mapping[str, str]) -> int:
    lengths: Counter[int] = Counter()
    for tensor in members:
        if roles[tensor.name] in _READS_STREAM | _WRITES_STREAM:
            lengths.update(set(tensor.shape[-2:]))
    return min(lengths, key=lambda n: (-lengths[n], n))


def stored_in_out(tensor: Named, role: str, width: int) -> bool | None:
    """Whether a matrix has its inputs as rows, judged by the side that is `width` long; None if that is unclear."""
    rows, columns = tensor.shape[-2:]
    if rows == columns or width not in (rows, columns) or len(tensor.shape) > 2:
        return None
    if role in _READS_STREAM:
        return rows == width
    return columns == width if role in _WRITES_STREAM else None
