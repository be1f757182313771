"""Models in several files: an index.json beside them, or numbered names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lineage.checkpoints import strict_json
from lineage.checkpoints.bytes import PositionedFile
from lineage.checkpoints.formats import read_file
from lineage.checkpoints.reader import Contents
from lineage.checkpoints.wording import quoted
from lineage.errors import Malformed, NoWeights
from lineage.types import Meter, TensorView

MAX_INDEX = 64 << 20  # bytes; about 100 a tensor
NUMBERED = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.\w+)")
NOT_INDEXED = "not named by the index of the shards"


def inside(folder: Path, name: str) -> Path:
    """Find a file that an index or listing names, which must lie in the folder.

    The download cache of the Hugging Face hub keeps files in `blobs` beside `snapshots` and links to them; links
    to there are followed too. Raises Malformed for any other way out of the folder.
    """
    place = folder / name
    try:
        real, home = place.resolve(), folder.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise Malformed(place, "is a loop of symbolic links or no path") from error
    homes = [home, home.parent.parent / "blobs"] if home.parent.name == "snapshots" else [home]
    if ".." in Path(name).parts or Path(name).is_absolute() or not any(real.is_relative_to(h) for h in homes):
        raise Malformed(folder, f"{quoted(name)} lies outside the folder: refused")
    return place


def read_index(index: Path, meter: Meter) -> tuple[dict[str, str], list[Path]]:
    """Read the `weight_map` of an index: shard file of each tensor, and the shards. Raises Malformed."""
    weight_map = strict_json.read_object(PositionedFile(index, meter), MAX_INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise Malformed(index, "has no weight_map from tensor names to file names")
    names = sorted(set(weight_map.values()))
    shards = [inside(index.parent, name) for name in names]
    for name, shard in zip(names, shards, strict=True):
        if not shard.exists():
            raise NoWeights(index, f"shard {quoted(name)} is missing: download it, too")
    return weight_map, shards


def read_shards(folder: Path, files: Sequence[PositionedFile], weight_map: Mapping[str, str] | None) -> Contents:
    """Join the tensors of all shards; with an index, each tensor from the shard that it names."""
    tensors: dict[str, TensorView] = {}
    left_out: list[tuple[str, str]] = []
    formats: set[str] = set()
    skipped: set[str] = set()
    for file in files:
        contents = read_file(file)
        formats.add(contents.format)
        skipped.update(name for name, _ in contents.left_out)
        left_out.extend(contents.left_out)
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
    return Contents("+".join(sorted(formats)), tuple(tensors.values()), tuple(left_out))


def numbered_set(files: Sequence[Path]) -> list[Path] | None:
    """Recognise the `name-00001-of-00003.ext` of one model, else None. Raises NoWeights if one is missing."""
    matches = [NUMBERED.fullmatch(file.name) for file in files]
    if not files or not all(matches) or len({(m[1], m[3], m[4]) for m in matches if m}) != 1:
        return None
    have = {int(match[2]) for match in matches if match}
    first = matches[0]
    missing = [n for n in range(1, int(first[3]) + 1) if n not in have] if first else []
    if first and missing:
        name = f"{first[1]}-{missing[0]:05d}-of-{first[3]}{first[4]}"
        raise NoWeights(files[0].parent, f"shard {quoted(name)} is missing: download it, too")
    return sorted(files)
