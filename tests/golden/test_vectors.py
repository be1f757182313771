"""The known answers of index/vectors: this package gives them, and so does a second, plain reading of the format."""

from __future__ import annotations

import json
import re
from typing import Any

import make_vectors
import numpy as np
import pytest
from blake3 import blake3
from make_vectors import ANSWERS, GOLDEN, TENSORS
from safetensors import safe_open

from lineage.errors import SketchMismatch
from lineage.sketch import FAMILY, read_sketch, write_sketch
from lineage.sketch.sealing import contradiction
from lineage.types import TensorSketch
from tests.golden import reference
from tests.synthetic import encoder, sketch

KNOWN: dict[str, Any] = json.loads(ANSWERS.read_text(encoding="utf-8"))
TENSOR: dict[str, dict[str, Any]] = {t["name"]: t for t in KNOWN["tensors"]}
FLOATS = [name for name, (_, dtype, _) in TENSORS.items() if "int" not in dtype]
SMALL = [name for name in FLOATS if name != "large"]


def elements(name: str) -> list[float]:
    return make_vectors.array(name).astype(np.float64).reshape(-1).tolist()


def assert_codes_within_one(decoded: Any, known: Any) -> None:
    assert np.abs(np.asarray(decoded, int) - np.asarray(known, int)).max() <= 1


def assert_answer(tensor: TensorSketch, known: dict[str, Any]) -> None:
    assert (list(tensor.shape), tensor.dtype) == (known["shape"], known["dtype"])
    assert (tensor.digest, tensor.band_digest) == (known["digest"], known["band_digest"])
    assert [axis.tolist() for axis in tensor.grid] == known["grid"]
    assert np.array_equal(tensor.values, np.array(known["values"], np.float32))
    for field, value in known["stats"].items():
        assert getattr(tensor.stats, field) == pytest.approx(value, rel=1e-12, abs=1e-15)
    np.testing.assert_allclose(tensor.moments, known["moments"], rtol=1e-6)
    for units, expected in zip(tensor.units, known["units"], strict=True):
        assert (units is None) == (expected is None)
        if units is not None:
            np.testing.assert_allclose(units.scale, expected["scale"], rtol=5e-7)
            assert_codes_within_one(units.codes, expected["codes"])
    assert (None if tensor.minhash is None else tensor.minhash.tolist()) == known["minhash"]


def test_the_answers_are_those_of_this_family():
    assert KNOWN["family"] == FAMILY
    assert list(TENSOR) == list(TENSORS)


def test_a_sketch_of_the_first_family_is_told_from_a_damaged_one():
    first = GOLDEN.with_name("lineage-1.sketch")
    with pytest.raises(SketchMismatch, match="make it again from the checkpoint") as refused:
        read_sketch(first)
    assert str(refused.value).startswith(f"{first}: is of sketch family 'lineage-1'")


@pytest.mark.parametrize("name", TENSORS)
def test_the_input_has_the_bytes_that_the_answers_are_for(name):
    assert blake3(make_vectors.array(name).tobytes()).hexdigest() == TENSOR[name]["input_blake3"]


@pytest.mark.parametrize("name", TENSORS)
def test_the_sketch_is_the_known_one(name):
    assert_answer(make_vectors.sketched(name), TENSOR[name])


def test_positions_signs_hashes_and_ids_are_the_known_ones():
    made = json.loads(json.dumps(make_vectors.answers()))
    for key in ("schema", "inputs", "sampled", "grid_16_2", "grid_8_1", "sign_bits", "minhash", "id"):
        assert made[key] == KNOWN[key], key


class TestTheGoldenFiles:
    """A file that the first version wrote, and one of the second schema."""

    @pytest.mark.parametrize("path", [GOLDEN.with_name("vectors.sketch"), GOLDEN], ids=["first", "second"])
    def test_it_opens_and_holds_the_known_answers(self, path):
        sketch = read_sketch(path)
        assert sketch.id == KNOWN["id"]["full"]
        assert (sketch.name, sketch.format, sketch.depth) == ("vectors", "formula", "full")
        for tensor in sketch.tensors:
            assert_answer(tensor, TENSOR[tensor.name])

    def test_it_is_the_file_that_the_answers_describe(self):
        assert blake3(GOLDEN.read_bytes()).hexdigest() == KNOWN["sketch_blake3"]

    def test_the_first_is_written_again_as_the_second(self, tmp_path):
        write_sketch(read_sketch(GOLDEN.with_name("vectors.sketch")), tmp_path / "again.sketch")
        again, known = read_sketch(tmp_path / "again.sketch"), read_sketch(GOLDEN)
        assert contradiction(again, known) is None
        for one, other in zip(again.tensors, known.tensors, strict=True):
            assert np.array_equal(one.values, other.values)
        with safe_open(tmp_path / "again.sketch", framework="np") as file:
            assert file.get_tensor("values_bfloat16").size > 0
            assert file.get_tensor("values_float16").size > 0
            assert file.get_tensor("values").size > 0


class TestThePage:
    """What index/FORMAT.md shows is what is written."""

    PAGE = (ANSWERS.parents[1] / "FORMAT.md").read_text(encoding="utf-8")

    def test_its_header_has_the_fields_of_a_real_one(self):
        shown = json.loads(re.search(r"```json\n(.*?)```", self.PAGE, re.DOTALL)[1])
        with safe_open(GOLDEN, framework="np") as file:
            written = json.loads(file.metadata()["lineage"])
        assert list(shown) == list(written)
        assert list(shown["tensors"][0]) == [key for key in written["tensors"][0] if key != "values"]
        assert [len(shown["tensors"][0][key]) for key in ("part", "axes", "stats")] == [4, 2, 7]

    def test_its_arrays_are_those_of_a_real_file(self, tmp_path):
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \| \(([^)]*)\)", self.PAGE, re.MULTILINE)
        write_sketch(sketch(encoder(1)), tmp_path / "tower.sketch")
        with safe_open(tmp_path / "tower.sketch", framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        assert {name for name, _, _ in rows} == set(arrays)
        for name, dtype, shape in rows:
            sides = [part.strip() for part in shape.split(",") if part.strip()]
            assert arrays[name].dtype.name == dtype
            assert [str(n) for n in arrays[name].shape][1:] == sides[1:]

    def test_its_links_lead_somewhere(self):
        links = re.findall(r"\]\(([^)#]+)\)", self.PAGE)
        assert links
        assert [link for link in links if not (ANSWERS.parents[1] / link).exists()] == []


class TestTheFormatReadASecondTime:
    """`reference` was written from index/FORMAT.md: what it cannot compute, the document does not say."""

    def test_positions(self):
        for length in KNOWN["sampled"]:
            assert reference.sampled(int(length)) == KNOWN["sampled"][length]
            assert reference.grid(int(length), 16, 2) == KNOWN["grid_16_2"][length]
            assert reference.grid(int(length), 8, 1) == KNOWN["grid_8_1"][length]

    def test_signs(self):
        for seed, words in KNOWN["sign_bits"].items():
            assert {p: f"{reference.sign_word(int(p), int(seed)):016x}" for p in words} == words

    def test_minhash(self):
        known = KNOWN["minhash"]
        assert reference.permutations() == (known["a"], known["b"])
        assert reference.minhash(set(known["codes"])) == known["values"]

    @pytest.mark.parametrize("name", FLOATS)
    def test_digests(self, name):
        known = TENSOR[name]
        tensor = reference.Tensor(elements(name), known["shape"])
        assert reference.digest(tensor.elements, tensor.shape) == known["digest"]
        assert reference.digest(*tensor.band()) == known["band_digest"]

    @pytest.mark.parametrize("name", FLOATS)
    def test_values(self, name):
        known = TENSOR[name]
        tensor = reference.Tensor(elements(name), known["shape"])
        rows, columns = tensor.grid()
        assert [rows, columns] == known["grid"]
        width = tensor.channels * tensor.kernel
        values = [[np.float32(tensor.elements[r * width + c]) for c in columns] for r in rows]
        assert np.array_equal(values, np.array(known["values"], np.float32))

    @pytest.mark.parametrize("name", [n for n in SMALL if len(TENSORS[n][0]) > 1])
    def test_units(self, name):
        known = TENSOR[name]
        tensor = reference.Tensor(elements(name), known["shape"])
        for units, expected in zip(tensor.units(), known["units"], strict=True):
            scales = [max(map(abs, unit)) / 127 for unit in units]
            np.testing.assert_allclose(scales, expected["scale"], rtol=5e-7)
            codes = [[round(v / s) for v in unit] for unit, s in zip(units, scales, strict=True)]
            assert_codes_within_one(codes, expected["codes"])

    @pytest.mark.parametrize("name", [n for n in SMALL if TENSOR[n]["minhash"]])
    def test_row_codes(self, name):
        tensor = reference.Tensor(elements(name), TENSOR[name]["shape"])
        assert reference.minhash(tensor.row_codes()) == TENSOR[name]["minhash"]

    @pytest.mark.parametrize("name", SMALL)
    def test_moments(self, name):
        values = elements(name)
        sums = [sum(v**power for v in values) for power in (1, 2, 3, 4)]
        np.testing.assert_allclose(TENSOR[name]["moments"], sums, rtol=1e-6)
