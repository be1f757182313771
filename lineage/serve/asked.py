"""The checkpoint that a request names: an upload, a model, a path that the operator allows, an address on the hub.

A tokenizer without weights is an upload of its own kind, or lies at a path or an address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lineage.serve.refusals import Refusal
from lineage.serve.settings import Settings
from lineage.serve.uploads import UPLOADS, uploaded, uploaded_tokenizer

PREPARE = "prepare"
"""The kind of what a process does ahead, while no question waits."""

Asked = dict[str, Any]
"""A question as JSON: what was asked, and for each checkpoint where it lies (`file`) and what to call it (`shown`).

With `seen` the file is a sketch that this service made of the weights.
"""


def located(asked: Asked, settings: Settings) -> Asked:
    """`asked` with the file of every checkpoint that is one, as the process that answers needs it.

    Raises Refusal for an upload that is not there, a path that leaves the allowed folders, a hub that is not asked.
    """
    return {key: _located(value, settings) for key, value in asked.items()}


def _located(value: Any, settings: Settings) -> Any:
    if isinstance(value, list):
        return [_located(one, settings) for one in value]
    if not isinstance(value, dict):
        return value
    ((kind, text),) = value.items()
    if kind in ("upload", "tokenizer"):
        place = (uploaded if kind == "upload" else uploaded_tokenizer)(settings.state, text)
        if place is None:
            raise Refusal(404, "unknown-upload", f"no upload {text}: it may have been kept long enough; send it again")
        return {**value, "file": str(place), "shown": f"{UPLOADS}/{text[:12]}{place.suffix}"}
    if kind == "path":
        return {**value, "file": str(below(settings.folders, text)), "shown": text}
    if kind == "address" and not settings.hub:
        raise Refusal(403, "no-hub", "this service does not read from the hub: send a sketch of the model instead")
    return value


def called(checkpoint: Asked) -> str:
    """A checkpoint by the name used in the question."""
    return str(checkpoint["shown"] if "shown" in checkpoint else next(iter(checkpoint.values())))


def reads_weights(checkpoint: Asked) -> bool:
    """Whether a checkpoint is one whose weights are read here, which may take minutes."""
    return "path" in checkpoint or "address" in checkpoint


def as_asked(text: str, asked: Asked, hidden: Mapping[str, str] | None = None) -> str:
    """`text` with each path of this machine under its name in the question; `hidden` are more paths and their names."""
    places = {**(hidden or {}), **_files(asked)}
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, places[place])
    return text


def _files(asked: Any) -> dict[str, str]:
    if isinstance(asked, list):
        return {file: shown for one in asked for file, shown in _files(one).items()}
    if not isinstance(asked, dict):
        return {}
    if "file" in asked:
        return {asked["file"]: asked["shown"]}
    return {file: shown for one in asked.values() for file, shown in _files(one).items()}


def below(folders: Sequence[Path], text: str) -> Path:
    """The existing file or folder that `text` names below one of `folders`, links followed. Raises Refusal."""
    if not folders:
        raise Refusal(403, "no-folder", "this service reads no folder: send a sketch of the model instead")
    if not text.isprintable():
        raise Refusal(404, "unknown-path", "no such file or folder below those that this service reads")
    for folder in folders:
        root = folder.resolve()
        try:
            place = (root / text).resolve()
            if place.is_relative_to(root) and place.exists():
                return place
        except OSError:
            continue
    raise Refusal(404, "unknown-path", f"{text[:200]!r} is not a file or folder below those that this service reads")
