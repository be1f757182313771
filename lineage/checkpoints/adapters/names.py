"""The names that PEFT gives to the tensors of an adapter."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lineage.types.facts.exclusions import AdapterPart

Kind = Literal["A", "B", "magnitude", "whole", "beside"]

MAGNITUDE = AdapterPart("dora-magnitude")
_BIAS = AdapterPart("added-bias")
_TOKENS = AdapterPart("token-rows")
_ORIGINAL = AdapterPart("copy-of-base")

_FACTOR = re.compile(
    r"(^|[._])(lora_(A|B|a|b|up|down|mid|embedding_A|embedding_B|magnitude_vector)|lora\.(up|down)"
    r"|lora_linear_layer\.(up|down)|hada_w\d_[ab]|hada_t\d|lokr_w\d(_[ab])?|lokr_t\d|ia3_l)($|[._])"
)
_BESIDE = re.compile(r"^base_model\.model\.|(^|\.)(alpha|dora_scale|diff|diff_b|modules_to_save\..*)$|^bundle_emb\.")
PREFIX = "base_model.model."
# `lora_A.weight` as it is saved, `lora_A.default.weight` as it is in memory; embeddings have no leaf.
_LORA = re.compile(
    r"(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector)"
    r"(?:\.(?!weight$|bias$)[^.]+)?(?P<leaf>\.weight|\.bias)?"
)
_SAVED = re.compile(r"\.modules_to_save\.[^.]+(?=\.)")
_ORIGINAL_OF = ".original_module."
_WRAPPED = ".base_layer."


@dataclass(frozen=True, slots=True)
class Named:
    """What a tensor of an adapter is for.

    `target` is the base's tensor that it changes or replaces; `reason` says why it is left out ("beside", "magnitude").
    """

    kind: Kind
    target: str
    is_embedding: bool = False
    reason: AdapterPart | None = None


def is_adapter(names: Iterable[str]) -> bool:
    """Whether these tensors are the factors of an adapter and nothing else."""
    beside, factors = [], 0
    for name in names:
        if _FACTOR.search(name):
            factors += 1
        else:
            beside.append(name)
    return factors > 0 and all(_BESIDE.search(name) for name in beside)


def is_factor(name: str) -> bool:
    """Whether a tensor is a factor of an adapter of any kind."""
    return _FACTOR.search(name) is not None


def factor_of(name: str) -> str:
    """The module that a factor is called after."""
    match = _FACTOR.search(name)
    return name if match is None else name[: match.start()]


def named(name: str) -> Named | None:
    """Take the name of one tensor apart; None for a factor that is not one of PEFT's LoRA."""
    bare = name.removeprefix(PREFIX)
    match = _LORA.fullmatch(bare)
    if match is None:
        return None if _FACTOR.search(bare) else _whole(bare)
    target, part = f"{match['module']}.weight", match["part"]
    if part == "lora_magnitude_vector":
        return Named("magnitude", target, reason=MAGNITUDE)
    if match["leaf"] == ".bias":
        return Named("beside", target, reason=_BIAS)
    return Named("A" if part.endswith("A") else "B", target, is_embedding="embedding" in part)


def _whole(name: str) -> Named:
    """A tensor that replaces the base's own (modules_to_save, biases, resized embeddings)."""
    if ".trainable_tokens_" in name:
        return Named("beside", name, reason=_TOKENS)
    if _ORIGINAL_OF in name:
        return Named("beside", name, reason=_ORIGINAL)
    return Named("whole", _SAVED.sub("", name).replace(_WRAPPED, "."))
