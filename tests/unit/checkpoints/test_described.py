"""Values beside a text that describes them: raw files, ncnn, ANI."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import NoWeights, UnsupportedFormat
from tests.checkpoint_files import whole
from tests.described_files import ncnn_model, param, tagged, write_ani, write_ncnn, write_raw

RNG = np.random.default_rng(1)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


# -- raw ---------------------------------------------------------------------------------------


def test_values_are_found_from_either_file(tmp_path: Path) -> None:
    path = write_raw(tmp_path, {"a": normal(4, 3)})
    described, values = open_checkpoint(path), open_checkpoint(tmp_path / "net.bin")
    assert np.array_equal(whole(described)["a"], whole(values)["a"])
    assert described.nbytes == values.nbytes == path.stat().st_size + 48


def test_offsets_files_and_types_may_be_given(tmp_path: Path) -> None:
    a, b, c = normal(2, 2), normal(3).astype(np.float16), normal(2)
    (tmp_path / "x.raw").write_bytes(b"head" + a.tobytes() + c.tobytes())
    (tmp_path / "net.bin").write_bytes(b.tobytes())
    entries = [
        {"name": "a", "shape": [2, 2], "file": "x.raw", "offset": 4},
        {"name": "b", "shape": [3], "dtype": "float16"},
        {"name": "c", "shape": [2], "file": "x.raw"},
    ]
    (tmp_path / "net.json").write_text(json.dumps({"tensors": entries}))
    found = whole(open_checkpoint(tmp_path / "net.json"))
    assert all(np.array_equal(found[name], array) for name, array in {"a": a, "b": b, "c": c}.items())


def test_an_unknown_file_beside_another_json_is_still_unknown(tmp_path: Path) -> None:
    (tmp_path / "net.bin").write_bytes(b"\x01\x02" * 99)
    (tmp_path / "net.json").write_text('{"model": 1}')
    with pytest.raises(UnsupportedFormat, match="without a weightsManifest"):
        open_checkpoint(tmp_path / "net.bin")
    (tmp_path / "net.json").write_text("[]")
    with pytest.raises(UnsupportedFormat, match="is not a safetensors"):
        open_checkpoint(tmp_path / "net.bin")


# -- ncnn --------------------------------------------------------------------------------------


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    arrays = {"a.weight": normal(6, 4), "b.weight": normal(5, 4, 3)}
    path = write_ncnn(tmp_path, arrays)
    usual = whole(open_checkpoint(path))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    for place in (path, tmp_path / "net.bin"):
        found = whole(open_checkpoint(place))
        assert found.keys() == usual.keys()
        assert all(np.array_equal(found[name], usual[name]) for name in usual)


def test_a_link_leads_to_what_lies_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "v2").mkdir()
    path = write_ncnn(tmp_path / "v2", {"a.weight": normal(6, 4)})
    (tmp_path / "latest.param").symlink_to(path)
    (tmp_path / "latest-values.bin").symlink_to(tmp_path / "v2" / "net.bin")
    usual = whole(open_checkpoint(path))
    for name in ("latest.param", "latest-values.bin"):
        assert np.array_equal(whole(open_checkpoint(tmp_path / name))["a.weight"], usual["a.weight"])
    (tmp_path / "v2" / "net.bin").unlink()
    with pytest.raises(NoWeights, match=r"'latest\.bin' are missing"):
        open_checkpoint(tmp_path / "latest.param")


def test_both_files_may_be_links_to_one_folder(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "used").mkdir()
    path = write_ncnn(tmp_path / "store", {"a.weight": normal(6, 4)})
    for name in ("net.param", "net.bin"):
        (tmp_path / "used" / name).symlink_to(tmp_path / "store" / name)
    found = whole(open_checkpoint(tmp_path / "used" / "net.param"))
    assert np.array_equal(found["a.weight"], whole(open_checkpoint(path))["a.weight"])


def test_what_lies_beside_a_link_comes_first(tmp_path: Path) -> None:
    (tmp_path / "v2").mkdir()
    path = write_ncnn(tmp_path / "v2", {"a.weight": normal(6, 4)})
    other = write_ncnn(tmp_path, {"a.weight": normal(6, 4)})
    other.unlink()
    other.symlink_to(path)
    found, elsewhere = (whole(open_checkpoint(place))["a.weight"] for place in (other, path))
    assert not np.array_equal(found, elsewhere)


def test_layers_keep_what_they_keep(tmp_path: Path) -> None:
    kernel, bias, gain = normal(6, 4, 3, 2), normal(6), normal(6)
    layers = [
        "Convolution conv 1 1 data a 0=6 1=2 11=3 5=1 6=144",
        "BatchNorm norm 1 1 a b 0=6",
        "Pooling pool 1 1 b c 0=0 1=2",
        "Scale scale 1 1 c d 0=6 1=1",
    ]
    values = tagged(kernel) + bias.tobytes() + np.concatenate([gain, bias, gain, bias, gain, bias]).tobytes()
    found = whole(open_checkpoint(ncnn_model(tmp_path, layers, values)))
    assert np.array_equal(found["conv.weight"], kernel)
    assert np.array_equal(found["conv.bias"], bias)
    assert list(found)[2:] == [
        "norm.weight", "norm.running_mean", "norm.running_var", "norm.bias", "scale.weight", "scale.bias",
    ]  # fmt: skip


def test_a_transposed_convolution_is_in_by_out(tmp_path: Path) -> None:
    kernel = normal(6, 4, 3, 3)
    path = ncnn_model(tmp_path, ["Deconvolution up 1 1 a b 0=6 1=3 6=216"], tagged(kernel))
    assert np.array_equal(whole(open_checkpoint(path))["up.weight"], kernel.transpose(1, 0, 2, 3))


def test_gates_of_an_lstm_are_brought_to_the_order_of_torch(tmp_path: Path) -> None:
    inner, bias, state = normal(2, 4, 5, 3), normal(2, 4, 5), normal(2, 4, 5, 5)
    values = tagged(inner) + tagged(bias) + tagged(state)
    found = whole(open_checkpoint(ncnn_model(tmp_path, ["LSTM rnn 1 1 a b 0=5 1=120 2=2"], values)))
    order = [0, 1, 3, 2]
    for way, name in enumerate(("", "_reverse")):
        assert np.array_equal(found[f"rnn.weight_ih_l0{name}"], inner[way][order].reshape(20, 3))
        assert np.array_equal(found[f"rnn.weight_hh_l0{name}"], state[way][order].reshape(20, 5))
        assert np.array_equal(found[f"rnn.bias_l0{name}"], bias[way][order].reshape(20))


def test_integers_are_divided_by_the_scales_of_their_layer(tmp_path: Path) -> None:
    codes, scales = RNG.integers(-99, 99, (6, 5)).astype(np.int8), RNG.random(6).astype(np.float32) + 1
    layers = ["InnerProduct fc 1 1 a b 0=6 1=0 2=30 8=1"]
    checkpoint = open_checkpoint(ncnn_model(tmp_path, layers, tagged(codes) + scales.tobytes() + bytes(4)))
    assert np.array_equal(whole(checkpoint)["fc.weight"], codes / scales[:, None])
    assert checkpoint.tensors[0].encoding == "ncnn int8 per-channel"
    assert [name for name, _ in checkpoint.left_out] == ["fc.weight_scales", "fc.input_scales"]


def test_codes_number_a_table(tmp_path: Path) -> None:
    codes, table = RNG.integers(0, 256, (6, 5)).astype(np.uint8), normal(256)
    values = struct.pack("<I", 1) + table.tobytes() + codes.tobytes() + bytes(2)
    found = whole(open_checkpoint(ncnn_model(tmp_path, ["InnerProduct fc 1 1 a b 0=6 1=0 2=30"], values)))
    assert np.array_equal(found["fc.weight"], table[codes])


def test_the_values_may_be_named_instead_of_the_text(tmp_path: Path) -> None:
    write_ncnn(tmp_path, {"fc.weight": normal(4, 3)})
    assert list(whole(open_checkpoint(tmp_path / "net.bin"))) == ["fc.weight"]
    assert list(whole(open_checkpoint(tmp_path))) == ["fc.weight"]


def test_a_layer_that_is_not_known_is_named(tmp_path: Path) -> None:
    path = ncnn_model(tmp_path, ["Magic x 1 1 a b 0=4"], bytes(16))
    with pytest.raises(UnsupportedFormat, match="16 bytes belong to layers that are not known here: 'Magic'"):
        open_checkpoint(path)


def test_the_text_of_pnnx_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "net.param").write_text(param(["pnnx.Input in 0 1 0", "nn.Linear fc 1 1 0 1"]))
    with pytest.raises(UnsupportedFormat, match=r"text of PNNX.*\.ncnn\.param"):
        open_checkpoint(tmp_path / "net.param")


def test_missing_values_are_named(tmp_path: Path) -> None:
    (tmp_path / "net.param").write_text(param([]))
    with pytest.raises(NoWeights, match=r"its weights 'net\.bin' are missing"):
        open_checkpoint(tmp_path / "net.param")


# -- ANI ---------------------------------------------------------------------------------------


@pytest.fixture
def member(tmp_path: Path) -> Path:
    networks = {element: [(normal(4, 3), normal(4)), (normal(1, 4), normal(1))] for element in "HC"}
    return write_ani(tmp_path, networks)


def test_a_member_has_the_networks_of_all_elements(member: Path) -> None:
    found = whole(open_checkpoint(member))
    assert list(found) == [f"{e}.{i}.{leaf}" for e in "CH" for i in (0, 1) for leaf in ("weight", "bias")]
    assert found["H.0.weight"].tobytes() == (member / "ANN-H.nnf-l0.wparam").read_bytes()
    assert found["H.1.weight"].shape == (1, 4)


def test_any_of_its_files_stands_for_the_member(member: Path) -> None:
    first, second = (open_checkpoint(member / f"ANN-{element}.nnf") for element in "CH")
    assert [view.name for view in first.tensors] == [view.name for view in second.tensors]
    assert first.nbytes == second.nbytes == sum(path.stat().st_size for path in member.iterdir())


def test_values_that_are_missing_are_named(member: Path) -> None:
    (member / "ANN-H.nnf-l1.bparam").unlink()
    with pytest.raises(NoWeights, match=r"its values 'ANN-H\.nnf-l1\.bparam' are missing"):
        open_checkpoint(member)
