"""Parts of models: joined where the files say how, refused as parts where they do not, never taken for models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineage.checkpoints import open_checkpoint
from lineage.errors import CheckpointError, Malformed, NoWeights, Truncated, UnsupportedFormat
from lineage.types.facts.exclusions import NotAWeight
from tests import packed_models
from tests.checkpoint_files import safetensors_bytes, same_bits, whole
from tests.distributed_files import (
    Box,
    dtensor,
    halves,
    index,
    stored_at,
    tensor_metadata,
    write_boxes,
    write_distributed,
    write_metadata,
    write_rank,
    write_zero,
)
from tests.gguf_files import gguf_bytes, line
from tests.torch_files import Call, Glob, Storages, ordered_dict, write_legacy, write_zip

HIDDEN, FFN, VOCAB = 8, 12, 20
RNG = np.random.default_rng(5)


def drawn(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


ARRAYS = {"a.weight": drawn(6, 5), "b.weight": drawn(5, 7), "c.bias": drawn(5)}
META = {
    "tok_embeddings.weight": drawn(VOCAB, HIDDEN),
    "norm.weight": drawn(HIDDEN),
    "output.weight": drawn(VOCAB, HIDDEN),
    **{f"layers.0.attention.w{part}.weight": drawn(HIDDEN, HIDDEN) for part in "qkvo"},
    **{f"layers.0.feed_forward.w{part}.weight": drawn(FFN, HIDDEN) for part in "13"},
    "layers.0.feed_forward.w2.weight": drawn(HIDDEN, FFN),
    "layers.0.attention_norm.weight": drawn(HIDDEN),
    "rope.freqs": drawn(4),
}


def equal(path: Path, arrays: Mapping[str, np.ndarray]) -> bool:
    found = whole(open_checkpoint(path))
    return found.keys() == arrays.keys() and all(same_bits(found[name], arrays[name]) for name in arrays)


def refused(path: Path, said: str, kind: type[CheckpointError] = UnsupportedFormat) -> None:
    with pytest.raises(kind, match=said) as error:
        open_checkpoint(path)
    assert str(error.value).isprintable()
    assert error.value.exit_code == 12


def meta_ranks(folder: Path, world: int, *, embedding_axis: int = 1, name: str = "consolidated.{:02d}.pth") -> Path:
    """`META` cut as fairscale's layers cut it."""
    folder.mkdir(parents=True)
    for rank in range(world):
        storages, parts = Storages(), {}
        for key, array in META.items():
            axis = embedding_axis if "tok_" in key else 1 if key.endswith(("wo.weight", "w2.weight")) else 0
            part = array if array.ndim == 1 else np.split(array, world, axis)[rank]
            parts[key] = storages.tensor(np.ascontiguousarray(part))
        write_zip(folder / name.format(rank), ordered_dict(parts), storages)
    return folder


class TestTensorParallel:
    @pytest.mark.parametrize("world", [2, 4])
    @pytest.mark.parametrize("embedding_axis", [0, 1], ids=["by rows", "by columns"])
    def test_the_consolidated_files_of_all_ranks_are_one_model(
        self, world: int, embedding_axis: int, tmp_path: Path
    ) -> None:
        assert equal(meta_ranks(tmp_path / "m", world, embedding_axis=embedding_axis), META)

    def test_one_of_them_is_refused_beside_the_others_and_alone(self, tmp_path: Path) -> None:
        folder = meta_ranks(tmp_path / "m", 2)
        refused(folder / "consolidated.00.pth", "is rank 0 of 2, by its name: .* name the folder")
        (folder / "consolidated.00.pth").unlink()
        refused(folder / "consolidated.01.pth", "is rank 1, by its name: .* put all of them in one folder")
        refused(folder, "is rank 1, by its name")

    def test_a_lone_first_rank_is_told_by_its_shapes_and_a_whole_model_is_read(self, tmp_path: Path) -> None:
        folder = meta_ranks(tmp_path / "m", 2, embedding_axis=0)
        (folder / "consolidated.01.pth").unlink()
        refused(folder, "is rank 0, by its name, and holds 4 of 8 rows of 'layers.0.attention.wq.weight'")
        assert equal(meta_ranks(tmp_path / "whole", 1), META)

    def test_a_missing_rank_and_unknown_layers_are_named(self, tmp_path: Path) -> None:
        folder = meta_ranks(tmp_path / "m", 4)
        (folder / "consolidated.02.pth").unlink()
        refused(folder, "holds one model in 3 parts .*some are missing")
        for rank in range(2):
            storages = Storages()
            write_rank(tmp_path / f"n/consolidated.0{rank}.pth", {"x.weight": storages.tensor(drawn(2, 2))}, storages)
        refused(tmp_path / "n", "nothing says how tensor 'x.weight' is cut")

    @pytest.mark.parametrize(
        "name", ["model-rank-{}-part-0.pt", "mp_rank_0{}_model_states.pt", "model.tp{}.pt", "reshard-model_part-{}.pt"]
    )
    def test_ranks_that_do_not_say_how_they_were_cut_are_refused(self, name: str, tmp_path: Path) -> None:
        meta_ranks(tmp_path / "m", 2, name=name)
        refused(tmp_path / "m", "holds one model in 2 parts .*nothing in them says how")
        refused(tmp_path / "m" / name.format(1), "is rank 1 of 2, by its name")

    def test_megatron_keeps_a_folder_a_rank(self, tmp_path: Path) -> None:
        meta_ranks(tmp_path / "m/mp_rank_00", 1, name="model_optim_rng.pt")
        meta_ranks(tmp_path / "m/mp_rank_01", 1, name="model_optim_rng.pt")
        refused(tmp_path / "m", "one model in 2 parts, one a rank .mp_rank_00, mp_rank_01.")
        refused(tmp_path / "m/mp_rank_00", r"lies in the folder of rank 0 \(mp_rank_00\): one part of a model")
        refused(tmp_path / "m/mp_rank_01/model_optim_rng.pt", r"lies in the folder of rank 1 \(mp_rank_01\)")

    def test_the_only_rank_is_the_model(self, tmp_path: Path) -> None:
        meta_ranks(tmp_path / "m/mp_rank_00", 1, name="model_optim_rng.pt")
        assert open_checkpoint(tmp_path / "m/mp_rank_00").tensors

    @pytest.mark.parametrize("legacy", [False, True])
    def test_what_the_run_wrote_beside_the_weights_tells_a_part_under_any_name(
        self, legacy: bool, tmp_path: Path
    ) -> None:
        for key, value in (
            ("mp_world_size", 2),
            ("args", Call(Glob("argparse", "Namespace"), (), {"tensor_model_parallel_size": 4})),
        ):
            storages = Storages(legacy=legacy)
            held = {"module": {"w": storages.tensor(drawn(2, 2))}, key: value}
            path = (write_legacy if legacy else write_zip)(tmp_path / "weights.pt", held, storages)
            refused(path, "is one of [24] parts of a model .*_size [24]")
        storages = Storages()
        held = {"module": {"w": storages.tensor(drawn(2, 2))}, "mp_world_size": 1}
        assert [v.name for v in open_checkpoint(write_zip(tmp_path / "one.pt", held, storages)).tensors] == ["w"]

    @pytest.mark.parametrize("name", ["lora_rank16.safetensors", "style-rank-64.safetensors", "model_part_7.pt"])
    def test_the_rank_of_an_adapter_or_a_lone_number_is_no_part(self, name: str, tmp_path: Path) -> None:
        (tmp_path / name).write_bytes(safetensors_bytes(ARRAYS))
        assert equal(tmp_path / name, ARRAYS)

    def test_adapters_of_several_ranks_are_several_models(self, tmp_path: Path) -> None:
        for rank in (16, 32):
            (tmp_path / f"lora_rank{rank}.safetensors").write_bytes(safetensors_bytes(ARRAYS))
        assert equal(tmp_path / "lora_rank16.safetensors", ARRAYS)
        refused(tmp_path, "several models")


HUB = packed_models.dense(0)
RANK_NAMES = ["model_rank0.pt", "rank_0.pth", "model_tp_rank_00.pt", "weights.part-0.pt", "checkpoint_tp0.pt"]


def cut_by_rows(model: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rank 0 of 2, as the layers of tensor parallelism cut it."""
    made = {}
    for name, array in model.items():
        axis = 1 if "o_proj" in name or "down_proj" in name or "c_proj" in name else 0
        made[name] = array if array.ndim == 1 else np.ascontiguousarray(np.split(array, 2, axis)[0])
    return made


LONE: dict[str, tuple[dict[str, np.ndarray], dict[str, int], str]] = {
    "half of the rows": (cut_by_rows(HUB), {}, "holds 32 of 64 rows of .*q_proj"),
    "half of the rows, fused": (
        cut_by_rows(packed_models.fused(HUB, "self_attn.query_key_value", packed_models.stacked)), {},
        "holds 32 of 64 columns of .*o_proj",
    ),
    "half of the MLP alone": (
        HUB | {n: cut_by_rows(HUB)[n] for n in HUB if ".mlp." in n},
        {"intermediate_size": packed_models.UNITS, "hidden_size": packed_models.WIDTH},
        "holds 48 of 96 rows of .*gate_proj",
    ),
    "half of the tokens": (
        HUB | {"model.embed_tokens.weight": HUB["model.embed_tokens.weight"][:48]}, {"vocab_size": 96},
        "holds 48 of 96 rows of .*embed_tokens",
    ),
    "the first layers": (
        {n: a for n, a in HUB.items() if "layers.1." not in n and n != "model.norm.weight"}, {},
        "lacks what comes behind its layers",
    ),
    "the first layers, by the config": (
        {n: a for n, a in HUB.items() if "layers.1." not in n}, {"num_hidden_layers": 2, "hidden_size": 64},
        "lacks layer 1",
    ),
    "the last layers": (
        {n: a for n, a in HUB.items() if "layers.0." not in n and "embed" not in n}, {}, "lacks layer 0"
    ),
    "every other layer": (
        {n: a for n, a in HUB.items() if "layers.0." not in n}, {}, "lacks layer 0"
    ),
    "layers without embeddings": (
        {n: a for n, a in HUB.items() if "embed" not in n}, {}, "lacks what comes before its layers"
    ),
}  # fmt: skip


class TestALoneRank:
    @pytest.mark.parametrize("name", RANK_NAMES)
    @pytest.mark.parametrize("case", LONE)
    def test_a_part_is_refused_and_what_it_lacks_is_named(self, case: str, name: str, tmp_path: Path) -> None:
        arrays, config, said = LONE[case]
        self.write(tmp_path / name, arrays)
        (tmp_path / "config.json").write_text(json.dumps(config))
        for path in (tmp_path / name, tmp_path):
            refused(path, f"is rank 0, by its name, and {said}.*: one part of a model")

    @pytest.mark.parametrize("name", RANK_NAMES)
    def test_the_whole_model_that_the_first_rank_saved_is_read(self, name: str, tmp_path: Path) -> None:
        config = {"num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 96, "vocab_size": 96}
        for settings in ({}, config, {"num_attention_heads": 4, "head_dim": 16}):
            (tmp_path / "config.json").write_text(json.dumps(settings))
            self.write(tmp_path / name, HUB)
            assert equal(tmp_path / name, HUB)
            assert equal(tmp_path, HUB)

    def test_fewer_queries_than_the_model_is_wide_are_none_missing_if_the_config_says_so(self, tmp_path: Path) -> None:
        few = {n: a for n, a in cut_by_rows(HUB).items() if "_proj" in n and "self_attn" in n}
        self.write(tmp_path / "model_rank0.pt", HUB | few)
        (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": 4, "head_dim": 8, "hidden_size": 64}))
        assert equal(tmp_path, HUB | few)

    def test_convolutional_nets_and_adapters_with_a_rank_in_their_name_are_read(self, tmp_path: Path) -> None:
        self.write(tmp_path / "resnet_rank5.pt", ARRAYS)
        assert equal(tmp_path / "resnet_rank5.pt", ARRAYS)

    def write(self, path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
        storages = Storages()
        return write_zip(path, ordered_dict({n: storages.tensor(a) for n, a in arrays.items()}), storages)


class TestDistributedTensors:
    def write(self, folder: Path, placed: Mapping[str, Any], *, layout: bool = False, world: int = 2) -> Path:
        """One file a rank of a mesh of one axis; `placed` is the axis that is cut, None for copies."""
        for rank in range(world):
            storages, parts = Storages(), {}
            for name, array in ARRAYS.items():
                axis = placed[name]
                length = -(-array.shape[axis or 0] // world)
                cut = slice(length * rank, length * (rank + 1))
                local = array if axis is None else array[(slice(None),) * axis + (cut,)]
                local = np.ascontiguousarray(local)
                parts[name] = dtensor(storages, local, array.shape, [axis], [rank], [world], layout=layout)
            write_rank(folder / f"model_world_size_{world}_rank_{rank}.pt", parts, storages)
        return folder

    @pytest.mark.parametrize("layout", [False, True], ids=["mesh tensor", "mesh layout"])
    @pytest.mark.parametrize("world", [2, 3])
    def test_the_files_of_all_ranks_are_one_model(self, layout: bool, world: int, tmp_path: Path) -> None:
        placed = {"a.weight": 0, "b.weight": 1, "c.bias": None}
        assert equal(self.write(tmp_path / "m", placed, layout=layout, world=world), ARRAYS)

    def test_a_rank_without_rows_of_a_short_tensor(self, tmp_path: Path) -> None:
        assert equal(self.write(tmp_path / "m", dict.fromkeys(ARRAYS, 0), world=4), ARRAYS)

    def test_one_of_them_is_a_part_under_any_name(self, tmp_path: Path) -> None:
        folder = self.write(tmp_path / "m", dict.fromkeys(ARRAYS, 0))
        refused(
            folder / "model_world_size_2_rank_0.pt", r"one rank's part of a model .of 'a.weight', \(6, 5\), it holds"
        )
        (tmp_path / "weights.pt").write_bytes((folder / "model_world_size_2_rank_1.pt").read_bytes())
        refused(tmp_path / "weights.pt", "one rank's part of a model")

    def test_a_missing_rank_leaves_a_gap(self, tmp_path: Path) -> None:
        folder = self.write(tmp_path / "m", dict.fromkeys(ARRAYS, 0), world=3)
        (folder / "model_world_size_3_rank_1.pt").unlink()
        refused(folder, "tensor 'a.weight' has 20 of its 30 values: a part of it is missing", Malformed)

    def test_copies_in_a_mesh_of_two_axes_count_once(self, tmp_path: Path) -> None:
        array = ARRAYS["a.weight"]
        for rank in range(4):
            storages, coordinates = Storages(), divmod(rank, 2)
            local = np.ascontiguousarray(np.split(array, 2)[coordinates[1]])
            parts = {"a.weight": dtensor(storages, local, (6, 5), [None, 0], coordinates, [2, 2])}
            write_rank(tmp_path / f"m/model_world_size_4_rank_{rank}.pt", parts, storages)
        assert equal(tmp_path / "m", {"a.weight": array})

    def test_an_axis_cut_twice_is_cut_in_the_order_of_the_mesh(self, tmp_path: Path) -> None:
        array = drawn(8, 3)
        for rank in range(4):
            storages = Storages()
            local = np.ascontiguousarray(np.split(array, 4)[rank])
            parts = {"w": dtensor(storages, local, (8, 3), [0, 0], divmod(rank, 2), [2, 2])}
            write_rank(tmp_path / f"m/model_world_size_4_rank_{rank}.pt", parts, storages)
        assert equal(tmp_path / "m", {"w": array})

    @pytest.mark.parametrize("placement", ["_StridedShard", "Partial"])
    def test_a_cut_that_is_not_read_is_refused(self, placement: str, tmp_path: Path) -> None:
        storages = Storages()
        parts = {"w": dtensor(storages, drawn(3, 5), (6, 5), [placement], [0], [2])}
        refused(
            write_rank(tmp_path / "w.pt", parts, storages), "one rank's part of tensor 'w', cut in a way that is not"
        )

    def test_a_mesh_of_one_rank_has_the_whole(self, tmp_path: Path) -> None:
        assert equal(self.write(tmp_path / "m", dict.fromkeys(ARRAYS, 0), world=1), ARRAYS)


class TestTorchDistributed:
    def test_parts_by_columns_and_in_four(self, tmp_path: Path) -> None:
        array = ARRAYS["a.weight"]
        quarters: list[Box] = [
            ((top, left), np.ascontiguousarray(array[top : top + 3, left : left + width]))
            for top in (0, 3)
            for left, width in ((0, 2), (2, 3))
        ]
        boxes = {"a.weight": quarters, "b.weight": halves(ARRAYS["b.weight"], 1), "c.bias": halves(ARRAYS["c.bias"])}
        folder = write_boxes(tmp_path / "m", boxes, {name: array.shape for name, array in ARRAYS.items()})
        assert equal(folder, ARRAYS)
        view = next(view for view in open_checkpoint(folder).tensors if view.name == "a.weight")
        assert all(np.array_equal(view.rows(i, j), array[i:j]) for i in range(7) for j in range(i, 7))

    def test_the_optimizer_is_left_out_unread_and_the_wrapper_dropped(self, tmp_path: Path) -> None:
        folder = write_distributed(tmp_path, ARRAYS | {"optim.state.a.exp_avg": drawn(6, 5)})
        checkpoint = open_checkpoint(folder)
        assert [view.name for view in checkpoint.tensors] == list(ARRAYS)
        assert checkpoint.left_out == (("model.optim.state.a.exp_avg", NotAWeight("optimizer-state")),)
        assert checkpoint.nbytes == sum(file.stat().st_size for file in folder.iterdir())

    def test_the_listing_itself_opens_the_model_and_a_part_does_not(self, tmp_path: Path) -> None:
        folder = write_distributed(tmp_path / "Nova", ARRAYS)
        (folder / "config.json").write_text('{"model_type": "llama"}')
        checkpoint = open_checkpoint(folder / ".metadata")
        assert (checkpoint.name, checkpoint.config) == ("Nova", {"model_type": "llama"})
        refused(folder / "__0_0.distcp", "is a part of a model, .* name the folder")

    def test_a_missing_or_cut_file_is_named(self, tmp_path: Path) -> None:
        folder = write_distributed(tmp_path, ARRAYS)
        content = (folder / "__1_0.distcp").read_bytes()
        (folder / "__1_0.distcp").write_bytes(content[:-10])
        refused(folder, "parts up to byte .* are listed", Truncated)
        (folder / "__1_0.distcp").unlink()
        refused(folder, "part '__1_0.distcp' is missing", NoWeights)
        write_distributed(tmp_path, ARRAYS)
        (folder / ".metadata").unlink()
        refused(folder, "holds 2 .distcp without the .metadata that places them", NoWeights)

    def test_whole_weights_beside_it_come_first(self, tmp_path: Path) -> None:
        (write_distributed(tmp_path, ARRAYS) / "model.safetensors").write_bytes(safetensors_bytes({"w": drawn(2, 2)}))
        assert [view.name for view in open_checkpoint(tmp_path).tensors] == ["w"]

    def test_a_run_may_keep_its_model_in_a_folder_of_its_own(self, tmp_path: Path) -> None:
        write_distributed(tmp_path / "step-10/model", ARRAYS)
        (tmp_path / "step-10/trainer_state.json").write_text("{}")
        assert equal(tmp_path / "step-10", ARRAYS)

    def test_compressed_parts_are_refused(self, tmp_path: Path) -> None:
        place = (index("w", (0,)), stored_at("__0_0.distcp", 0, 9, transform_descriptors=["zstd"]))
        write_metadata(tmp_path, {"w": tensor_metadata((3,), [((0,), (3,))])}, [place])
        (tmp_path / "__0_0.distcp").write_bytes(bytes(9))
        refused(tmp_path, "compressed or encrypted")


class TestFlatAndSharded:
    @pytest.mark.parametrize("name", ["_flat_param", "layers.0._flat_param", "_fsdp_wrapped_module.flat_param_0"])
    def test_flat_parameters_are_refused(self, name: str, tmp_path: Path) -> None:
        storages = Storages()
        path = write_rank(tmp_path / "w.pt", {name: storages.tensor(drawn(64))}, storages)
        refused(path, "holds FSDP's flat parameters")
        refused(write_distributed(tmp_path / "d", {name: drawn(64)}), "holds FSDP's flat parameters")

    def test_sharded_tensors_are_refused_at_their_first_mention(self, tmp_path: Path) -> None:
        storages = Storages()
        kind = Glob("torch.distributed._shard.sharded_tensor.api", "ShardedTensor")
        arguments = (Glob("torch._utils", "_rebuild_wrapper_subclass"), kind, (kind, None, (4, 4)), {})
        wrapped = Call(Glob("torch._tensor", "_rebuild_from_type_v2"), arguments)
        for value in (Call(kind, (), ([], {}, None)), wrapped):
            path = write_rank(tmp_path / "w.pt", {"w": value, "b": storages.tensor(drawn(2))}, storages)
            refused(path, "one rank's shards of tensors .torch's ShardedTensor.")

    def test_deepspeed_keeps_whole_weights_beside_the_parts_of_its_optimizer(self, tmp_path: Path) -> None:
        storages = Storages()
        held = {"module": {n: storages.tensor(a) for n, a in ARRAYS.items()}, "mp_world_size": 1, "dp_world_size": 2}
        held |= {"ds_config": {"zero_optimization": {"stage": 2}}}
        write_zip(tmp_path / "mp_rank_00_model_states.pt", held, storages)
        for rank in (0, 1):
            name = f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
            write_zip(tmp_path / name, {"optimizer_state_dict": {}}, Storages())
        assert equal(tmp_path, ARRAYS)

    @pytest.mark.parametrize("name", ["zero_pp_rank_0_mp_rank_00_model_states.pt", "weights.pt"])
    def test_stage_three_of_zero_is_refused_by_what_it_says(self, name: str, tmp_path: Path) -> None:
        storages = Storages()
        held = {"module": {"w": storages.tensor(np.empty(0, np.float32))}, "mp_world_size": 1}
        held |= {"ds_config": {"zero_optimization": {"stage": 3}}}
        write_zip(tmp_path / name, held, storages)
        refused(tmp_path, "is one rank's part of a model .DeepSpeed ZeRO stage 3.: run zero_to_fp32.py")


class TestZero:
    """ZeRO stage 3: the weights are in the states of the optimizer, in runs by rank."""

    @pytest.mark.parametrize("ranks", [2, 3, 12])
    @pytest.mark.parametrize("first", ["zero", "bf16_zero"])
    def test_all_ranks_together_are_the_model(self, ranks: int, first: str, tmp_path: Path) -> None:
        frozen, buffers = {"d.weight": drawn(7, 3).astype(np.float16)}, {"e.table": drawn(4, 2)}
        folder = write_zero(tmp_path / "run/global_step9", ARRAYS, ranks, frozen=frozen, buffers=buffers, first=first)
        assert equal(folder, ARRAYS | frozen | buffers)
        assert equal(tmp_path / "run", ARRAYS | frozen | buffers)
        checkpoint = open_checkpoint(folder)
        assert (checkpoint.format, len(checkpoint.files)) == ("torch-zero3", 2 * ranks)
        view = next(view for view in checkpoint.tensors if view.name == "b.weight")
        assert same_bits(view.rows(2, 4), ARRAYS["b.weight"][2:4])

    def test_a_rank_alone_and_a_run_without_its_optimizer_are_refused(self, tmp_path: Path) -> None:
        folder = write_zero(tmp_path, ARRAYS)
        refused(folder / "zero_pp_rank_1_mp_rank_00_model_states.pt", "ZeRO stage 3")
        (folder / "bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt").unlink()
        refused(folder, "run zero_to_fp32.py")

    def test_more_ranks_than_are_there(self, tmp_path: Path) -> None:
        folder = write_zero(tmp_path, ARRAYS, 3)
        for kind in ("model", "optim"):
            first = "bf16_" if kind == "optim" else ""
            (folder / f"{first}zero_pp_rank_2_mp_rank_00_{kind}_states.pt").unlink()
        refused(folder, "is of '3' ranks, and 2 are there: add the others")

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"param_shapes": [{"a.weight": (1 << 40, 1 << 40)}]}, "overflows"),
            ({"param_shapes": [{"a.weight": (600, 5)}]}, "no values left for tensor 'a.weight'"),
            ({"param_shapes": [{"a.weight": (-6, 5)}]}, "not shapes by name"),
            ({"param_shapes": [{"a.weight": 5}]}, "not shapes by name"),
            ({"param_shapes": 7}, "a dictionary is missing"),
            ({"fp32_flat_groups": ["x"]}, "is not a vector"),
            ({"fp32_flat_groups": 7}, "holds no fp32_flat_groups"),
            ({"frozen_param_shapes": {"z": (3, 3)}}, "is not a vector"),
            ({"ds_autoep_layers": []}, "experts in parts of their own"),
            ({"optimizer_state_dict": 5, "partition_count": 99}, "of '99' ranks"),
        ],
    )
    def test_what_lies_is_refused(self, changes: dict[str, Any], said: str, tmp_path: Path) -> None:
        refused(write_zero(tmp_path, ARRAYS, changes=changes), said, CheckpointError)


class TestSplitGguf:
    def write(self, folder: Path, names: tuple[str, ...]) -> Path:
        folder.mkdir(exist_ok=True)
        for number, (name, (key, array)) in enumerate(zip(names, ARRAYS.items(), strict=True)):
            metadata = {"split.no": number, "split.count": len(names)}
            (folder / name).write_bytes(gguf_bytes([line(key, array)], metadata))
        return folder

    @pytest.mark.parametrize(
        "names",
        [
            ("part0.gguf", "part1.gguf", "part2.gguf"),
            ("z.gguf", "b.gguf", "a.gguf"),
            ("m-a.gguf", "m-b.gguf", "c.gguf"),
        ],
        ids=["numbered", "backwards", "unlike"],
    )
    def test_parts_under_any_name_are_one_model_and_each_is_a_part(
        self, names: tuple[str, ...], tmp_path: Path
    ) -> None:
        folder = self.write(tmp_path / "m", names)
        assert equal(folder, ARRAYS)
        for number, name in enumerate(names, 1):
            refused(folder / name, f"is part {number} of 3 of a split model, by its header")

    def test_a_missing_part_is_not_made_up(self, tmp_path: Path) -> None:
        folder = self.write(tmp_path / "m", ("x.gguf", "y.gguf", "z.gguf"))
        (folder / "y.gguf").unlink()
        refused(folder, "several models .x.gguf, z.gguf.")
        (folder / "z.gguf").unlink()
        refused(folder, "is part 1 of 3 of a split model")
