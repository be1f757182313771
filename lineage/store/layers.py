"""Read-only indexes of others, kept beside one's own and searched with it.

A layer is a folder `layers/NAME-DIGEST` in that of the index, as `lineage.store.manifest` describes it, and a file
`layers/NAME.json` that points at it. An update writes another folder and replaces the file: a search sees the old
layer or the new one. The previous folder is kept for processes that still read it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from lineage.atomic_write import write_whole
from lineage.errors import Malformed, StoreError, Unknown
from lineage.sketch import read_sketch
from lineage.store.files import CATALOGUE, LAYERS, SKETCHES
from lineage.store.folder import SketchFolder
from lineage.store.manifest import MANIFEST, File, Manifest, kept, read_manifest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]{0,63}")

Fetch = Callable[[Sequence[File], Path], None]
"""Puts files of the index that is pulled into a folder."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One index of others: its name here, its source, its folder, and the time of the pull (ISO 8601 in UTC).

    `key` is the public key (PEM) by which its manifest has to be signed, None if by none.
    """

    name: str
    address: str
    folder: str
    index_id: str
    models: int
    pulled: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Pulled:
    """A layer after a pull, and how much of it was fetched."""

    layer: Layer
    fetched: int
    fetched_bytes: int
    files: int


def layers(index: Path) -> list[Layer]:
    """The layers of the index in that folder, by name. Raises Malformed for a damaged pointer."""
    return [_layer(path) for path in sorted((index / LAYERS).glob("*.json"))]


def layer_index(index: Path, layer: Layer) -> SketchFolder:
    """The layer as an index."""
    folder = index / LAYERS / layer.folder
    return SketchFolder(folder, folder / "cache", layer.name)


def require_layer_name(name: str) -> str:
    """`name` if a layer can be called that. Raises StoreError."""
    if not _NAME.fullmatch(name):
        raise StoreError(f"{name[:80]!r} is not a name of a layer: letters, digits, _ and . are")
    return name


def put_layer(index: Path, name: str, address: str, content: bytes, fetch: Fetch, *, key: str | None) -> Pulled:
    """Make or update a layer from the manifest `content`; `fetch` puts files into a folder, `key` is kept with it.

    What is there already, of this layer or of a pull that was cut off, is not fetched again. Raises Malformed for a
    file that is not what the manifest says, or is not a sketch; the layer is then as before.
    """
    home = index / LAYERS
    home.mkdir(exist_ok=True)
    manifest = read_manifest(content, f"{address}/{MANIFEST}")
    folder = home / f"{name}-{sha256(content).hexdigest()[:16]}"
    before = next((one for one in layers(index) if one.name == name), None)
    for part in (SKETCHES, CATALOGUE):
        (folder / part).mkdir(parents=True, exist_ok=True)
    lacking = _lacking(manifest, folder, None if before is None else home / before.folder)
    fetch(lacking, folder)
    for file in manifest.files:
        _require_sound(folder, file, address)
    write_whole(folder / MANIFEST, content)
    pulled = datetime.now(UTC).isoformat(timespec="seconds")
    layer = Layer(name, address, folder.name, manifest.index_id, manifest.models, pulled, key)
    write_whole(home / f"{name}.json", json.dumps(asdict(layer)).encode())
    _forget(home, name, {folder.name, folder.name if before is None else before.folder})
    return Pulled(layer, len(lacking), sum(file.size for file in lacking), len(manifest.files))


def remove_layer(index: Path, name: str) -> None:
    """Remove a layer. Raises Unknown."""
    pointer = index / LAYERS / f"{name}.json"
    if not _NAME.fullmatch(name) or not pointer.is_file():
        raise Unknown(f"{index}: has no layer {name!r}: `lineage layers` lists them")
    pointer.unlink()
    _forget(index / LAYERS, name, set())


def require_sound_sketch(path: Path) -> None:
    """Raise Malformed or SketchMismatch for a file that is not the sketch named by its file name."""
    if read_sketch(path).id != path.name.partition(".")[0]:
        raise Malformed(path, "is the sketch of another model than its name says: refused")


def _lacking(manifest: Manifest, folder: Path, before: Path | None) -> list[File]:
    lacking = []
    for file in manifest.files:
        if kept(folder, file):
            continue
        if before is not None and before != folder and kept(before, file):
            shutil.copyfile(before / file.path, folder / file.path)
        else:
            lacking.append(file)
    return lacking


def _require_sound(folder: Path, file: File, address: str) -> None:
    place = folder / file.path
    if not kept(folder, file):
        place.unlink(missing_ok=True)
        raise Malformed(f"{address}/{file.path}", "is not what the manifest says: it was changed or damaged: refused")
    if place.suffix == ".sketch":
        require_sound_sketch(place)


def _layer(path: Path) -> Layer:
    try:
        layer = Layer(**json.loads(path.read_bytes()))
        if not _NAME.fullmatch(layer.name) or not re.fullmatch(
            rf"{re.escape(layer.name)}-[0-9a-f]{{16}}", layer.folder
        ):
            raise ValueError("names another folder")
    except (ValueError, TypeError) as error:
        raise Malformed(path, f"is not a layer ({error}): delete it and pull again") from error
    return layer


def _forget(home: Path, name: str, kept_folders: set[str]) -> None:
    for folder in home.glob(f"{name}-*"):
        if folder.name not in kept_folders and re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{16}}", folder.name):
            shutil.rmtree(folder, ignore_errors=True)
