"""Folders that tools keep downloads in: the cache of the Hugging Face hub, and ollama's models.

The hub's cache (huggingface_hub, file_download.py): `models--org--name` with `refs/main`, which names a commit,
`snapshots/COMMIT`, which links to `blobs`, and blobs ending in .incomplete while they are downloaded. Ollama:
manifests/REGISTRY/OWNER/NAME/TAG are JSON whose layers are files blobs/sha256-DIGEST (server/manifest.go, layer.go).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from lineage.checkpoints.io import strict_json
from lineage.checkpoints.io.bytes import PositionedFile
from lineage.checkpoints.io.quoting import quoted
from lineage.errors import Malformed, NoWeights, SeveralModels, UnsupportedFormat
from lineage.types import Meter

PREFIX = "models--"
UNFINISHED = ".incomplete"
MAX_MANIFEST = 1 << 20  # bytes
_COMMIT = re.compile(r"[\w.\-]{1,128}")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_LAYER = "application/vnd.ollama.image."


class OllamaModel(NamedTuple):
    """The file with the weights, and what the manifest calls the model."""

    blob: Path
    name: str


def snapshot_of(place: Path) -> Path:
    """The snapshot that a model of the hub's cache has as its main one, or its only one; any other folder itself.

    A cache of one model is that model. Raises NoWeights without any, UnsupportedFormat for several.
    """
    kept = sorted(entry for entry in place.iterdir() if entry.name.startswith(PREFIX) and entry.is_dir())
    if len(kept) > 1:
        raise SeveralModels(place, [entry.name for entry in kept])
    if kept:
        return snapshot_of(kept[0])
    if not place.name.startswith(PREFIX) or not (place / "snapshots").is_dir():
        return place
    main = place / "refs" / "main"
    commit = PositionedFile(main, Meter()).head(256).decode("ascii", "replace").strip() if main.is_file() else ""
    if _COMMIT.fullmatch(commit) and (place / "snapshots" / commit).is_dir():
        return place / "snapshots" / commit
    held = sorted(entry for entry in (place / "snapshots").iterdir() if entry.is_dir())
    if len(held) == 1:
        return held[0]
    if not held:
        raise NoWeights(place, f"holds no snapshot: {_unfinished(place) or 'download it again'}")
    names = ", ".join(entry.name for entry in held[:4])
    raise UnsupportedFormat(place, f"holds several snapshots ({names}): name one of them")


def with_reason(place: Path, error: NoWeights) -> NoWeights:
    """The error for a model of the hub's cache of which some files are still missing, else the error itself."""
    home = next((above for above in place.absolute().parents if above.name.startswith(PREFIX)), None)
    reason = _unfinished(home) if home is not None else None
    return error if reason is None else NoWeights(place, f"{error.problem}; {reason}")


def _unfinished(home: Path) -> str | None:
    blobs = home / "blobs"
    count = sum(entry.name.endswith(UNFINISHED) for entry in blobs.iterdir()) if blobs.is_dir() else 0
    return f"its download is unfinished ({count} of its blobs end in {UNFINISHED}): run it again" if count else None


def ollama_model(place: Path) -> OllamaModel | None:
    """What a manifest of ollama stands for, None for any other file. Raises CheckpointError."""
    parts = place.absolute().parts
    at = next((i for i in range(len(parts) - 4, 0, -1) if parts[i] == "manifests"), None)
    if at is None:
        return None
    file = PositionedFile(place, Meter())
    if file.size > MAX_MANIFEST or file.head(1) != b"{":
        return None
    layers = strict_json.read_object(file, MAX_MANIFEST).get("layers")
    if not isinstance(layers, list):
        return None
    digests = {kind: _digests(place, layers, kind) for kind in ("model", "adapter")}
    if digests["adapter"]:
        raise UnsupportedFormat(
            place, f"puts an adapter (sha256-{digests['adapter'][0]}) onto a model: ask about each blob"
        )
    if len(digests["model"]) != 1:
        raise UnsupportedFormat(place, f"lists {len(digests['model'])} models of ollama: name one of its blobs")
    blob = Path(*parts[:at], "blobs", f"sha256-{digests['model'][0]}")
    if not blob.is_file():
        raise NoWeights(place, f"its weights {quoted(blob.name)} are not among the blobs: pull it again")
    return OllamaModel(blob, f"{parts[-2]}:{parts[-1]}")


def _digests(place: Path, layers: list[Any], kind: str) -> list[str]:
    found: list[str] = []
    for layer in layers:
        if isinstance(layer, dict) and layer.get("mediaType") == _LAYER + kind:
            match = _DIGEST.fullmatch(str(layer.get("digest")))
            if match is None:
                raise Malformed(place, "a layer has no sha256 digest")
            found.append(match[1])
    return found
