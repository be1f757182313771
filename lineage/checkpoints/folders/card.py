"""What model cards and configs say: licence, declared parents, the name of the model. Claims, never evidence."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineage.types import Declared

MAX_CARD = 64 << 10  # bytes of README.md that are looked at
MAX_PARENTS = 64
_LONGEST_LICENCE = 200  # characters

_KEY = re.compile(r"([A-Za-z_][\w-]*)\s*:(?:\s+(.*))?$")
_ITEM = re.compile(r"\s*-\s+(.*)$")
_SYNTAX = frozenset("[]{}*&|>!%@`")  # with which no plain text begins in YAML: lists over lines, blocks, aliases, tags
_IDENTIFIER = re.compile(r"[\w.\-]+(/[\w.\-]+)?")
_FILE_ENDING = re.compile(
    r"(\.(safetensors|gguf|onnx|tflite|keras|h5|hdf5|jit|bin|pb|pt|pt2|pth|ckpt|npz|npy|tar|tgz|gz|xz|bz2|zip|index|json"
    r"|msgpack|eqx|xml|nemo|mar|llamafile|mlmodel|mlpackage|pdiparams|pdparams|param|nnf|joblib|lz4|pkl|pickle))+$",
    re.IGNORECASE,
)
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_SAYS_NOTHING = frozenset(
    {
        "model", "models", "weights", "model_weights", "pytorch_model", "checkpoint", "checkpoints", "ckpt", "ckpts",
        "pretrained", "assets", "data", "output", "final", "best", "latest", "main", "snapshots", "params", "src",
        "diffusion_pytorch_model", "state_dict", "saved_model", "variables", "tf_model", "package",
        "flax_model", "inference", "networks", "openvino_model", "com.apple.coreml", "__params__",
        "sentencetransformer", "crossencoder", "sparseencoder", "readme", "adapter_model", ".metadata",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """A model card: simple fields of its front matter, and its first heading."""

    fields: Mapping[str, tuple[str, ...]]
    heading: str | None = None

    def first(self, key: str) -> str | None:
        """The first value of a field, or None."""
        return next(iter(self.fields.get(key, ())), None)


def card_text(raw: bytes) -> str:
    """The text of a card: UTF-8, or what its byte order mark says."""
    utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return raw.decode("utf-16" if utf16 else "utf-8-sig", "replace")


def parse_card(text: str) -> Card:
    """Read `key: value`, `key: [a, b]` and `key:` with `- item` lines from the front matter; the rest is ignored.

    This is not YAML: nothing nested, no anchors, no types, so that a hostile card has little to exploit, and a slip in
    one field, for which a YAML library refuses the whole card, costs no other. A value in other syntax counts as empty.
    Cards of `MAX_CARD` bytes that are made to hang take 8 ms here. PyYAML takes 0.9 s, 31 ms with its part in C, and
    21 ms to be loaded; ruamel.yaml had not ended after 30 s of one of 300 bytes that merges keys.
    """
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---":
        return Card({}, _heading(lines))
    fields: dict[str, tuple[str, ...]] = {}
    key = None
    for number, line in enumerate(lines[1:], 1):
        if line.strip() == "---":
            return Card(fields, _heading(lines[number + 1 :]))
        if match := _KEY.match(line):
            key = match[1]
            fields[key] = _values(match[2] or "")
        elif key is not None and (match := _ITEM.match(line)) and len(fields[key]) < MAX_PARENTS:
            fields[key] += tuple(value for value in (_scalar(match[1]),) if value and ": " not in value)
    return Card({}, None)


def stated_licence(card: Card) -> str | None:
    """The licence that a card states: `license`, or where that says "other" the `license_name` beside it.

    If there are several, all are named: the list does not say which applies to what.
    """
    licences = [licence for licence in card.fields.get("license", ()) if licence not in ("other", "unknown")]
    if not licences:
        return card.first("license_name") or card.first("license")
    return ", ".join(dict.fromkeys(licences))[:_LONGEST_LICENCE]


def declared_parents(card: Card, config: Mapping[str, Any], name: str) -> tuple[Declared, ...]:
    """List the parents that card and config name; a config often names its own model, which is skipped."""
    relation = card.first("base_model_relation")
    found = [Declared(parent, relation, "README.md base_model") for parent in card.fields.get("base_model", ())]
    origin = config.get("_name_or_path")
    if isinstance(origin, str) and (origin := _scalar(origin)) and _last(origin) != _last(name):
        found.append(Declared(origin, None, "config.json _name_or_path"))
    return tuple(found)


def says_nothing(file: str) -> bool:
    """Whether a file has a generic name of weights: `model.safetensors`."""
    return _SHARD.sub("", _FILE_ENDING.sub("", file)).lower() in _SAYS_NOTHING


def human_name(path: Path, card: Card) -> str:
    """Name a model after its file or folder, or, if that name is generic, after its card or a folder above."""
    stem = (
        _SHARD.sub("", _FILE_ENDING.sub("", path.name)) if not path.is_dir() else path.name.removesuffix(".mlpackage")
    )
    if path.parent.name == "snapshots" and path.parent.parent.name.startswith("models--"):
        return path.parent.parent.name.removeprefix("models--").replace("--", "/")
    if stem and stem.lower() not in _SAYS_NOTHING:
        return stem
    if card.heading is not None:
        return card.heading
    for parent in path.parents:
        if parent.parent.name == "snapshots":
            return human_name(parent, card)
        if parent.name and parent.name.lower() not in _SAYS_NOTHING:
            return parent.name
    return stem


def _heading(lines: list[str]) -> str | None:
    """The first heading, if it looks like the name of a model and not like a sentence."""
    heading = next((line[2:].strip() for line in lines if line.startswith("# ")), "")
    looks_like_one = len(heading) <= 96 and _IDENTIFIER.fullmatch(heading) and heading.lower() not in _SAYS_NOTHING
    return heading if looks_like_one else None


def _values(text: str) -> tuple[str, ...]:
    text = text.strip()
    parts = text[1:-1].split(",") if text.startswith("[") and text.endswith("]") else [text]
    return tuple(value for part in parts[:MAX_PARENTS] if (value := _scalar(part)))


def _scalar(text: str) -> str:
    """One value without quotes, comment and control characters, at most 200 characters."""
    text = text.strip()
    if text[:1] in {"'", '"'} and text[:1] == text[-1:] and len(text) > 1:
        text = text[1:-1]
    else:
        text = "" if text[:1] in _SYNTAX else re.sub(r"(?<=\s)#.*$", "", text)
    text = "".join(character for character in text if character.isprintable())[:200].strip()
    return "" if text in {"null", "~"} else text


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2].lower()
