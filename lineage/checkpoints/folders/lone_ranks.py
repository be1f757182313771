"""A single file named as one rank of a run: whether it holds the whole model or only its rank's part.

The first rank of data-parallel training saves the whole model, one of tensor- or pipeline-parallel training some rows
or some layers. The names are the same; what is missing shows it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lineage.checkpoints.adapters import is_adapter
from lineage.checkpoints.configuration import parts_of
from lineage.checkpoints.folders.ranks import ranked
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.reader import Contents
from lineage.errors import UnsupportedFormat

Shapes = Mapping[str, tuple[int, ...]]

_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?|blk)\.(\d+)\.")
_QUERY = re.compile(r"(?:\.|^)(?:wq|q_proj|query|q|to_q|q_lin|attn_q)\.weight$")
_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
_NORM = re.compile(r"(?:norm|ln)[\w.]*\.weight$", re.IGNORECASE)
_TABLE = re.compile(r"(?:embed_tokens|tok_embeddings|word_embeddings|wte|token_embd)\.weight$")
_OUT = re.compile(r"att(?:n|ention)[\w.]*\.(?:o_proj|wo|out_proj|dense|c_proj|proj)\.weight$")
_GATE = re.compile(r"(?:gate_proj|up_proj|w1|w3)\.weight$")


def refuse_lone(path: Path, contents: Contents, config: Callable[[], Mapping[str, Any]]) -> None:
    """Refuse a lone file that is named as a rank and lacks layers, rows or ends of its model, and say what it lacks.

    `config` gives the config.json beside it, or nothing. Raises UnsupportedFormat.
    """
    own = ranked(path.name)
    if own is None or is_adapter(view.name for view in contents.tensors):
        return
    shapes = {view.name: view.shape for view in contents.tensors}
    lacking = next(_lacking(shapes, _settings(config())), None)
    if lacking is not None:
        raise UnsupportedFormat(
            path,
            f"is rank {own.rank}, by its name, and {lacking}: one part of a model, which says little of the whole; put"
            " the files of all ranks in one folder, and name that",
        )


def _settings(config: Mapping[str, Any]) -> Mapping[str, int]:
    """The numbers that the config gives the text part, or the only one."""
    parts = parts_of(config)
    chosen = next((part for part in parts if part.part == "text"), parts[0] if parts else None)
    held = {} if chosen is None else dict(chosen.settings)
    return {name: value for name, value in held.items() if type(value) is int}


def _lacking(shapes: Shapes, settings: Mapping[str, int]) -> Iterator[str]:
    numbers = {int(found[1]) for name in shapes if (found := _LAYER.search(name))}
    if not numbers or not any(_ATTENTION.search(name) for name in shapes):
        return  # in networks of other kinds names do not show what is missing
    yield from _layers(numbers, settings.get("num_hidden_layers", 0))
    yield from _rows(shapes, settings)
    yield from _ends([shape for name, shape in shapes.items() if not _LAYER.search(name)])


def _layers(numbers: set[int], count: int) -> Iterator[str]:
    missing = sorted(set(range(max(count, max(numbers) + 1))) - numbers)
    if missing:
        of = f" of {count}" if count else ""
        shown = f"layer {missing[0]}" if len(missing) == 1 else f"{len(missing)} layers{of}, the first {missing[0]},"
        yield f"lacks {shown}"


def _rows(shapes: Shapes, settings: Mapping[str, int]) -> Iterator[str]:
    """Matrices with fewer rows (those that project back: columns) than the model is wide, or than the config says."""
    gains = Counter(shape[0] for name, shape in shapes.items() if len(shape) == 1 and _NORM.search(name))
    width = settings.get("hidden_size") or (gains.most_common(1)[0][0] if gains else 0)
    queries = settings.get("num_attention_heads", 0) * settings.get("head_dim", 0) or width
    gate, table = settings.get("intermediate_size", 0), settings.get("vocab_size", 0)
    for pattern, whole in ((_QUERY, queries), (_OUT, queries), (_GATE, gate), (_TABLE, table)):
        found = next(((n, s) for n, s in shapes.items() if len(s) == 2 and pattern.search(n)), None)
        if found is not None:
            name, held = found[0], min(found[1]) if pattern is _OUT else found[1][0]
            if 0 < held < whole and whole % held == 0:
                yield f"holds {held:,} of {whole:,} {'columns' if pattern is _OUT else 'rows'} of {quoted(name)}"


def _ends(outside: Sequence[tuple[int, ...]]) -> Iterator[str]:
    """What every stack of attention layers has before and behind it."""
    if not any(len(shape) > 1 for shape in outside):
        yield "lacks what comes before its layers (embeddings)"
    if not any(len(shape) == 1 for shape in outside):
        yield "lacks what comes behind its layers (the last norm)"
