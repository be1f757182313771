"""PyTorch files: views of storages, nesting, wrappers, what is left out, foreign objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.io.views import EMPTY
from lineage.errors import Malformed, NoWeights, UnsupportedDtype, UnsupportedFormat
from lineage.types import Checkpoint
from lineage.types.facts.exclusions import NotAWeight, NotRead, UnreadType
from tests.checkpoint_files import same_bits, whole
from tests.torch_files import (
    Call,
    Glob,
    Module,
    Persistent,
    Raw,
    Storages,
    example,
    module_of,
    ordered_dict,
    pickled,
    write_legacy,
    write_program,
    write_zip,
)

MATRIX = np.arange(24, dtype=np.float32).reshape(6, 4)


def opened(tmp_path: Path, value: Any, storages: Storages) -> Checkpoint:
    write = write_legacy if storages.legacy else write_zip
    return open_checkpoint(write(tmp_path / "net.pt", value, storages))


def names(checkpoint: Checkpoint) -> list[str]:
    return [view.name for view in checkpoint.tensors]


@pytest.fixture(params=[False, True], ids=["zip", "legacy"])
def storages(request: pytest.FixtureRequest) -> Storages:
    return Storages(legacy=request.param)


class TestViews:
    @pytest.mark.parametrize(
        ("offset", "shape", "strides", "expected"),
        [
            (0, (4, 6), (1, 4), MATRIX.T),
            (4, (2, 4), (4, 1), MATRIX[1:3]),
            (1, (3, 2), (8, 2), MATRIX[::2, 1::2]),
            (5, (), (), MATRIX[1, 1]),
            (0, (6, 1, 4), (4, 99, 1), MATRIX[:, None]),
        ],
        ids=["transposed", "rows", "every second", "scalar", "side of one"],
    )
    def test_a_strided_view_reads_the_right_values(
        self, storages: Storages, tmp_path: Path, offset: int, shape: Any, strides: Any, expected: np.ndarray
    ) -> None:
        key = storages.add(MATRIX)
        checkpoint = opened(tmp_path, {"w": storages.view(key, offset, shape, strides)}, storages)
        assert same_bits(whole(checkpoint)["w"], np.ascontiguousarray(expected).reshape(shape))

    def test_tied_tensors_share_their_storage_and_parts_of_it_do_not(self, storages: Storages, tmp_path: Path) -> None:
        key = storages.add(MATRIX)
        tied = storages.view(key, 0, (6, 4), (4, 1))
        value = {
            "embed": tied, "head": tied, "half": storages.view(key, 12, (3, 4), (4, 1)),
            "turned": storages.view(key, 0, (4, 6), (1, 4)), "own": storages.tensor(MATRIX),
        }  # fmt: skip
        by_name = {view.name: view.storage for view in opened(tmp_path, value, storages).tensors}
        assert by_name["embed"] == by_name["head"]
        assert len(set(by_name.values())) == 4

    def test_a_repeated_view_is_left_out(self, storages: Storages, tmp_path: Path) -> None:
        key = storages.add(np.ones(4, np.float32))
        value = {"w": storages.tensor(MATRIX), "mask": storages.view(key, 0, (9, 4), (0, 1))}
        checkpoint = opened(tmp_path, value, storages)
        assert names(checkpoint) == ["w"]
        assert checkpoint.left_out == (("mask", NotAWeight("repeated-view")),)

    def test_a_view_beyond_its_storage_is_refused(self, storages: Storages, tmp_path: Path) -> None:
        key = storages.add(MATRIX)
        with pytest.raises(Malformed, match="tensor 'w' needs 100 bytes of its storage, which has 96"):
            opened(tmp_path, {"w": storages.view(key, 1, (6, 4), (4, 1))}, storages)

    def test_bands_of_a_large_transposed_matrix_read_little_more_than_the_band(self, tmp_path: Path) -> None:
        storages = Storages()
        large = np.arange(1500 * 1400, dtype=np.float64).reshape(1500, 1400)
        key = storages.add(large)
        checkpoint = opened(tmp_path, {"w": storages.view(key, 0, (1400, 1500), (1, 1400))}, storages)
        before = checkpoint.meter.bytes_read
        band = checkpoint.tensors[0].rows(100, 164)
        assert same_bits(band, np.ascontiguousarray(large.T[100:164]))
        assert checkpoint.meter.bytes_read - before <= 1 << 20

    def test_a_legacy_storage_may_be_a_view_of_another(self, tmp_path: Path) -> None:
        storages = Storages(legacy=True)
        key = storages.add(MATRIX)
        tensor = storages.view(key, 2, (2, 2), (2, 1))
        tensor.arguments[0].identity = (*storages.storage(key).identity[:5], ("view", 4, 20))
        assert whole(opened(tmp_path, {"w": tensor}, storages))["w"].tolist() == [[6, 7], [8, 9]]

    def test_a_class_of_a_whole_legacy_module_comes_with_its_source(self, tmp_path: Path) -> None:
        storages = Storages(legacy=True)
        layer = Persistent(("module", Glob("torch.nn", "Linear"), "linear.py", "class Linear: ..."))
        state = {"training": False, "_parameters": ordered_dict({"weight": storages.tensor(MATRIX)})}
        inner = Call(layer, (), state)  # type: ignore[arg-type]  # a class by its persistent id
        net = Persistent(("module", Glob("nets", "Net"), "net.py", "class Net: ..."))
        outer = Call(net, (), {"_modules": ordered_dict({"fc": inner})})  # type: ignore[arg-type]
        assert same_bits(whole(opened(tmp_path, outer, storages))["fc.weight"], MATRIX)

    def test_a_persistent_id_of_no_class_is_no_storage(self, tmp_path: Path) -> None:
        storages = Storages(legacy=True)
        tensor = storages.tensor(MATRIX)
        tensor.arguments = (Persistent(("elsewhere", "0")), *tensor.arguments[1:])
        with pytest.raises(Malformed, match="a tensor without storage"):
            opened(tmp_path, {"w": tensor}, storages)


class TestTypes:
    @pytest.mark.parametrize("big_endian", [False, True])
    def test_every_storage_class(self, tmp_path: Path, big_endian: bool) -> None:
        storages = Storages()
        value = ordered_dict({name: storages.tensor(array) for name, array in example().items()})
        checkpoint = open_checkpoint(write_zip(tmp_path / "net.pt", value, storages, big_endian=big_endian))
        found = whole(checkpoint)
        for name, array in example().items():
            assert same_bits(found[name], array)

    @pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, np.uint16, np.float32])
    def test_an_untyped_storage_takes_the_dtype_of_its_tensor(self, tmp_path: Path, dtype: Any) -> None:
        storages = Storages()
        array = np.arange(12).astype(dtype).reshape(3, 4)
        checkpoint = opened(tmp_path, {"w": storages.tensor_v3(array)}, storages)
        assert same_bits(whole(checkpoint)["w"], array)

    def test_a_storage_below_a_byte_is_refused_by_name(self, tmp_path: Path) -> None:
        storages = Storages()
        tensor = storages.tensor(np.ones(4, np.int8))
        identity = tensor.arguments[0].identity
        tensor.arguments[0].identity = (identity[0], Glob("torch", "QUInt4x2Storage"), *identity[2:])
        with pytest.raises(UnsupportedDtype, match=r"torch\.QUInt4x2Storage"):
            opened(tmp_path, {"w": tensor}, storages)
        checkpoint = opened(tmp_path, {"w": tensor, "v": storages.tensor(np.ones(12, np.float32))}, storages)
        assert [view.name for view in checkpoint.tensors] == ["v"]
        assert checkpoint.left_out == (("w", UnreadType("torch.QUInt4x2Storage")),)
        assert checkpoint.unread == 4

    def test_numpy_and_meta_values_are_left_out(self, tmp_path: Path) -> None:
        storages = Storages()
        numpy_array = Call(
            Glob("numpy.core.multiarray", "_reconstruct"),
            (Glob("numpy", "ndarray"), (0,), b"b"),
            (1, (2,), Call(Glob("numpy", "dtype"), ("f4", False, True)), False, bytes(8)),
        )
        meta = Call(Glob("torch._utils", "_rebuild_meta_tensor_no_storage"), (None, ()))
        value = {"w": storages.tensor(MATRIX), "history": numpy_array, "adjacency": meta}
        assert dict(opened(tmp_path, value, storages).left_out) == {
            "history": NotRead("array-in-pickle"),
            "adjacency": NotRead("meta-tensor"),
        }

    def test_what_optimizers_keep_sparse_is_no_weight(self, storages, tmp_path) -> None:
        function = Glob("torch._utils", "_rebuild_wrapper_subclass")
        arguments = (function, Glob("torchao", "Packed"), (Glob("torchao", "Packed"), None, (30, 20)), {})
        unread = Call(Glob("torch._tensor", "_rebuild_from_type_v2"), arguments)
        assert opened(tmp_path, {"w": storages.tensor(MATRIX), "optimizer": {"a": unread}}, storages).unread == 0


class TestNames:
    @pytest.mark.parametrize(
        ("wrap", "expected"),
        [
            (lambda t: {"a.weight": t[0], "b.weight": t[1]}, ["a.weight", "b.weight"]),
            (lambda t: {"state_dict": {"a.weight": t[0], "b.weight": t[1]}}, ["a.weight", "b.weight"]),
            (lambda t: {"model": {"state_dict": {"a": {"w": t[0]}, "b": [t[1]]}}, "epoch": 4}, ["a.w", "b.0"]),
            (lambda t: {"module.a": t[0], "module.b": t[1]}, ["a", "b"]),
            (lambda t: {"model": {"a": t[0]}, "critic": {"a": t[1]}}, ["model.a", "critic.a"]),
            (lambda t: {"generator": {"a": t[0], "b": t[1]}}, ["generator.a", "generator.b"]),
            (lambda t: {"model": None, "ema": {"a": t[0], "b": t[1]}}, ["a", "b"]),
            (lambda t: [t[0], t[1]], ["0", "1"]),
        ],
    )
    def test_wrappers_that_hold_everything_are_dropped(
        self, storages: Storages, tmp_path: Path, wrap: Any, expected: list[str]
    ) -> None:
        tensors = [storages.tensor(MATRIX), storages.tensor(MATRIX + 1)]
        assert names(opened(tmp_path, wrap(tensors), storages)) == expected

    def test_one_tensor_alone_gets_a_name(self, storages: Storages, tmp_path: Path) -> None:
        assert names(opened(tmp_path, storages.tensor(MATRIX), storages)) == ["tensor"]

    def test_optimizer_state_counters_and_averages_are_left_out(self, storages: Storages, tmp_path: Path) -> None:
        def fresh() -> Call:
            return storages.tensor(MATRIX)

        value = {
            "model": {"fc.weight": fresh(), "bn.num_batches_tracked": fresh()},
            "ema": {"fc.weight": fresh()},
            "optimizer": {"state": {0: {"exp_avg": fresh(), "step": fresh()}}, "param_groups": [{"lr": 0.1}]},
            "lr_scheduler": {"buffer": fresh()},
            "rng_state": fresh(),
        }
        checkpoint = opened(tmp_path, value, storages)
        assert names(checkpoint) == ["fc.weight"]
        assert dict(checkpoint.left_out) == {
            "model.bn.num_batches_tracked": NotAWeight("training-counter"),
            "ema.fc.weight": NotAWeight("moving-average"),
            "optimizer.state.0.exp_avg": NotAWeight("optimizer-state"),
            "optimizer.state.0.step": NotAWeight("optimizer-state"),
            "lr_scheduler.buffer": NotAWeight("optimizer-state"),
            "rng_state": NotAWeight("random-state"),
        }

    def test_an_average_of_other_weights_stays(self, tmp_path: Path) -> None:
        storages = Storages()
        value = {"ema": {"fc.weight": storages.tensor(MATRIX)}, "loss_weight": storages.tensor(MATRIX)}
        assert names(opened(tmp_path, value, storages)) == ["ema.fc.weight", "loss_weight"]

    def test_optimizer_state_alone_is_no_model(self, tmp_path: Path) -> None:
        storages = Storages()
        value = {"state": {0: {"exp_avg": storages.tensor(MATRIX)}}, "param_groups": []}
        with pytest.raises(NoWeights, match=r"holds no weights; 1 left out \(optimizer state\)"):
            opened(tmp_path, value, storages)

    def test_a_few_tensors_without_elements_are_left_out_and_many_refused(self, tmp_path: Path) -> None:
        storages = Storages()
        value = {name: storages.tensor(MATRIX) for name in ("a", "b", "c")}
        value |= {name: storages.tensor(np.empty(0, np.float32)) for name in ("a.bias", "b.bias")}
        checkpoint = opened(tmp_path, value, storages)
        assert names(checkpoint) == ["a", "b", "c"]
        assert checkpoint.left_out == (("a.bias", EMPTY), ("b.bias", EMPTY))
        del value["c"]
        with pytest.raises(Malformed, match=r"'a\.bias' has no elements"):
            opened(tmp_path, value, storages)

    @pytest.mark.parametrize("name", ["Any", "Dict", "List", "Union"])
    def test_names_of_types_beside_the_weights_are_swallowed(self, name: str, tmp_path: Path) -> None:
        """As OmegaConf keeps with every setting of a Lightning checkpoint."""
        storages = Storages()
        value = {"state_dict": {"a": storages.tensor(MATRIX)}, "hyper_parameters": {"ref_type": Glob("typing", name)}}
        assert names(opened(tmp_path, value, storages)) == ["a"]

    def test_two_tensors_of_one_name_are_refused(self, tmp_path: Path) -> None:
        storages = Storages()
        value = {"a": {"b": storages.tensor(MATRIX)}, "a.b": storages.tensor(MATRIX)}
        with pytest.raises(Malformed, match=r"two tensors are named 'a\.b'"):
            opened(tmp_path, value, storages)


class TestPrograms:
    def test_modules_inside_modules_give_their_parameters_and_buffers(self, tmp_path: Path) -> None:
        storages = Storages()
        tensors = {name: storages.tensor(array) for name, array in example().items()}
        checkpoint = open_checkpoint(write_program(tmp_path / "net.jit", module_of(tensors), storages))
        assert (checkpoint.format, set(names(checkpoint))) == ("torchscript", set(example()))
        for name, array in whole(checkpoint).items():
            assert same_bits(array, example()[name])

    def test_frozen_weights_lie_among_the_constants(self, tmp_path: Path) -> None:
        arrays = [np.ones((3, 2), np.float32), np.arange(4, dtype=np.float32), np.zeros(0, np.float32)]
        checkpoint = open_checkpoint(write_program(tmp_path / "net.jit", module_of({}), Storages(), arrays))
        found = whole(checkpoint)
        assert np.array_equal(found["constants.0"], arrays[0])
        assert np.array_equal(found["constants.1"], arrays[1])
        assert checkpoint.left_out == (("constants.2", EMPTY),)

    def test_attributes_that_are_no_tensors_do_not_matter(self, tmp_path: Path) -> None:
        storages = Storages()
        numbers = Call(Glob("torch.jit._pickle", "build_intlist"), ([8000, 16000],))
        tagged = Call(Glob("torch.jit._pickle", "restore_type_tag"), ([storages.tensor(MATRIX)], "List[Tensor]"))
        program = Module("net", {"w": storages.tensor(MATRIX), "rates": numbers, "parts": tagged, "_hook": None})
        checkpoint = open_checkpoint(write_program(tmp_path / "net.jit", program, storages))
        assert names(checkpoint) == ["w", "parts.0"]


class TestForeignObjects:
    def test_unknown_classes_in_the_metadata_do_not_matter(self, storages: Storages, tmp_path: Path) -> None:
        value = {
            "config": Call(Glob("chgnet.model.model", "CHGNet"), (1, "x"), {"depth": 4}),
            "arguments": Call(Glob("argparse", "Namespace"), (), {"lr": 0.1}),
            "where": Call(Glob("pathlib", "PosixPath"), ("/", "data")),
            "loss": Call(Glob("numpy.core.multiarray", "scalar"), (Glob("numpy", "dtype"), b"\0" * 8)),
            "activation": Glob("torch.nn.functional", "relu"),
            "counts": Call(Glob("collections", "defaultdict"), (Glob("builtins", "int"),)),
            "state_dict": {"w": storages.tensor(MATRIX)},
        }
        assert names(opened(tmp_path, value, storages)) == ["w"]

    def test_a_whole_pickled_module_gives_its_weights(self, storages: Storages, tmp_path: Path) -> None:
        def module(parameters: dict[str, Any], modules: dict[str, Any]) -> Call:
            state = {"training": True, "_parameters": ordered_dict(parameters), "_modules": ordered_dict(modules)}
            return Call(Glob("my.nets", "Net"), (), state)

        weight = Call(Glob("torch._utils", "_rebuild_parameter"), (storages.tensor(MATRIX), True, ordered_dict()))
        value = {"model": module({}, {"fc": module({"weight": weight, "bias": None}, {})})}
        assert names(opened(tmp_path, value, storages)) == ["fc.weight"]

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "getattr"),
            ("__builtin__", "exec"),
            ("subprocess", "Popen"), ("functools", "partial"), ("torch.hub", "load"), ("numpy.testing", "runstring"),
            ("pip", "main"), ("torch", "load"), ("operator", "attrgetter"),
        ],
    )  # fmt: skip
    def test_a_call_of_a_function_is_refused_by_name(
        self, storages: Storages, tmp_path: Path, module: str, name: str
    ) -> None:
        value = {"w": storages.tensor(MATRIX), "x": Call(Glob(module, name), ("true",))}
        with pytest.raises(Malformed, match=f"asks to call {module}.{name}: refused, nothing was run"):
            opened(tmp_path, value, storages)

    def test_a_function_named_on_the_stack_is_refused_too(self, tmp_path: Path) -> None:
        code = b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R"
        with pytest.raises(Malformed, match=r"asks to call os\.system"):
            opened(tmp_path, Raw(code), Storages())

    def test_a_bare_pickle_that_torch_did_not_write_is_unsupported(self, tmp_path: Path) -> None:
        (tmp_path / "net.pt").write_bytes(pickled({"w": [1.0, 2.0]}))
        with pytest.raises(UnsupportedFormat, match=r"a pickle, but not one that torch\.save wrote"):
            open_checkpoint(tmp_path / "net.pt")
