"""A `.sketch` file comes from unrelated models: damaged or forged, it is refused in one line, and takes no memory."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from ml_dtypes import bfloat16
from safetensors.numpy import load, save

from lineage.errors import CheckpointError, Malformed, SketchMismatch
from lineage.sketch import FAMILY, read_sketch, write_sketch
from lineage.sketch.sane import EXTREME
from lineage.sketch.sealing import inconsistency, seal
from lineage.sketch.sketch_file import MOST_BYTES
from tests.synthetic import sketch
from tests.systems import needs_pipes

Header = dict[str, Any]
Arrays = dict[str, np.ndarray]
NAMES = ("values", "values_bfloat16", "values_float16", "unit_codes", "unit_scale", "minhash", "moments")


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> bytes:
    random = np.random.default_rng(1)
    shapes = {
        "up.weight": (40, 36),
        "up.bias": (40,),
        "down.weight": (33, 40),
        "conv.weight": (8, 6, 3, 3),
        "scale": (),
    }
    arrays = {n: np.asarray(random.standard_normal(s), np.float32) for n, s in shapes.items()}
    arrays["half"], arrays["upper"] = (random.standard_normal((3, 5)).astype(kind) for kind in (np.float16, bfloat16))
    path = tmp_path_factory.mktemp("sound") / "m.sketch"
    write_sketch(sketch(arrays, config={}), path)
    return path.read_bytes()


def parts(payload: bytes) -> tuple[Header, Arrays]:
    length = int.from_bytes(payload[:8], "little")
    return json.loads(json.loads(payload[8 : 8 + length])["__metadata__"]["lineage"]), dict(load(payload))


def forged(header: Header | str, arrays: Arrays) -> bytes:
    """A file whose checksum fits: what remains to be checked is what it says."""
    text = header if isinstance(header, str) else json.dumps(header)
    checksum = blake3(text.encode())
    for name in NAMES:
        checksum.update(arrays[name].tobytes() if name in arrays else b"")
    return save({**arrays, "checksum": np.frombuffer(checksum.digest(), np.uint8)}, metadata={"lineage": text})


def refused(folder: Path, payload: bytes, *, error: type[Exception] = CheckpointError) -> str:
    """Read `payload` as a sketch; it must be refused by `error` with one line that names the file."""
    path = folder / "bad.sketch"
    path.write_bytes(payload)
    with pytest.raises(error) as caught:
        read_sketch(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def test_the_forger_forges_well(sound, tmp_path):
    path = tmp_path / "same.sketch"
    path.write_bytes(forged(*parts(sound)))
    assert len(read_sketch(path).tensors) == 7


# -- bytes -------------------------------------------------------------------------------------


def test_a_file_that_is_cut_anywhere_is_refused(sound, tmp_path):
    lengths = {*range(64), *np.linspace(64, len(sound) - 1, 120).astype(int).tolist(), len(sound) - 1}
    for length in sorted(lengths):
        assert "bad.sketch" in refused(tmp_path, sound[:length])


def test_bytes_that_are_appended_are_refused(sound, tmp_path):
    refused(tmp_path, sound + b"\0" * 8)


def test_a_flipped_byte_anywhere_is_refused(sound, tmp_path):
    path = tmp_path / "flipped.sketch"
    length = int.from_bytes(sound[:8], "little")
    for place in [*range(8 + length), *range(8 + length, len(sound), 97)]:
        for flip in (0x01, 0x80):
            payload = bytearray(sound)
            payload[place] ^= flip
            path.write_bytes(payload)
            with pytest.raises((CheckpointError, SketchMismatch)) as caught:
                read_sketch(path)
            assert "\n" not in str(caught.value)


def test_a_file_without_its_checksum_is_refused(sound, tmp_path):
    header, arrays = parts(sound)
    del arrays["checksum"]
    refused(tmp_path, save(arrays, metadata={"lineage": json.dumps(header)}), error=Malformed)


@pytest.mark.parametrize("payload", [b"", b"\0" * 8, b"PK\x03\x04", b"\x80\x04cos\nsystem\n", b"{}", b"\xff" * 64])
def test_what_is_no_safetensors_file_is_refused(payload, tmp_path):
    refused(tmp_path, payload, error=Malformed)


def test_a_model_under_the_name_of_a_sketch_is_refused(tmp_path):
    assert "not a sketch" in refused(tmp_path, save({"w": np.ones(4, np.float32)}), error=Malformed)


def test_a_file_of_over_a_gibibyte_is_not_opened(tmp_path):
    path = tmp_path / "sparse.sketch"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(Malformed, match="not believed"):
        read_sketch(path)


# -- arrays ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_array_that_is_missing(sound, tmp_path, name):
    header, arrays = parts(sound)
    del arrays[name]
    refused(tmp_path, forged(header, arrays), error=Malformed)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.complex64, bfloat16, np.int64, np.bool_])
def test_an_array_of_another_type(sound, tmp_path, name, dtype):
    header, arrays = parts(sound)
    arrays[name] = np.zeros(arrays[name].shape, dtype)
    refused(tmp_path, forged(header, arrays), error=Malformed)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "change",
    [
        lambda a: a[:-1],
        lambda a: np.concatenate([a, a[:1]]),
        lambda a: a[..., None],
        lambda a: a[:0],
        lambda a: a.reshape(1, -1),
    ],
    ids=["short", "long", "another axis", "empty", "flat"],
)
def test_an_array_of_another_size(sound, tmp_path, name, change):
    header, arrays = parts(sound)
    changed = np.ascontiguousarray(change(arrays[name]))
    refused(tmp_path, forged(header, arrays | {name: changed}), error=Malformed)


@pytest.mark.parametrize("name", ["unit_codes", "minhash", "moments"])
def test_an_array_of_other_width(sound, tmp_path, name):
    header, arrays = parts(sound)
    narrow = np.ascontiguousarray(arrays[name][..., :-1])
    refused(tmp_path, forged(header, arrays | {name: narrow}), error=Malformed)


@pytest.mark.parametrize("name", ["values", "unit_scale", "moments"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_array_with_what_is_no_number(sound, tmp_path, name, value):
    header, arrays = parts(sound)
    arrays[name].flat[-1] = value
    assert "finite" in refused(tmp_path, forged(header, arrays), error=Malformed)


@pytest.mark.parametrize("count", [-1, 1 << 60, 2.5, "7", None, True])
def test_a_number_of_unread_values_that_is_none(sound, tmp_path, count):
    header, arrays = parts(sound)
    refused(tmp_path, forged(header | {"unread": count}, arrays), error=Malformed)


def test_unread_values_come_back(sound, tmp_path):
    header, arrays = parts(sound)
    path = tmp_path / "m.sketch"
    path.write_bytes(forged(header | {"unread": 700}, arrays))
    held = read_sketch(path)
    assert held.params == sum(t.params for t in held.tensors) + 700
    write_sketch(held, path)
    assert read_sketch(path).unread == 700


# -- figures that no numbers have ------------------------------------------------------------------


def scaled(name: str, by: float) -> Callable[[Arrays], None]:
    return lambda arrays: arrays[name].__imul__(arrays[name].dtype.type(by))


def put(name: str, place: int, value: float) -> Callable[[Arrays], None]:
    return lambda arrays: arrays[name].reshape(-1).__setitem__(place, value)


FIGURES: dict[str, Callable[[Arrays], Any]] = {
    "units of another size": scaled("unit_scale", 1e3),
    "units beyond float32": put("unit_scale", 0, 3e38),
    "a scale below zero": put("unit_scale", 3, -1e-3),
    "a code beyond its scale": put("unit_codes", 5, -128),
    "values of another size": scaled("values", 1e6),
    "one value at the end of float32": put("values", 7, -3.4e38),
    "sums of another size": scaled("moments", 1e6),
    "sums at the end of float64": put("moments", 3, 1e308),
    "a sum of squares below zero": put("moments", 1, -1.0),
    "a sum larger than its squares allow": put("moments", 0, 1e9),
    "fourth powers too small for the squares": put("moments", 3, 1e-9),
}


@pytest.mark.parametrize("case", FIGURES)
def test_figures_that_no_numbers_have(sound, tmp_path, case):
    header, arrays = parts(sound)
    arrays = {name: array.copy() for name, array in arrays.items()}
    FIGURES[case](arrays)
    refused(tmp_path, forged(header, arrays), error=Malformed)


@pytest.mark.parametrize(
    "stats",
    [[0, -1, 3, 0, 0, 0, 1], [0, 1, -3, 0, 0, 0, 1], [0, 1, 3, 1.5, 0, 0, 1], [0, 1, 3, 0, 0, 0, 2],
     [0, 1, 3, 0, 4000, 0, 1], [0, 1, 3, 0, 0, -1, 1], [1e300, 1, 3, 0, 0, 0, 1], [0, 1e-9, 3, 0, 0, 0, 1]],
)  # fmt: skip
def test_statistics_that_no_numbers_have(sound, tmp_path, stats):
    header, arrays = parts(sound)
    header["tensors"][0]["stats"] = stats
    refused(tmp_path, forged(header, arrays), error=Malformed)


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e13, 1e25, 1e37])
def test_values_that_no_weights_have_are_read_and_are_no_evidence(tmp_path, scale):
    arrays = {"up.weight": np.random.default_rng(1).standard_normal((40, 36)) * scale, "gain": np.ones(40) * scale}
    made = sketch({name: array.astype(np.float32) for name, array in arrays.items()}, config={})
    write_sketch(made, tmp_path / "m.sketch")
    for one in (made, read_sketch(tmp_path / "m.sketch")):
        assert one.tensors[0].part.excluded == EXTREME
        assert inconsistency(one) is None


@needs_pipes
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "m.sketch")
    with pytest.raises(Malformed, match="not a plain file"):
        read_sketch(tmp_path / "m.sketch")


# -- what a sketch tells twice ---------------------------------------------------------------------


def test_a_seal_of_other_values_is_refused(sound, tmp_path):
    header, arrays = parts(sound)
    path = tmp_path / "m.sketch"
    path.write_bytes(forged(header, arrays))
    assert header["seal"] == seal(read_sketch(path))
    refused(tmp_path, forged(header | {"seal": "0" * 32}, arrays), error=Malformed)


def test_an_older_sketch_without_a_seal_is_read(sound, tmp_path):
    header, arrays = parts(sound)
    del header["seal"]
    (tmp_path / "m.sketch").write_bytes(forged(header, arrays))
    assert read_sketch(tmp_path / "m.sketch").id == header["id"]


# -- the header --------------------------------------------------------------------------------


def with_tensor(**fields: Any) -> Callable[[Header], None]:
    return lambda header: header["tensors"][0].update(fields)


def with_header(**fields: Any) -> Callable[[Header], None]:
    return lambda header: header.update(fields)


BAD_HEADERS: dict[str, Callable[[Header], Any]] = {
    "no tensors": with_header(tensors=[]),
    "tensors is a number": with_header(tensors=3),
    "tensors is null": with_header(tensors=None),
    "tensor is a list": lambda h: h["tensors"].__setitem__(0, []),
    "a tensor too many": lambda h: h["tensors"].append(h["tensors"][0]),
    "a tensor too few": lambda h: h["tensors"].pop(),
    "another id": with_header(id="0" * 32),
    "id is null": with_header(id=None),
    "another digest": with_tensor(digest="f" * 32),
    "digest is missing": lambda h: h["tensors"][0].pop("digest"),
    "unknown depth": with_header(depth="deep"),
    "the other depth": with_header(depth="sampled"),
    "depth is a list": with_header(depth=[]),
    "nbytes is a word": with_header(nbytes="many"),
    "nbytes is infinite": with_header(nbytes=float("inf")),
    "declared is a number": with_header(declared=1),
    "declared is short": with_header(declared=[["a", "b"]]),
    "left_out is short": with_header(left_out=[["a"]]),
    "format is missing": lambda h: h.pop("format"),
    "shape is larger": with_tensor(shape=[4000, 36]),
    "shape is negative": with_tensor(shape=[-40, 36]),
    "shape is empty": with_tensor(shape=[0, 36]),
    "shape has other axes": with_tensor(shape=[40]),
    "shape is a word": with_tensor(shape="wide"),
    "shape is null": with_tensor(shape=None),
    "shape holds a list": with_tensor(shape=[[40], 36]),
    "shape is beyond int64": with_tensor(shape=[10**30, 36]),
    "shape overflows": with_tensor(shape=[2**40, 2**40]),
    "shape wraps to the true one": with_tensor(shape=[40, 36, 2**32, 2**32]),
    "shape of a thousand axes": with_tensor(shape=[1] * 1000),
    "part is short": with_tensor(part=["model", "unknown", None]),
    "part is null": with_tensor(part=None),
    "layer is a word": with_tensor(part=["model", "unknown", "first", None]),
    "one axis": with_tensor(axes=[["rows", True]]),
    "axes are flat": with_tensor(axes=["rows", "columns"]),
    "stats are short": with_tensor(stats=[0.0] * 6),
    "stats are long": with_tensor(stats=[0.0] * 8),
    "stats are words": with_tensor(stats=["a"] * 7),
    "stats are NaN": with_tensor(stats=[float("nan")] * 7),
    "stats are infinite": with_tensor(stats=[float("inf")] * 7),
    "minhash is promised and not there": lambda h: h["tensors"][1].update(minhash=True),
    "minhash is there and not promised": with_tensor(minhash=False),
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_a_header_that_does_not_fit(sound, tmp_path, case):
    header, arrays = parts(sound)
    BAD_HEADERS[case](header)
    refused(tmp_path, forged(header, arrays), error=Malformed)


@pytest.mark.parametrize("fields", [{"family": "lineage-0"}, {"family": "lineage-47"}, {"schema": "lineage/sketch/9"}])
def test_a_sketch_of_another_family_says_so(sound, tmp_path, fields):
    header, arrays = parts(sound)
    assert FAMILY in refused(tmp_path, forged(header | fields, arrays), error=SketchMismatch)


@pytest.mark.parametrize("name", ["family", "schema"])
@pytest.mark.parametrize("word", [None, 2, [], "", "lineage", "lineage-2x", "x\n" * 10_000, "lineage-\u0662"])
def test_what_names_no_family_or_schema_is_damage(sound, tmp_path, name, word):
    header, arrays = parts(sound)
    refused(tmp_path, forged(header | {name: word}, arrays), error=Malformed)


def test_a_long_word_in_the_header_stays_one_line(sound, tmp_path):
    header, arrays = parts(sound)
    refused(tmp_path, forged(header | {"nbytes": "many\n" * 10_000}, arrays), error=Malformed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        '"lineage"',
        "{",
        "[" * 200_000,
        "[" * 900 + "]" * 900,
        '{"a":' * 100_000,
        '{"schema": NaN}',
        "1" * 100_000,
        '{"nbytes": 1e999}',
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
    ids=lambda text: text[:12] or "empty",
)
def test_json_that_is_no_sketch(sound, tmp_path, text):
    refused(tmp_path, forged(text, parts(sound)[1]), error=Malformed)


def test_deep_json_inside_a_field(sound, tmp_path):
    header, arrays = parts(sound)
    text = json.dumps(header).replace('"licence": null', '"licence": ' + "[" * 100_000 + "]" * 100_000)
    refused(tmp_path, forged(text, arrays), error=Malformed)


def test_huge_declared_shapes_take_no_memory(sound, tmp_path):
    header, arrays = parts(sound)
    payloads = []
    for shape in ([2**47, 2**12], [2**59], [2**20, 2**20, 2**10, 2**9], [1, 2**59]):
        header["tensors"][0]["shape"] = shape
        payloads.append(forged(header, arrays))
    refused(tmp_path, payloads[0])
    tracemalloc.start()
    try:
        for payload in payloads:
            refused(tmp_path, payload, error=Malformed)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_header_that_repeats_one_large_tensor_is_refused_before_its_arrays_are_made(sound, tmp_path):
    header, arrays = parts(sound)
    header["tensors"] = [header["tensors"][0] | {"shape": [2**29, 2**29]}] * 2_000
    payload = forged(header, arrays)
    tracemalloc.start()
    try:
        refused(tmp_path, payload, error=Malformed)
        assert tracemalloc.get_traced_memory()[1] < 20 * len(payload)
    finally:
        tracemalloc.stop()
