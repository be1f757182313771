"""Models in several files: an index.json beside them, or numbered names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from lineage.checkpoints.formats.gguf.facts import split_of
from lineage.checkpoints.formats.gguf.header import MAGIC, parse_header
from lineage.checkpoints.io import strict_json
from lineage.checkpoints.io.bytes import Folder, PositionedFile
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.recognising import read_file
from lineage.errors import Malformed, NoWeights, UnsupportedFormat
from lineage.types import TensorView
from lineage.types.facts.exclusions import Exclusion, NotAWeight

MAX_INDEX = 64 << 20  # bytes; about 100 a tensor
NUMBERED = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.\w+)")
NOT_INDEXED = NotAWeight("not-in-shard-index")


def read_index(index: PositionedFile) -> tuple[dict[str, str], list[PositionedFile]]:
    """Read the `weight_map` of an index: shard file of each tensor, and the shards. Raises Malformed."""
    weight_map = strict_json.read_object(index, MAX_INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise Malformed(index.path, "has no weight_map from tensor names to file names")
    if not weight_map:
        raise Malformed(index.path, "has a weight_map that names no tensor: download it again")
    folder, names = index.folder, sorted(set(weight_map.values()))
    for name in names:
        if not folder.holds(name):
            raise _not_there(index, name, names)
    return weight_map, [folder.open(name) for name in names]


def _not_there(index: PositionedFile, name: str, names: Sequence[str]) -> NoWeights:
    """Say that a shard is missing, or that the index is of other shards than those that are there and complete."""
    try:
        beside = index.folder.files()
    except UnsupportedFormat:  # a server may list nothing
        beside = []
    whole = _complete([other for other in beside if NUMBERED.fullmatch(other) and other not in names])
    if whole:
        return NoWeights(
            index.path,
            f"is the index of other shards: it names {quoted(name)}, and {quoted(whole[0])} to {quoted(whole[-1])} are"
            " there and complete: delete it, or get the index that goes with them",
        )
    return _missing(index.path, name)


def _complete(names: Sequence[str]) -> list[str]:
    """The files of the first numbered set that has all its numbers; empty if there is no such set."""
    sets: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name in names:
        match = NUMBERED.fullmatch(name)
        if match is not None:
            sets[match[1], match[3], match[4]].append(name)
    return next((sorted(held) for (_, count, _), held in sorted(sets.items()) if len(held) == int(count)), [])


def read_shards(folder: Path, files: Sequence[PositionedFile], weight_map: Mapping[str, str] | None) -> Contents:
    """Join the tensors of all shards; with an index, each tensor from the shard that it names."""
    tensors: dict[str, TensorView] = {}
    left_out: list[tuple[str, Exclusion]] = []
    unread: list[tuple[Exclusion, int]] = []
    formats: set[str] = set()
    skipped: set[str] = set()
    facts = None
    for file in files:
        contents = read_file(file)
        formats.add(contents.format)
        facts = facts or contents.facts
        skipped.update(name for name, _ in contents.left_out)
        left_out.extend(contents.left_out)
        unread.extend(contents.unread)
        for view in contents.tensors:
            if weight_map is not None and weight_map.get(view.name) != str(file.path.relative_to(folder)):
                left_out.append((view.name, NOT_INDEXED))
            elif view.name in tensors:
                raise Malformed(file.path, f"tensor {quoted(view.name)} is in another shard, too")
            else:
                tensors[view.name] = view
    for name in weight_map or ():
        if name not in tensors and name not in skipped:
            raise Malformed(folder, f"the index names tensor {quoted(name)}, which its shard does not hold")
    joined = tuple(tensors.values())
    return Contents("+".join(sorted(formats)), joined, tuple(left_out), facts, unread=tuple(unread))


def split_beside(file: PositionedFile) -> tuple[PositionedFile, ...]:
    """All files of the split GGUF model that `file` is one of, else that file: GGUF has no index to name instead.

    Raises NoWeights if one is missing.
    """
    match = NUMBERED.fullmatch(file.path.name)
    if match is None or match[4] != ".gguf" or not 0 < int(match[2]) <= int(match[3]):
        return (file,)
    folder = file.folder
    names = [f"{match[1]}-{number:05d}-of-{match[3]}.gguf" for number in range(1, int(match[3]) + 1)]
    for name in names:
        if not folder.holds(name):
            raise _missing(folder.path, name)
    return tuple(folder.open(name) for name in names)


def numbered_set(folder: Path, files: Sequence[str]) -> list[str] | None:
    """Recognise the `name-00001-of-00003.ext` of one model, else None. Raises NoWeights if one is missing."""
    matches = [match for name in files if (match := NUMBERED.fullmatch(name))]
    if not files or len(matches) < len(files) or len({(m[1], m[3], m[4]) for m in matches}) != 1:
        return None
    have = {int(match[2]) for match in matches}
    first = matches[0]
    for number in range(1, int(first[3]) + 1):
        if number not in have:
            raise _missing(folder, f"{first[1]}-{number:05d}-of-{first[3]}{first[4]}")
    return sorted(files)


def split_set(folder: Folder, names: Sequence[str]) -> list[str] | None:
    """The parts of one split GGUF model under other names, by their headers; None if they are not exactly that."""
    parts: dict[int, str] = {}
    for name in names if len(names) > 1 else ():
        file = folder.open(name)
        if file.head(len(MAGIC)) != MAGIC:
            return None
        split = split_of(parse_header(file).metadata)
        if split is None or split.count != len(names):
            return None
        parts[split.number] = name
    return [parts[number] for number in sorted(parts)] if len(parts) == len(names) > 1 else None


def refuse_split(path: Path, contents: Contents) -> None:
    """Refuse one part of a split model. Raises UnsupportedFormat."""
    split = contents.split
    if split is not None:
        raise UnsupportedFormat(
            path,
            f"is part {split.number + 1} of {split.count} of a split model, by its header: put all parts in one folder,"
            " and name that",
        )


def _missing(folder: Path, name: str) -> NoWeights:
    return NoWeights(folder, f"shard {quoted(name)} is missing: download it, too")
