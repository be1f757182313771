"""What adapter_config.json says: how the factors of a LoRA are scaled and oriented.

Fields and their meaning: peft.LoraConfig (PEFT 0.17), https://huggingface.co/docs/peft/package_reference/lora
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineage.checkpoints.io.quoting import quoted
from lineage.errors import Malformed, UnsupportedFormat
from lineage.types import Declared

CONFIG = "adapter_config.json"
MAX_RANK = 4096
_SOURCE = f"{CONFIG} base_model_name_or_path"
_LONGEST_NAME = 200
_MODULE = re.compile(r"\^?[\w.\-]+")
# Factors for tensors other than those of the module that they are named after.
_NOT_READ = ("layer_replication", "target_parameters", "megatron_config", "use_bdlora")


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """The settings of a LoRA. `ranks` are all that the config allows; `alphas` maps patterns to place and value."""

    base: str | None
    ranks: frozenset[int]
    alpha: float
    alphas: Mapping[str, tuple[int, float]]
    rank_stabilised: bool
    transposed: bool
    magnitudes: bool

    def scale(self, target: str, rank: int) -> float:
        """What the product of the factors of a tensor is multiplied by: alpha / rank, or alpha / sqrt(rank)."""
        # A key of `alpha_pattern` means the module of that name and those whose path ends in it; the first one counts.
        endings = _endings(target.removesuffix(".weight")) if self.alphas else ()
        _, alpha = min((self.alphas[key] for key in endings if key in self.alphas), default=(0, self.alpha))
        return alpha / (math.sqrt(rank) if self.rank_stabilised else rank)

    @property
    def declared(self) -> tuple[Declared, ...]:
        """The base, if the config names one."""
        return () if self.base is None else (Declared(self.base, "adapter", _SOURCE),)


def read_config(path: Path, held: Mapping[str, Any]) -> AdapterConfig:
    """Check the settings of an adapter at `path`.

    Raises Malformed for values of a wrong type, UnsupportedFormat for an adapter that is not a LoRA or DoRA.
    """
    kind = held.get("peft_type")
    if kind != "LORA":
        what = f"a {quoted(kind)} adapter" if isinstance(kind, str) else "an adapter of a kind that is not named"
        raise UnsupportedFormat(
            path, f"is {what}{_of(held)}: only LoRA and DoRA are read; merge it into its base first"
        )
    unread = next((key for key in _NOT_READ if held.get(key)), None)
    if unread is not None:
        raise UnsupportedFormat(path, f"{CONFIG} sets {unread}, which is not read: merge it into its base first")
    alphas = {
        _module(path, key): (place, _number(path, f"alpha_pattern {key}", value))
        for place, (key, value) in enumerate(_pattern(path, held, "alpha").items())
    }
    ranks = [_rank(path, "r", held.get("r", 8))]
    ranks += [_rank(path, f"rank_pattern {key}", value) for key, value in _pattern(path, held, "rank").items()]
    return AdapterConfig(
        base=base_of(held),
        ranks=frozenset(ranks),
        alpha=_number(path, "lora_alpha", held.get("lora_alpha", 8)),
        alphas=alphas,
        rank_stabilised=_flag(path, held, "use_rslora"),
        transposed=_flag(path, held, "fan_in_fan_out"),
        magnitudes=_flag(path, held, "use_dora"),
    )


def base_of(held: Mapping[str, Any]) -> str | None:
    """The base that a config names, if the name can be shown."""
    base = held.get("base_model_name_or_path")
    shown = isinstance(base, str) and base.strip() and base.isprintable() and len(base) <= _LONGEST_NAME
    return base if isinstance(base, str) and shown else None


def _of(held: Mapping[str, Any]) -> str:
    base = base_of(held)
    return f" of {base}" if base else ""


def _endings(module: str) -> Iterator[str]:
    """The name of a module, and every end of it that begins after a dot; `^name` means the whole name."""
    yield f"^{module}"
    yield module
    while "." in module:
        module = module.partition(".")[2]
        yield module


def _module(path: Path, key: str) -> str:
    name = key.replace("\\.", ".")
    if not _MODULE.fullmatch(name):
        raise UnsupportedFormat(
            path, f"alpha_pattern {quoted(key)} is a regular expression: only names of modules are read"
        )
    return name


def _pattern(path: Path, held: Mapping[str, Any], of: str) -> Mapping[str, Any]:
    found = held.get(f"{of}_pattern") or {}
    if not isinstance(found, dict):
        raise Malformed(path, f"{of}_pattern of {CONFIG} is not an object")
    return found


def _rank(path: Path, name: str, value: Any) -> int:
    if type(value) is not int or not 0 < value <= MAX_RANK:
        raise Malformed(path, f"{name[:120]!r} of {CONFIG} is {value!r:.40}, not a rank from 1 to {MAX_RANK:,}")
    return value


def _number(path: Path, name: str, value: Any) -> float:
    if type(value) not in (int, float) or not abs(value) < 1e9:
        raise Malformed(path, f"{name[:120]!r} of {CONFIG} is {value!r:.40}, not a number below 1e9")
    return float(value)


def _flag(path: Path, held: Mapping[str, Any], name: str) -> bool:
    value = held.get(name)
    if value is not None and type(value) is not bool:
        raise Malformed(path, f"{name!r} of {CONFIG} is {value!r:.40}, neither true nor false")
    return bool(value)
