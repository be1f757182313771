"""Files of a training run or a server that hold one rank's part of a model each: recognised by names and content.

A tensor that a file calls a part says where it lies (`Piece`). Meta's `consolidated.00.pth` do not; there the layers
do, as llama/model.py has them: ColumnParallelLinear is cut by rows, RowParallelLinear by columns, ParallelEmbedding by
columns until Llama 2 and by rows since.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from lineage.checkpoints.decode.pieces import Piece, assembled
from lineage.checkpoints.io.bytes import Folder
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.reader import Contents
from lineage.errors import CheckpointError, UnsupportedFormat
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion

_CONSOLIDATED = re.compile(r"consolidated\.(?P<rank>\d\d)(?=\.)")
_CERTAIN = (
    re.compile(r"world_size_(?P<world>\d+)_rank_(?P<rank>\d+)"),
    re.compile(r"zero_pp_rank_(?P<rank>\d+)(?=_mp_rank_\d+)"),
    re.compile(r"(?<![a-z])(?:mp|tp|pp)_rank_(?P<rank>\d+)(?![0-9])"),
    _CONSOLIDATED,
)
# A "rank16" may also be that of an adapter, so that these count as ranks only where all from the first on are there.
_PERHAPS = re.compile(
    r"(?<![a-z])(?:mp|tp|pp|fsdp|rank|shard|model_part|part)[-_.]?(?P<rank>\d+)(?=[._-]|$)", re.IGNORECASE
)
_BY_ROWS = re.compile(r"(?:^|\.)(?:w[qkv13]|output|[qkv]_proj|gate_proj|up_proj|lm_head)\.(?:weight|bias)$")
_BY_COLUMNS = re.compile(r"(?:^|\.)(?:wo|w2|o_proj|down_proj)\.weight$")
_EMBEDDING = re.compile(r"(?:^|\.)(?:tok_embeddings|embed_tokens)\.weight$")
_LAST_NORM = re.compile(r"(?:model\.)?norm\.weight$")
_FLAT = re.compile(r"(?:^|\.)_?flat_param(?:_\d+)?$")


class Ranked(NamedTuple):
    """What a file name says: the name without the rank, the rank, and how many there are, where it says so."""

    family: str
    rank: int
    world: int | None
    is_certain: bool


def ranked(name: str) -> Ranked | None:
    """Read the rank in a file name, None without one."""
    for pattern in (*_CERTAIN, _PERHAPS):
        match = pattern.search(name)
        if match is not None:
            world = match.groupdict().get("world")
            family = f"{name[: match.start('rank')]}#{name[match.end('rank') :]}"
            return Ranked(family, int(match["rank"]), int(world) if world else None, pattern is not _PERHAPS)
    return None


def rank_set(names: Sequence[str]) -> list[str] | None:
    """The names in the order of ranks, if they are two or more that differ in the rank alone."""
    found = [(one, name) for name in names if (one := ranked(name)) is not None]
    if len(found) < 2 or len(found) < len(names) or len({one.family for one, _ in found}) > 1:
        return None
    certain = all(one.is_certain for one, _ in found)
    return [name for _, name in sorted(found)] if certain or _is_run(one.rank for one, _ in found) else None


def _is_run(ranks: Iterable[int]) -> bool:
    """Whether these are the ranks from 0, or 1, to the last."""
    ordered = sorted(ranks)
    return ordered[0] in (0, 1) and ordered == list(range(ordered[0], ordered[0] + len(ordered)))


def refuse_part(path: Path, folder: Folder) -> None:
    """Refuse a file that is named as one of several ranks, or lies in a folder that is, as Megatron's do.

    A lone rank 0 is left to what the file itself says. Raises UnsupportedFormat.
    """
    own = ranked(path.name)
    if own is None:
        _refuse_folder(path)
        return
    try:
        beside = [one for name in folder.files() if (one := ranked(name)) is not None and name != path.name]
    except CheckpointError:  # a server that lists nothing, or a folder of too many files
        beside = []
    others = [one.rank for one in beside if one.family == own.family]
    is_one = own.rank > 0 or bool(others) or (own.world or 1) > 1 if own.is_certain else _is_run([own.rank, *others])
    if is_one and (own.is_certain or others):
        of = f" of {own.world or len(others) + 1}" if own.world or others else ""
        todo = "name the folder that holds all of them" if others else "put all of them in one folder, and name that"
        raise UnsupportedFormat(
            path, f"is rank {own.rank}{of}, by its name: one part of a model, which says little of the whole; {todo}"
        )


def _refuse_folder(path: Path) -> None:
    """Refuse what lies in the folder of one rank, beside folders of others or as one that is not the first."""
    home = path.absolute().parent
    own = ranked(home.name)
    if own is None or not own.is_certain or not home.is_dir():
        return
    beside = [one for other in home.parent.iterdir() if (one := ranked(other.name)) and other.name != home.name]
    others = [one.rank for one in beside if one.family == own.family]
    if own.rank > 0 or others:
        raise UnsupportedFormat(
            path,
            f"lies in the folder of rank {own.rank} ({home.name}): one part of a model, which says little of the whole;"
            " join them with the program that trained it, and give the whole",
        )


def refuse_flat(path: Path, contents: Contents) -> None:
    """Refuse FSDP's flat parameters: all of a module as one vector, of which each rank has a run. Raises."""
    flat = next((view.name for view in contents.tensors if _FLAT.search(view.name)), None)
    if flat is not None:
        raise UnsupportedFormat(
            path,
            f"holds FSDP's flat parameters ({quoted(flat)}): the weights of a module as one vector, in parts by rank:"
            " save a full state dict, and give that",
        )


def refuse_pieces(path: Path, contents: Contents) -> None:
    """Refuse a file with parts of tensors whose other parts lie elsewhere. Raises UnsupportedFormat."""
    cut = next((piece for piece in contents.pieces if not piece.is_whole), None)
    if cut is not None:
        raise UnsupportedFormat(
            path,
            f"is one rank's part of a model (of {quoted(cut.view.name)}, {cut.shape}, it holds {cut.view.shape}):"
            " put the files of all ranks in one folder, and name that",
        )


def joined_ranks(folder: Path, names: Sequence[str], parts: Sequence[Contents]) -> Contents:
    """One model from the files of all its ranks. Raises UnsupportedFormat if their cut is unknown, Malformed."""
    if not any(part.pieces for part in parts):
        parts = _cut_by_layers(folder, names, parts)
    pieces: dict[str, list[Piece]] = {}
    whole: dict[str, TensorView] = {}
    left_out: dict[tuple[str, Exclusion], None] = {}
    for part in parts:
        for piece in part.pieces:
            pieces.setdefault(piece.view.name, []).append(piece)
        for view in part.tensors:
            if whole.setdefault(view.name, view).shape != view.shape:
                raise _unjoined(folder, names, f"tensor {quoted(view.name)} has another shape in each")
        left_out |= dict.fromkeys(part.left_out)
    if both := whole.keys() & pieces.keys():
        raise _unjoined(folder, names, f"tensor {quoted(min(both))} is a part in one and whole in another")
    made = [assembled(folder, name, _once(found)) for name, found in pieces.items()]
    unread = tuple(entry for part in parts for entry in part.unread)
    kept = tuple(entry for entry in left_out if entry[0] not in pieces)
    return replace(parts[0], tensors=(*made, *whole.values()), left_out=kept, pieces=(), unread=unread)


def _once(pieces: Sequence[Piece]) -> list[Piece]:
    """Each place once: copies of the same part (hybrid sharding) are treated as equal."""
    return list({piece.offsets: piece for piece in reversed(pieces)}.values())


def _cut_by_layers(folder: Path, names: Sequence[str], parts: Sequence[Contents]) -> list[Contents]:
    """The tensors of tensor-parallel files as pieces, cut as the layers of that name are."""
    if not all(_CONSOLIDATED.match(name) for name in names):
        raise _unjoined(folder, names, "nothing in them says how")
    if [one.rank for name in names if (one := ranked(name))] != list(range(len(names))):
        raise _unjoined(folder, names, "some are missing")
    views = [{view.name: view for view in part.tensors} for part in parts]
    if any(held.keys() != views[0].keys() for held in views):
        raise _unjoined(folder, names, "they hold tensors of different names")
    hidden = next((view.shape[0] for name, view in views[0].items() if _LAST_NORM.match(name) and view.shape), None)
    axes = {name: _axis(folder, names, view, hidden) for name, view in views[0].items()}
    return [_cut(part, held, axes, views, rank) for rank, (part, held) in enumerate(zip(parts, views, strict=True))]


def _cut(
    part: Contents, held: Mapping[str, TensorView], axes: Mapping[str, int | None], views: Sequence[Any], rank: int
) -> Contents:
    pieces: list[Piece] = []
    for name, axis in axes.items():
        if axis is not None:
            sides = [other[name].shape[axis] for other in views]
            shape = list(held[name].shape)
            shape[axis] = sum(sides)
            offsets = [0] * len(shape)
            offsets[axis] = sum(sides[:rank])
            pieces.append(Piece(held[name], tuple(offsets), tuple(shape)))
    return replace(part, tensors=tuple(v for n, v in held.items() if axes[n] is None), pieces=tuple(pieces))


def _axis(folder: Path, names: Sequence[str], view: TensorView, hidden: int | None) -> int | None:
    """Which axis the ranks share; None for what each has whole."""
    if len(view.shape) == 2 and _EMBEDDING.search(view.name) and hidden is not None:
        return 0 if view.shape[1] == hidden else 1
    if view.shape and _BY_ROWS.search(view.name):
        return 0
    if len(view.shape) == 2 and _BY_COLUMNS.search(view.name):
        return 1
    if len(view.shape) < 2 or math.prod(view.shape) == 1:
        return None
    raise _unjoined(folder, names, f"nothing says how tensor {quoted(view.name)} is cut")


def _unjoined(folder: Path, names: Sequence[str], why: str) -> UnsupportedFormat:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return UnsupportedFormat(
        folder,
        f"holds one model in {len(names)} parts ({shown}), which are not joined here ({why}): join them with the"
        " program that wrote them, and give the whole",
    )
