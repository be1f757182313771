"""Writes PyTorch files without torch: the pickles opcode by opcode, the containers by hand."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

STORAGE_CLASS = {
    "float64": "DoubleStorage", "float32": "FloatStorage", "float16": "HalfStorage", "bfloat16": "BFloat16Storage",
    "int64": "LongStorage", "int32": "IntStorage", "int16": "ShortStorage", "int8": "CharStorage",
    "uint8": "ByteStorage", "bool": "BoolStorage", "complex64": "ComplexFloatStorage",
}  # fmt: skip
MAGIC = 0x1950A86A20F9469CFC6C


@dataclass
class Glob:
    """A class or function by name."""

    module: str
    name: str


@dataclass
class Call:
    """A REDUCE of a global, then a BUILD if there is a state."""

    function: Glob
    arguments: tuple[Any, ...] = ()
    state: Any = None


@dataclass
class Persistent:
    """A persistent id: a storage."""

    identity: tuple[Any, ...]


@dataclass
class Module:
    """A module of a TorchScript program: an object of a class of the program, and its attributes."""

    name: str
    attributes: dict[str, Any]


@dataclass
class Raw:
    """Opcodes as they are."""

    code: bytes


@dataclass
class Pairs:
    """A dictionary whose keys are objects."""

    items: tuple[tuple[Any, Any], ...]


@dataclass
class Storages:
    """Collects storages and hands out tensors, as torch's pickler would."""

    legacy: bool = False
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def tensor(self, array: np.ndarray) -> Call:
        """The pickled form of a tensor with a storage of its own."""
        key = self.add(array)
        return self.view(key, 0, array.shape, row_major(array.shape))

    def add(self, array: np.ndarray) -> str:
        key = str(len(self.arrays)) if not self.legacy else str(94897574424704 + 64 * len(self.arrays))
        self.arrays[key] = np.ascontiguousarray(array).reshape(-1)
        return key

    def view(self, key: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Call:
        return Call(
            Glob("torch._utils", "_rebuild_tensor_v2"),
            (self.storage(key), offset, shape, strides, False, ordered_dict()),
        )

    def storage(self, key: str) -> Persistent:
        array = self.arrays[key]
        identity = ("storage", Glob("torch", STORAGE_CLASS[array.dtype.name]), key, "cpu", array.size)
        return Persistent((*identity, None) if self.legacy else identity)

    def tensor_v3(self, array: np.ndarray) -> Call:
        """A tensor of a dtype that has no storage class, as torch 2 writes it."""
        key = self.add(array)
        identity = ("storage", Glob("torch.storage", "UntypedStorage"), key, "cpu", array.nbytes)
        dtype = Glob("torch", array.dtype.name)
        shape, strides = array.shape, row_major(array.shape)
        arguments = (Persistent(identity), 0, shape, strides, False, ordered_dict(), dtype)
        return Call(Glob("torch._utils", "_rebuild_tensor_v3"), arguments)


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(np.prod(shape[axis + 1 :], dtype=int)) for axis in range(len(shape)))


def ordered_dict(items: Mapping[str, Any] | None = None) -> Any:
    return Call(Glob("collections", "OrderedDict")) if items is None else _Filled(dict(items))


@dataclass
class _Filled:
    items: dict[str, Any]


def pickled(value: Any, protocol: int = 2) -> bytes:
    """One whole pickle; equal texts are written once and fetched from the memo after that, as picklers do."""
    return bytes([0x80, protocol]) + _Encoder().encode(value) + b"."


class _Encoder:
    def __init__(self) -> None:
        self.memo: dict[str, int] = {}

    def encode(self, value: Any) -> bytes:
        match value:
            case None:
                return b"N"
            case bool():
                return b"\x88" if value else b"\x89"
            case int():
                if -(1 << 31) <= value < 1 << 31:
                    return b"J" + struct.pack("<i", value)
                raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
                return b"\x8a" + bytes([len(raw)]) + raw
            case float():
                return b"G" + struct.pack(">d", value)
            case str():
                return self._text(value)
            case bytes():
                return b"B" + struct.pack("<I", len(value)) + value
            case tuple():
                return b"(" + b"".join(map(self.encode, value)) + b"t"
            case list():
                return b"](" + b"".join(map(self.encode, value)) + b"e"
            case dict():
                return b"}(" + b"".join(self.encode(k) + self.encode(v) for k, v in value.items()) + b"u"
            case Pairs():
                return b"}(" + b"".join(self.encode(k) + self.encode(v) for k, v in value.items) + b"u"
            case _Filled():
                items = b"".join(self.encode(k) + self.encode(v) for k, v in value.items.items())
                return self.encode(ordered_dict()) + b"(" + items + b"u"
            case Glob():
                return b"c" + value.module.encode() + b"\n" + value.name.encode() + b"\n"
            case Call():
                made = self.encode(value.function) + self.encode(value.arguments) + b"R"
                return made if value.state is None else made + self.encode(value.state) + b"b"
            case Module():
                made = b"c__torch__\n" + value.name.encode() + b"\n)\x81"
                return made + self.encode(value.attributes) + b"b"
            case Persistent():
                return self.encode(value.identity) + b"Q"
            case Raw():
                return value.code
        raise TypeError(type(value))

    def _text(self, value: str) -> bytes:
        if value in self.memo:
            return b"j" + struct.pack("<I", self.memo[value])
        number = self.memo[value] = len(self.memo)
        raw = value.encode()
        return b"X" + struct.pack("<I", len(raw)) + raw + b"r" + struct.pack("<I", number)


def write_zip(path: Path, value: Any, storages: Storages, *, big_endian: bool = False, deflate: bool = False) -> Path:
    """Write a file of torch 1.6 or later."""
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", pickled(value))
        archive.writestr("archive/byteorder", "big" if big_endian else "little")
        for key, array in storages.arrays.items():
            archive.writestr(f"archive/data/{key}", swapped(array).tobytes() if big_endian else array.tobytes())
        archive.writestr("archive/version", "3\n")
    return path


def write_program(path: Path, value: Any, storages: Storages, constants: Sequence[np.ndarray] = ()) -> Path:
    """Write a TorchScript program, whose code does nothing, with constants beside its modules."""
    write_zip(path, value, storages)
    held = Storages()
    pickle = pickled(tuple(held.tensor(array) for array in constants))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/code/__torch__.py", "class Net(Module):\n  __parameters__ = []\n")
        archive.writestr("archive/constants.pkl", pickle)
        for key, array in held.arrays.items():
            archive.writestr(f"archive/constants/{key}", array.tobytes())
    return path


def module_of(tensors: Mapping[str, Any], name: str = "Net") -> Module:
    """Modules inside each other as the dots of the names say."""
    inner: dict[str, dict[str, Any]] = {}
    attributes: dict[str, Any] = {"training": False}
    for key, value in tensors.items():
        head, dot, rest = key.partition(".")
        if dot:
            inner.setdefault(head, {})[rest] = value
        else:
            attributes[key] = value
    return Module(name, attributes | {key: module_of(below, "Net") for key, below in inner.items()})


def swapped(array: np.ndarray) -> np.ndarray:
    width = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
    if array.dtype == np.complex64:
        return array.view(np.uint32).byteswap()
    return array.view(width[array.dtype.itemsize]).byteswap()


def write_legacy(path: Path, value: Any, storages: Storages) -> Path:
    """Write a file as torch did before 1.6."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    keys = sorted(storages.arrays)
    parts = [pickled(MAGIC), pickled(1001), pickled(system), pickled(value), pickled(keys)]
    for key in keys:
        array = storages.arrays[key]
        parts += [struct.pack("<q", array.size), array.tobytes()]
    path.write_bytes(b"".join(parts))
    return path


def example() -> dict[str, np.ndarray]:
    """A few tensors of every kind that torch files hold."""
    rng = np.random.default_rng(7)
    return {
        "embed.weight": rng.standard_normal((40, 6)).astype(np.float32),
        "layer.0.weight": rng.standard_normal((6, 5, 3)).astype(np.float16),
        "layer.0.bias": rng.standard_normal(6).astype(ml_dtypes.bfloat16),
        "layer.1.weight": rng.standard_normal((3, 4)),
        "table": rng.integers(-9, 9, (4, 3)),
        "mask": rng.integers(0, 2, (7,)).astype(bool),
        "scale": np.array(0.5, np.float32),
    }


_EXPORTED_TYPES = {
    "uint8": 1, "int8": 2, "int16": 3, "int32": 4, "int64": 5, "float16": 6, "float32": 7, "float64": 8,
    "complex64": 10, "bool": 12, "bfloat16": 13,
}  # fmt: skip


def exported_entry(member: str, array: np.ndarray, **changes: Any) -> dict[str, Any]:
    """What a program of torch.export says of a tensor."""
    meta = {
        "dtype": _EXPORTED_TYPES[array.dtype.name], "sizes": [{"as_int": side} for side in array.shape],
        "strides": [{"as_int": stride} for stride in row_major(array.shape)], "storage_offset": {"as_int": 0},
        "layout": 7, "requires_grad": True, "device": {"type": "cpu", "index": None},
    }  # fmt: skip
    return {"path_name": member, "is_param": True, "use_pickle": False, "tensor_meta": meta | changes}


def write_exported(folder: Path, arrays: Mapping[str, np.ndarray], constants: Mapping[str, np.ndarray] = {}) -> Path:
    """Write a program of torch.export as torch 2.8 and later do."""
    with zipfile.ZipFile(folder / "net.pt2", "w") as archive:
        for kind, letter, held in (("weights", "weight", arrays), ("constants", "tensor", constants)):
            entries = {}
            for number, (name, array) in enumerate(held.items()):
                archive.writestr(f"net/data/{kind}/{letter}_{number}", np.ascontiguousarray(array).tobytes())
                entries[name] = exported_entry(f"{letter}_{number}", array)
            archive.writestr(f"net/data/{kind}/model_{kind}_config.json", json.dumps({"config": entries}))
        archive.writestr("net/models/model.json", "{}")
        archive.writestr("net/archive_format", "pt2")
        archive.writestr("net/byteorder", "little")
    return folder / "net.pt2"


def write_exported_before(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write a program of torch.export as torch 2.1 to 2.7 did: a torch file in a zip."""
    storages = Storages()
    state = ordered_dict({name: storages.tensor(array) for name, array in arrays.items()})
    inner = write_zip(folder / "inner.pt", state, storages).read_bytes()
    (folder / "inner.pt").unlink()
    with zipfile.ZipFile(folder / "net.pt2", "w") as archive:
        archive.writestr("serialized_exported_program.json", "{}")
        archive.writestr("serialized_state_dict.pt", inner)
    return folder / "net.pt2"
