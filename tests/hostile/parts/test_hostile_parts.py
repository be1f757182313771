"""Parts of models that someone made to hurt: listings, meshes, sparse places and scales that lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineage.errors import CheckpointError, Malformed, NoWeights, UnsupportedFormat
from tests.distributed_files import (
    METADATA,
    dtensor,
    index,
    saved,
    stored_at,
    tensor_metadata,
    write_metadata,
    write_rank,
)
from tests.hostile_files import refused
from tests.torch_files import Call, Glob, Pairs, Storages, ordered_dict, pickled, row_major, write_zip

PART = np.ones((3, 2), np.float32)
SAVED = saved(PART)


def listed(folder: Path, shape: tuple[int, ...], parts: list[tuple[Any, ...]], **more: Any) -> Path:
    """A tensor "w" of a shape whose parts are (offsets, file, offset, length); one file is there."""
    (folder / "__0_0.distcp").write_bytes(SAVED)
    places = [(index("w", offsets), stored_at(file, at, length, **more)) for offsets, file, at, length in parts]
    return write_metadata(folder, {"w": tensor_metadata(shape, [])}, places)


HERE = "__0_0.distcp"
WHOLE = len(SAVED)
LISTINGS: dict[str, tuple[tuple[int, ...], list[tuple[Any, ...]], type[CheckpointError], str]] = {
    "a gap": ((4, 2), [((0, 0), HERE, 0, WHOLE)], Malformed, "a part of it is missing"),
    "an overlap": ((5, 2), [((0, 0), HERE, 0, WHOLE), ((2, 0), HERE, 0, WHOLE)], Malformed, "overlap"),
    "beyond the tensor": ((3, 2), [((1, 0), HERE, 0, WHOLE)], Malformed, "reaches beyond its shape"),
    "beyond every number": ((3, 2), [((1 << 62, 0), HERE, 0, WHOLE)], Malformed, "reaches beyond its shape"),
    "other axes": ((6,), [((0,), HERE, 0, WHOLE)], Malformed, "have other axes"),
    "beyond the file": ((3, 2), [((0, 0), HERE, 0, 1 << 60)], CheckpointError, "parts up to byte"),
    "inside another part": ((3, 2), [((0, 0), HERE, 7, WHOLE - 7)], UnsupportedFormat, "did not write as a zip"),
    "outside the folder": ((3, 2), [((0, 0), "../secret", 0, 9)], Malformed, "lies outside the folder"),
    "an absolute path": ((3, 2), [((0, 0), "/etc/passwd", 0, 9)], Malformed, "lies outside the folder"),
    "a file that is not there": ((3, 2), [((0, 0), "__7_0.distcp", 0, 9)], NoWeights, "is missing"),
    "no part": ((3, 2), [], Malformed, "no part of tensor 'w' is listed"),
    "an overflow": ((1 << 40, 1 << 40), [((0, 0), HERE, 0, WHOLE)], Malformed, "overflows"),
    "negative": ((3, 2), [((0, 0), HERE, -5, WHOLE)], Malformed, "no tensor, file, offset or length"),
    "a shape of texts": (("3", 2), [((0, 0), HERE, 0, WHOLE)], Malformed, "has no shape"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_that_lies(name: str, tmp_path: Path) -> None:
    shape, parts, kind, said = LISTINGS[name]
    (tmp_path / "secret").write_bytes(SAVED)
    (tmp_path / "m").mkdir()
    refused(listed(tmp_path / "m", shape, parts), kind, said)


@pytest.mark.parametrize(
    "call", [Call(Glob("os", "system"), ("touch executed",)), Call(Glob("torch.distributed.checkpoint", "load"), ())]
)
def test_nothing_is_called(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_metadata(tmp_path, {"w": call}, [])
    (tmp_path / HERE).write_bytes(SAVED)
    refused(tmp_path, Malformed, "refused, nothing was run")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "has no state_dict_metadata"),
        ({"state_dict_metadata": {3: None}, "storage_data": {}}, "has no state_dict_metadata"),
        ({"state_dict_metadata": {}, "storage_data": {"w": 3}}, "has no storage_data"),
        ({"state_dict_metadata": {"w": tensor_metadata((2,), [])}, "storage_data": {}}, "no part of tensor"),
    ],
    ids=["nothing", "numbers for names", "no objects", "nothing stored"],
)
def test_a_listing_of_other_things(fields: dict[str, Any], said: str, tmp_path: Path) -> None:
    (tmp_path / ".metadata").write_bytes(pickled(Call(Glob(METADATA, "Metadata"), (), fields)))
    (tmp_path / HERE).write_bytes(SAVED)
    refused(tmp_path, CheckpointError, said)


@pytest.mark.parametrize(
    "planned",
    [
        {"a": ("m",), "b": ("m", "x")},
        {"a": ("m", "x"), "b": ("m",)},
        {"a": (), "b": ("b",)},
        {"a": ((1,),), "b": ("b",)},
    ],
    ids=["inside a tensor", "in the place of others", "no path", "a nested path"],
)
def test_paths_that_cross(planned: Any, tmp_path: Path) -> None:
    write_metadata(tmp_path, {name: tensor_metadata((2,), []) for name in "ab"}, [], planned)
    (tmp_path / HERE).write_bytes(SAVED)
    refused(tmp_path, Malformed, "lies inside another|two tensors|no path in the state dict|not damaged")


def test_a_part_that_holds_something_else(tmp_path: Path) -> None:
    storages = Storages()
    value = {"a": storages.tensor(PART), "b": storages.tensor(PART)}
    two = write_zip(tmp_path / HERE, value, storages).read_bytes()
    write_metadata(tmp_path, {"w": tensor_metadata((3, 2), [])}, [(index("w", (0, 0)), stored_at(HERE, 0, len(two)))])
    refused(tmp_path, Malformed, "a part of tensor 'w' is not one tensor")


@pytest.mark.parametrize(
    ("shape", "placements", "coordinates", "mesh"),
    [
        ((6, 2), [0], [1], [3]),
        ((6, 2), [5], [0], [2]),
        ((6, 2), [0], [9], [2]),
        ((6, 2), [0, 0], [0], [2]),
        ((1 << 50, 2), [0], [0], [2]),
        ((6, 2), [0], [-1], [2]),
    ],
    ids=["another length", "no such axis", "no such rank", "another mesh", "huge", "negative"],
)
def test_a_mesh_that_does_not_fit(
    shape: tuple[int, int], placements: list[Any], coordinates: list[int], mesh: list[int], tmp_path: Path
) -> None:
    storages = Storages()
    value = dtensor(storages, PART, shape, placements, coordinates, mesh)
    refused(write_rank(tmp_path / "w.pt", {"w": value}, storages), CheckpointError, "part of tensor 'w', cut in a way")


def sparse(kind: str, *parts: np.ndarray, shape: tuple[Any, ...]) -> tuple[Call, Storages]:
    storages = Storages()
    layout = Call(Glob("torch.serialization", "_get_layout"), (f"torch.{kind}",))
    held = (*(storages.tensor(part) for part in parts), Call(Glob("torch", "Size"), (shape,)), True)
    return Call(Glob("torch._utils", "_rebuild_sparse_tensor"), (layout, held)), storages


ONE = np.ones(2, np.float32)
SPARSE: dict[str, tuple[Any, ...]] = {
    "row outside": ("sparse_coo", np.array([[0, 9], [0, 0]]), ONE, (2, 2)),
    "column outside": ("sparse_coo", np.array([[0, 1], [0, 9]]), ONE, (2, 2)),
    "negative": ("sparse_coo", np.array([[0, 1], [-1, 0]]), ONE, (2, 2)),
    "fewer values": ("sparse_coo", np.array([[0, 1, 1], [0, 1, 0]]), ONE, (2, 2)),
    "too many axes": ("sparse_coo", np.zeros((3, 2), int), ONE, (2, 2)),
    "places that are no integers": ("sparse_coo", np.zeros((2, 2)), ONE, (2, 2)),
    "bounds that go back": ("sparse_csr", np.array([0, 2, 1]), np.array([0, 1]), ONE, (2, 2)),
    "bounds beyond the list": ("sparse_csr", np.array([0, 1, 7]), np.array([0, 1]), ONE, (2, 2)),
    "negative bounds": ("sparse_csr", np.array([-1, 0, 1]), np.array([0, 1]), ONE, (2, 2)),
    "too few bounds": ("sparse_csr", np.array([0, 2]), np.array([0, 1]), ONE, (2, 2)),
    "a column outside": ("sparse_csr", np.array([0, 1, 2]), np.array([0, 2]), ONE, (2, 2)),
    "bounds of columns that go back": ("sparse_csc", np.array([0, 2, 1]), np.array([0, 1]), ONE, (2, 2)),
    "bounds of columns beyond the list": ("sparse_csc", np.array([0, 1, 7]), np.array([0, 1]), ONE, (2, 2)),
    "a row outside": ("sparse_csc", np.array([0, 1, 2]), np.array([0, -2]), ONE, (2, 2)),
    "petabytes of columns": (
        "sparse_bsc",
        np.array([0, 1]),
        np.array([0]),
        np.ones((1, 1, 1), "f4"),
        (1 << 40, 1 << 40),
    ),
    "blocks of no size": ("sparse_bsr", np.array([0, 1, 2]), np.array([0, 0]), np.ones((2, 0, 2), "f4"), (2, 2)),
    "blocks that do not fit": ("sparse_bsr", np.array([0, 1, 2]), np.array([0, 0]), np.ones((2, 2, 2), "f4"), (3, 2)),
    "petabytes": ("sparse_csr", np.array([0, 1, 2]), np.array([0, 1]), ONE, (1 << 40, 1 << 40)),
    "no shape": ("sparse_coo", np.array([[0, 1], [0, 0]]), ONE, ("2", 2)),
    "negative shape": ("sparse_coo", np.array([[0, 1], [0, 0]]), ONE, (-2, 2)),
}


@pytest.mark.parametrize("name", SPARSE)
def test_sparse_places_that_are_not_there(name: str, tmp_path: Path) -> None:
    kind, *parts, shape = SPARSE[name]
    value, storages = sparse(kind, *parts, shape=shape)
    path = write_zip(tmp_path / "w.pt", ordered_dict({"w": value}), storages)
    refused(path, CheckpointError, "sparse tensor|overflows|beyond its storage|no elements|damaged pickle")


@pytest.mark.parametrize(
    "scheme",
    [
        (),
        ("x",),
        (Glob("torch", "per_tensor_affine"), float("nan"), 0),
        (Glob("torch", "per_tensor_affine"), 0.1, 1 << 40),
    ],
    ids=["none", "a text", "a scale that is no number", "a zero beyond every code"],
)
def test_schemes_that_are_none(scheme: tuple[Any, ...], tmp_path: Path) -> None:
    storages = Storages()
    key = storages.add(np.ones((2, 2), np.int8))
    arguments = (storages.storage(key), 0, (2, 2), row_major((2, 2)), scheme, False, ordered_dict())
    value = ordered_dict({"w": Call(Glob("torch._utils", "_rebuild_qtensor"), arguments)})
    refused(write_zip(tmp_path / "w.pt", value, storages), CheckpointError, "unread|unknown scheme|damaged pickle")


def test_a_dictionary_of_objects_is_no_state_dict(tmp_path: Path) -> None:
    value = Pairs(((index("w", (0,)), 3),))
    refused(write_zip(tmp_path / "w.pt", value, Storages()), NoWeights, "holds no weights")
