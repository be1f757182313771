"""What the metadata of a GGUF file says, in the words of config.json and of a card.

Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#standardized-key-value-pairs
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from lineage.checkpoints.reader import Facts, Split
from lineage.types import Declared

MAX_PARENTS = 64
MAX_ALPHA = 1e9
HUB = "huggingface.co/"

_MODEL_TYPES = {
    "qwen2moe": "qwen2_moe", "qwen3moe": "qwen3_moe", "qwen3next": "qwen3_next", "gemma3": "gemma3_text",
    "command-r": "cohere", "gptneox": "gpt_neox", "gpt-oss": "gpt_oss", "phi2": "phi", "nomic-bert": "nomic_bert",
    "deepseek2": "deepseek_v3", "granitehybrid": "granitemoehybrid",
}  # fmt: skip
_KEYS = {
    "block_count": "num_hidden_layers",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "context_length": "max_position_embeddings",
    "vocab_size": "vocab_size",
    "expert_count": "num_local_experts",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
}
_SOURCES = ("general.source.repo_url", "general.source.url", "general.source.huggingface.repository")


def facts_of(metadata: Mapping[str, Any]) -> Facts | None:
    """Translate the metadata; None where it names no architecture, as in the later files of a split model.

    `config["general.architecture"]` keeps llama.cpp's own name of it; an adapter has its alpha besides.
    """
    architecture = text(metadata.get("general.architecture"))
    if architecture is None:
        return None
    config: dict[str, Any] = {"general.architecture": architecture}
    for key, usual in _KEYS.items():
        value = metadata.get(f"{architecture}.{key}")
        if _is_count(value) or (isinstance(value, list) and value and all(_is_count(v) for v in value)):
            config[usual] = value
    alpha = metadata.get("adapter.lora.alpha")
    if isinstance(alpha, float) and abs(alpha) < MAX_ALPHA:
        config["adapter.lora.alpha"] = alpha
    mixture = architecture == "llama" and config.get("num_local_experts", 0)
    config["model_type"] = "mixtral" if mixture else _MODEL_TYPES.get(architecture, architecture)
    return Facts(config, text(metadata.get("general.license")), tuple(dict.fromkeys(_declared(metadata))))


def split_of(metadata: Mapping[str, Any]) -> Split | None:
    """Which part of how many a file is, as `gguf-split` writes it; None for a whole one."""
    number, count = metadata.get("split.no"), metadata.get("split.count")
    if not _is_count(number) or not _is_count(count) or count < 2 or number >= count:
        return None
    return Split(number, count)


def text(value: object) -> str | None:
    """A text without control characters, at most 200 characters; None for anything else."""
    if not isinstance(value, str):
        return None
    return "".join(character for character in value if character.isprintable())[:200].strip() or None


def _declared(metadata: Mapping[str, Any]) -> Iterator[Declared]:
    """Parents that the file names, and the model that it was converted from."""
    for number in range(MAX_PARENTS):
        key = f"general.base_model.{number}"
        parent = _model(metadata, f"{key}.repo_url", f"{key}.organization", f"{key}.name")
        if parent:
            yield Declared(parent, None, f"GGUF {key}")
    for key in _SOURCES:
        source = text(metadata.get(key))
        if source:
            yield Declared(_on_the_hub(source), None, f"GGUF {key}")


def _model(metadata: Mapping[str, Any], url: str, organization: str, name: str) -> str | None:
    place = text(metadata.get(url))
    if place and HUB in place:
        return _on_the_hub(place)
    parts = [text(metadata.get(organization)), text(metadata.get(name))]
    return "/".join(part.replace(" ", "-") for part in parts if part) if parts[1] else place


def _on_the_hub(url: str) -> str:
    """`org/name` of a page of the hub; any other text as it is."""
    return "/".join(url.partition(HUB)[2].split("/")[:2]) or url if HUB in url else url


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 1 << 32
