"""Folders that hold several models which work as one: what lists them, and where each is.

- A pipeline of diffusers: `model_index.json` gives each sub-model's folder with the class that loads it.
- sentence-transformers: `modules.json` gives the modules in their order; the first is the transformer, in a folder of
  its own or beside the list, and Dense layers have weights of their own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lineage.checkpoints.folders.folder import Weights, weights_in
from lineage.checkpoints.io import strict_json
from lineage.checkpoints.io.bytes import DiskFolder, Folder
from lineage.checkpoints.io.path_safety import inside
from lineage.checkpoints.io.quoting import quoted
from lineage.errors import Malformed

PIPELINE = "model_index.json"
MODULES = "modules.json"
MAX_LIST = 1 << 20  # bytes
MAX_MODELS = 64


class Member(NamedTuple):
    """One model of several: what its tensors are called before their own names, and its weights."""

    prefix: str
    weights: Weights


class Assembly(NamedTuple):
    """The models of a folder, and whether they are parts of a pipeline, each with a config of its own."""

    members: tuple[Member, ...]
    is_pipeline: bool


def find_assembly(folder: Folder) -> Assembly | None:
    """The models that the folder lists as one; None where it lists none or only one. Raises Malformed."""
    if folder.holds(PIPELINE):
        listed = strict_json.read_object(folder.open(PIPELINE), MAX_LIST)
        names = [name for name, loader in listed.items() if _is_loader(loader)]
        return Assembly(_members(folder, [(f"{name}.", name) for name in names]), is_pipeline=True)
    if not folder.holds(MODULES):
        return None
    modules = strict_json.read_json(folder.open(MODULES), MAX_LIST)
    if not isinstance(modules, list) or not all(isinstance(one, dict) for one in modules):
        raise Malformed(folder.open(MODULES).path, "is not a list of modules")
    paths = [one.get("path") for one in modules]
    named = [("" if number == 0 else f"{path}.", path) for number, path in enumerate(paths) if isinstance(path, str)]
    members = _members(folder, named)
    return Assembly(members, is_pipeline=False) if len(members) > 1 else None


def _is_loader(value: Any) -> bool:
    """Whether an entry names a library and a class: others are settings, or a sub-model that is not there."""
    return isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value)


def _members(folder: Folder, named: list[tuple[str, str]]) -> tuple[Member, ...]:
    if len(named) > MAX_MODELS:
        raise Malformed(folder.path, f"lists {len(named):,} models, more than {MAX_MODELS}")
    below = {child.path.name: child for child in folder.folders()}
    members: list[Member] = []
    for prefix, name in named:
        if ".." in name or "/" in name:
            raise Malformed(folder.path, f"lists {quoted(name)}, which is not a folder in it")
        home = (below.get(name) or _linked(folder, name)) if name else folder
        weights = weights_in(home) if home is not None else None
        if weights is not None:
            members.append(Member(prefix, weights))
    return tuple(members)


def _linked(folder: Folder, name: str) -> Folder | None:
    """A sub-model that is a link to another folder in this one. Raises Malformed for one that leads out of it."""
    if not isinstance(folder, DiskFolder) or not (folder.path / name).is_symlink():
        return None
    home = inside(folder.path, name)
    return DiskFolder(home, folder.meter) if home.is_dir() else None
