"""Whole models that were saved with an unmerged adapter: without it they are the base."""

from __future__ import annotations

import re
from dataclasses import replace

from lineage.checkpoints.adapters.names import PREFIX, factor_of, is_factor
from lineage.checkpoints.decode.non_weights import UNMERGED
from lineage.checkpoints.reader import Contents
from lineage.types.facts.exclusions import AdapterPart

TRAINED = AdapterPart("trained-in-place")

_BASE = ".base_layer."
_ORIGINAL = ".original_module."
_SAVED = re.compile(r"\.modules_to_save\.[^.]+\.")
_NO_BASE = re.compile(r"(?:^|\.)(?:bias|alpha|dora_scale|scaling|rank)$")


def without_adapter(contents: Contents) -> Contents:
    """The weights under the factors, by the names that they have in the base, if each factor has its weight beside it.

    PEFT keeps the weight as `base_layer.weight`, or as `weight` before version 0.6, as torchtune and loralib do; of a
    module that is trained whole the base's own is `original_module`. Anything else is given back as it is.
    """
    factors = {view.name for view in contents.tensors if is_factor(view.name)}
    others = [view.name for view in contents.tensors if view.name not in factors]
    whole = {_module(name) for name in others if not _NO_BASE.search(name)}
    if not factors or not {factor_of(name) for name in factors} <= whole:
        return contents
    gone = dict.fromkeys(factors, UNMERGED)
    held = {_SAVED.sub(".", name.replace(_ORIGINAL, ".")) for name in others if _ORIGINAL in name}
    gone |= {name: TRAINED for name in others if _SAVED.search(name) and _SAVED.sub(".", name) in held}
    prefix = PREFIX if all(name.startswith(PREFIX) for name in others) else ""
    kept = [view for view in contents.tensors if view.name not in gone]
    names = [_plain(view.name.removeprefix(prefix)) for view in kept]
    if len(set(names)) < len(names):
        return contents
    tensors = tuple(replace(view, name=name) for view, name in zip(kept, names, strict=True))
    left_out = tuple((view.name, gone[view.name]) for view in contents.tensors if view.name in gone)
    return replace(contents, tensors=tensors, left_out=(*contents.left_out, *left_out))


def _module(name: str) -> str:
    """The module that owns a tensor, as its factors are called after it."""
    return name.replace(_BASE, ".").rpartition(".")[0]


def _plain(name: str) -> str:
    return _SAVED.sub(".", name.replace(_BASE, ".").replace(_ORIGINAL, "."))
