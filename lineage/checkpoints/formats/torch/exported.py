"""Programs of torch.export (.pt2): a zip with one member a storage and a list of the weights in JSON.

Before torch 2.8 the weights are a torch checkpoint in the zip. The program itself is not examined. Sources:
torch/export/pt2_archive/constants.py and _package.py, `save` of torch/export/__init__.py (2.1 to 2.7), and `ScalarType`
and `Layout` of torch/_export/serde/schema.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lineage.checkpoints.formats.torch.state import name_tensors, viewed
from lineage.checkpoints.formats.torch.tensors import Leaf, Located, Storage, Tensor, Unread, is_size, tensor_view
from lineage.checkpoints.formats.torch.zip import read_torch_zip, root_of
from lineage.checkpoints.io import strict_json
from lineage.checkpoints.io.archive import Archive
from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.reader import Contents
from lineage.errors import Malformed, NoWeights, Truncated, UnsupportedFormat
from lineage.types import TensorView
from lineage.types.facts.exclusions import NotAWeight, NotRead

FORMAT = "torch.export"
STATE, PROGRAM = "serialized_state_dict.pt", "serialized_exported_program.json"  # before torch 2.8
MARK = "archive_format"
MAX_LIST = 64 << 20  # bytes of JSON
_LISTS = {
    "weights": re.compile(r"data/weights/([^/]*)_weights_config\.json"),
    "constants": re.compile(r"data/constants/([^/]*)_constants_config\.json"),
}
_KINDS = {
    1: "torch.uint8", 2: "torch.int8", 3: "torch.int16", 4: "torch.int32", 5: "torch.int64", 6: "torch.float16",
    7: "torch.float32", 8: "torch.float64", 10: "torch.complex64", 11: "torch.complex128", 12: "torch.bool",
    13: "torch.bfloat16", 28: "torch.uint16", 29: "torch.float8_e4m3fn", 30: "torch.float8_e5m2",
    31: "torch.float8_e4m3fnuz", 32: "torch.float8_e5m2fnuz", 33: "torch.float8_e8m0fnu", 34: "torch.uint32",
    35: "torch.uint64",
}  # fmt: skip
_STRIDED = 7
CONSTANT = NotAWeight("numbers-of-graph")
SPARSE = NotRead("sparse-layout")


def is_exported(archive: Archive) -> bool:
    """Whether the members are those of torch.export, of either layout."""
    return STATE in archive or PROGRAM in archive or _root(archive) is not None


def read_exported(archive: Archive) -> Contents:
    """List the parameters and buffers; constants of the program, absent from a state dict, are left out and named.

    A program without parameters has its weights among the constants. Raises CheckpointError.
    """
    root = _root(archive)
    if root is None:
        return _former(archive)
    weights = _listed(archive, root, "weights")
    if weights.tensors or weights.unread:
        constants = (name for name, _ in _entries(archive, root, "constants"))
        return replace(weights, left_out=(*weights.left_out, *((name, CONSTANT) for name in constants)))
    constants_ = _listed(archive, root, "constants")
    if not constants_.tensors:
        raise NoWeights(archive.file.path, "is a program of torch.export without weights: give what it was made from")
    return constants_


def _root(archive: Archive) -> str | None:
    """The folder of a PT2 archive ("net/", or none), None if this is not one."""
    for name in archive.names:
        root, slash, last = name.rpartition("/")
        if last == MARK and "/" not in root and archive.read(name, 64).strip() == b"pt2":
            return root + slash
    return None


def _former(archive: Archive) -> Contents:
    if STATE not in archive:
        raise UnsupportedFormat(
            archive.file.path, f"is a program of torch.export without {STATE}: save it with torch 2.1 or later"
        )
    held = Archive(archive.source(STATE))
    root = root_of(held)
    if root is None:
        raise Malformed(archive.file.path, f"member {STATE} is not a PyTorch file")
    return replace(read_torch_zip(held, root), format=FORMAT)


def _listed(archive: Archive, root: str, kind: str) -> Contents:
    """The tensors of the lists of one kind."""
    path = archive.file.path
    leaves: dict[str, Leaf] = {}
    pickled: list[TensorView] = []
    for name, entry in _entries(archive, root, kind):
        member = f"{root}data/{kind}/{entry.get('path_name')}"
        if member not in archive:
            raise Truncated(
                path, f"member {quoted(member)} with the values of {quoted(name)} is missing: download it again"
            )
        if entry.get("use_pickle"):
            pickled += _pickled(archive, member, name)
        else:
            leaves[name] = _tensor(path, name, member, entry.get("tensor_meta"))
    big_endian = f"{root}byteorder" in archive and archive.read(f"{root}byteorder", 16).strip() == b"big"

    def view(name: str, tensor: Tensor) -> TensorView | Unread:
        source = archive.source(tensor.storage.key)
        return tensor_view(path, name, tensor, Located(source, 0, source.size), big_endian=big_endian)

    found = viewed(path, FORMAT, name_tensors(path, leaves, is_program=True), view)
    return replace(found, tensors=(*found.tensors, *pickled))


def _entries(archive: Archive, root: str, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(name, entry) of the lists of one kind; with several programs in the archive each gives its name to its own."""
    path = archive.file.path
    lists = [m for name in archive.names if (m := _LISTS[kind].fullmatch(name.removeprefix(root)))]
    for match in lists:
        held = strict_json.parse_object(path, archive.read(root + match[0], MAX_LIST), match[0])
        entries = held.get("config")
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise Malformed(path, f"member {quoted(match[0])} is not a list of tensors")
        prefix = f"{match[1]}." if len(lists) > 1 else ""
        yield from ((prefix + name, entry) for name, entry in entries.items() if entry.get("tensor_meta"))


def _tensor(path: Path, name: str, member: str, meta: Any) -> Leaf:
    fields = meta if isinstance(meta, dict) else {}
    sizes, strides = (_whole(fields.get(key)) for key in ("sizes", "strides"))
    offset = _whole([fields.get("storage_offset")])
    if sizes is None or strides is None or offset is None or len(sizes) != len(strides):
        raise Malformed(path, f"tensor {quoted(name)} has invalid sizes, strides or offset")
    if fields.get("layout", _STRIDED) != _STRIDED:
        return Unread(SPARSE)
    code = fields.get("dtype")
    kind = _KINDS.get(code if type(code) is int else 0, f"torch type {quoted(str(code))}")
    return Tensor(Storage(member, kind, 0), kind, offset[0], sizes, strides)


def _whole(values: Any) -> tuple[int, ...] | None:
    """Whole numbers written as {"as_int": n}; None for anything else, such as a size known only at run time."""
    if not isinstance(values, list):
        return None
    found = tuple(value.get("as_int") if isinstance(value, dict) else None for value in values)
    whole = tuple(number for number in found if is_size(number))
    return whole if len(whole) == len(found) else None


def _pickled(archive: Archive, member: str, name: str) -> list[TensorView]:
    """A tensor, or the parts of one, that were saved as torch saves them."""
    held = Archive(archive.source(member))
    root = root_of(held)
    if root is None:
        raise Malformed(archive.file.path, f"member {quoted(member)} is not a PyTorch file")
    views = read_torch_zip(held, root).tensors
    if len(views) == 1:
        return [replace(views[0], name=name, storage=f"{member}/{views[0].storage}")]
    return [replace(view, name=f"{name}.{view.name}", storage=f"{member}/{view.storage}") for view in views]
