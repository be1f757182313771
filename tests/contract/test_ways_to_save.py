"""The same weights are the same model however they were saved; docs/formats.md says for each way what the answer is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lineage.ancestry import compare
from lineage.checkpoints import open_checkpoint
from lineage.errors import UnsupportedFormat
from lineage.types import CheckpointSketch, Relation
from lineage.types.facts.exclusions import AdapterPart, NotAWeight
from tests.checkpoint_files import sketched, write_safetensors

Arrays = dict[str, np.ndarray]
DOC = Path(__file__).parents[2] / "docs" / "formats.md"
D, TOKENS = 64, 160
HEAD, TABLE = "lm_head.weight", "model.embed_tokens.weight"
RNG = np.random.default_rng(7)


def matrix(*shape: int) -> np.ndarray:
    """Units of unlike size, as training leaves them."""
    sizes = RNG.gamma(2, 0.5, (shape[0], *[1] * (len(shape) - 1)))
    return (RNG.standard_normal(shape) * sizes / 8).astype(np.float32)


def decoder() -> Arrays:
    """A decoder with a head of its own."""
    shapes = {f"self_attn.{part}_proj": (D, D) for part in "qkvo"}
    shapes |= {"mlp.gate_proj": (128, D), "mlp.up_proj": (128, D), "mlp.down_proj": (D, 128)}
    layers = {f"model.layers.{i}.{name}.weight": matrix(*shape) for i in range(2) for name, shape in shapes.items()}
    return {TABLE: matrix(TOKENS, D), **layers, HEAD: matrix(TOKENS, D)}


def convolutions() -> Arrays:
    """A network on a waveform, with a linear classifier."""
    shapes = {"conv1": (48, 1, 96), "conv2": (32, 48, 16), "conv3": (40, 32, 16), "conv4": (64, 40, 8)}
    return {f"{n}.weight": matrix(*s) for n, s in shapes.items()} | {"classifier.weight": matrix(90, 128)}


def encoder_decoder() -> Arrays:
    """T5 with its one table."""
    arrays = {"shared.weight": matrix(TOKENS, D)}
    for side, last in (("encoder", 1), ("decoder", 2)):
        at = f"{side}.block.0.layer"
        arrays |= {f"{at}.0.SelfAttention.{part}.weight": matrix(D, D) for part in "qkvo"}
        arrays |= {f"{at}.{last}.DenseReluDense.wi.weight": matrix(128, D)}
        arrays |= {f"{at}.{last}.DenseReluDense.wo.weight": matrix(D, 128)}
    return arrays | {f"decoder.block.0.layer.1.EncDecAttention.{part}.weight": matrix(D, D) for part in "qkvo"}


LLAMA, CONV, T5 = decoder(), convolutions(), encoder_decoder()
TIED = {name: array for name, array in LLAMA.items() if name != HEAD}
MASKS = {name: np.abs(array) > np.median(np.abs(array)) for name, array in LLAMA.items() if "proj" in name}
PRUNED = LLAMA | {name: array * MASKS[name] for name, array in LLAMA.items() if name in MASKS}
SIDES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
PEFT = ("lora_A.default.weight", "lora_B.default.weight", "base_model.model.")
FACTORS = [name.removesuffix(".weight") for name in LLAMA if "q_proj" in name or "v_proj" in name]


def without(arrays: Arrays, name: str) -> Arrays:
    return {n: w for n, w in arrays.items() if n != name}


def halved(arrays: Arrays) -> Arrays:
    return {name: array.astype(np.float16) for name, array in arrays.items()}


def with_slashes(arrays: Arrays) -> Arrays:
    return {name.replace(".", "/"): array for name, array in arrays.items()}


def copied(arrays: Arrays, source: str, *names: str) -> Arrays:
    return {**arrays, **{name: arrays[source].copy() for name in names}}


def apart(weight: np.ndarray, axis: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Length and direction of a weight; the direction is of no particular size."""
    others = tuple(a for a in range(weight.ndim) if a != axis)
    length = np.sqrt(np.square(weight.astype(np.float64)).sum(axis=others, keepdims=True))
    direction = weight * (0.5 + RNG.random(length.shape)).astype(np.float32)
    return length.astype(np.float32) if axis is not None else length.reshape(()).astype(np.float32), direction


def normed(arrays: Arrays, g: str, v: str, axis: int | None = 0) -> Arrays:
    found: Arrays = {}
    for name, weight in arrays.items():
        of = axis if axis is None or axis < weight.ndim else 0
        found[name.replace("weight", g)], found[name.replace("weight", v)] = apart(weight, of)
    return found


def masked(arrays: Arrays, orig: str, mask: str, kind: type = np.float32) -> Arrays:
    found: Arrays = {}
    for name, weight in arrays.items():
        if name in MASKS:
            found[name.replace("weight", orig)] = weight
            found[name.replace("weight", mask)] = MASKS[name].astype(kind)
        else:
            found[name] = weight
    return found


def normed_and_masked() -> Arrays:
    """Weight norm, then pruning of the directions."""
    found: Arrays = {}
    for name, weight in PRUNED.items():
        if name not in MASKS:
            found[name] = weight
            continue
        found[name.replace("weight", "weight_g")], direction = apart(weight, 0)
        found[name.replace("weight", "weight_v_orig")] = np.where(MASKS[name], direction, 1).astype(np.float32)
        found[name.replace("weight", "weight_v_mask")] = MASKS[name].astype(np.float32)
    return found


def spectral(arrays: Arrays, orig: str, u: str, v: str) -> Arrays:
    found: Arrays = {}
    for name, weight in arrays.items():
        rows = weight.reshape(len(weight), -1)
        found[name.replace("weight", orig)] = weight
        found[name.replace("weight", u)] = np.ones(rows.shape[0], np.float32)
        found[name.replace("weight", v)] = np.ones(rows.shape[1], np.float32)
    return found


def averaged(rename: Callable[[str], str], beside: str = "", numbers: tuple[str, ...] = ()) -> Arrays:
    found = {f"{beside}{name}": weight for name, weight in LLAMA.items()}
    found |= {
        rename(name): (weight + 1e-3 * RNG.standard_normal(weight.shape)).astype("f4") for name, weight in LLAMA.items()
    }
    return found | {name: np.array(9, np.int32) for name in numbers}


def listed() -> Arrays:
    """torch_ema: a list in the order of the weights, without what is not trained."""
    found = {f"model.{name}": weight for name, weight in LLAMA.items()}
    trained = [weight for name, weight in LLAMA.items() if name != TABLE]
    return found | {f"ema.shadow_params.{i}": weight * np.float32(0.99) for i, weight in enumerate(trained)}


def unmerged(base: str, a: str, b: str, prefix: str = "") -> Arrays:
    found: Arrays = {}
    for name, weight in LLAMA.items():
        module = name.removesuffix(".weight")
        if module not in FACTORS:
            found[f"{prefix}{name}"] = weight
            continue
        found[f"{prefix}{module}.{base}"] = weight
        found[f"{prefix}{module}.{a}"], found[f"{prefix}{module}.{b}"] = matrix(4, D), matrix(D, 4)
    return found


def with_trained_head() -> Arrays:
    prefix = PEFT[-1]
    found = unmerged("base_layer.weight", *PEFT)
    head = found.pop(f"{prefix}{HEAD}")
    return found | {
        f"{prefix}lm_head.original_module.weight": head,
        f"{prefix}lm_head.modules_to_save.default.weight": head + matrix(TOKENS, D) / 9,
    }


@dataclass(frozen=True)
class Way:
    """A way to save a model, and what it is to the model as it is plainly saved."""

    kind: str
    variant: str
    make: Callable[[], Arrays]
    plain: Arrays
    answer: Relation


COPY, NORM, SPECTRAL = "tied tables", "weight norm", "spectral norm"
MASK, EMA, LORA = "prune masks", "averages beside the weights", "a model under its adapter"
NEW = "parametrizations.weight"
WAYS = (
    Way(COPY, "a copy of the table as the head", lambda: copied(TIED, TABLE, HEAD), TIED, "identical"),
    Way(COPY, "a table that its model has as a head, too", lambda: TIED, copied(TIED, TABLE, HEAD), "identical"),
    Way(COPY, "T5 under four names", lambda: copied(T5, "shared.weight", *SIDES, HEAD), T5, "identical"),
    Way(
        COPY,
        "T5's encoder and decoder tables for `shared`",
        lambda: without(copied(T5, "shared.weight", *SIDES), "shared.weight"),
        T5,
        "identical",
    ),
    Way(COPY, "a copied head in half precision", lambda: halved(copied(TIED, TABLE, HEAD)), TIED, "re-encoded"),
    Way(NORM, "`weight_g`, `weight_v`", lambda: normed(CONV, "weight_g", "weight_v"), CONV, "re-encoded"),
    Way(
        NORM,
        "`parametrizations.weight.original0`, `original1`",
        lambda: normed(CONV, f"{NEW}.original0", f"{NEW}.original1"),
        CONV,
        "re-encoded",
    ),
    Way(
        NORM,
        "a length for each place of the kernel",
        lambda: normed(CONV, f"{NEW}.original0", f"{NEW}.original1", 2),
        CONV,
        "re-encoded",
    ),
    Way(NORM, "one length for all", lambda: normed(CONV, "weight_g", "weight_v", None), CONV, "re-encoded"),
    Way(
        NORM,
        "of a decoder's matrices, by columns",
        lambda: normed(LLAMA, f"{NEW}.original0", f"{NEW}.original1", 1),
        LLAMA,
        "re-encoded",
    ),
    Way(
        SPECTRAL,
        "`weight_orig`, `weight_u`, `weight_v`",
        lambda: spectral(CONV, "weight_orig", "weight_u", "weight_v"),
        CONV,
        "identical",
    ),
    Way(
        SPECTRAL,
        "of a decoder's matrices",
        lambda: spectral(LLAMA, "weight_orig", "weight_u", "weight_v"),
        LLAMA,
        "identical",
    ),
    Way(
        SPECTRAL,
        "`parametrizations.weight.original`",
        lambda: spectral(CONV, f"{NEW}.original", f"{NEW}.0._u", f"{NEW}.0._v"),
        CONV,
        "identical",
    ),
    Way(
        MASK,
        "`weight_orig`, `weight_mask` against the dense model",
        lambda: masked(LLAMA, "weight_orig", "weight_mask"),
        LLAMA,
        "pruned",
    ),
    Way(
        MASK,
        "`weight_orig`, `weight_mask` against the pruned one",
        lambda: masked(LLAMA, "weight_orig", "weight_mask"),
        PRUNED,
        "identical",
    ),
    Way(
        MASK,
        "`parametrizations.weight.0.mask`, of booleans",
        lambda: masked(LLAMA, f"{NEW}.original", f"{NEW}.0.mask", np.bool_),
        PRUNED,
        "identical",
    ),
    Way(MASK, "of the directions of weight norm", normed_and_masked, PRUNED, "re-encoded"),
    Way(
        EMA,
        "`model_ema.`, names without dots",
        lambda: averaged(
            lambda n: f"model_ema.{n.replace('.', '')}", numbers=("model_ema.decay", "model_ema.num_updates")
        ),
        LLAMA,
        "identical",
    ),
    Way(EMA, "`net_ema.` beside `net.`", lambda: averaged(lambda n: f"net_ema.{n}", "net."), LLAMA, "identical"),
    Way(EMA, "`ema.shadow_params`, a list", listed, LLAMA, "identical"),
    Way(
        EMA,
        "`swa_model.module.`",
        lambda: averaged(lambda n: f"swa_model.module.{n}", "model.", ("swa_model.n_averaged",)),
        LLAMA,
        "identical",
    ),
    Way(
        EMA,
        "`X/ExponentialMovingAverage`",
        lambda: with_slashes(averaged(lambda n: f"{n}/ExponentialMovingAverage")),
        LLAMA,
        "identical",
    ),
    Way(EMA, "averages alone", lambda: {f"ema.{n}": w for n, w in LLAMA.items()}, LLAMA, "identical"),
    Way(LORA, "PEFT, `base_layer.weight`", lambda: unmerged("base_layer.weight", *PEFT), LLAMA, "identical"),
    Way(LORA, "PEFT before 0.6, `weight`", lambda: unmerged("weight", *PEFT), LLAMA, "identical"),
    Way(
        LORA,
        "torchtune, `lora_a.weight`",
        lambda: unmerged("weight", "lora_a.weight", "lora_b.weight"),
        LLAMA,
        "identical",
    ),
    Way(LORA, "loralib, `lora_A`", lambda: unmerged("weight", "lora_A", "lora_B"), LLAMA, "identical"),
    Way(LORA, "with a head that was trained whole", with_trained_head, LLAMA, "identical"),
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.kind}: {way.variant}")
def test_the_answer_is_that_of_the_plain_model(way: Way, tmp_path: Path) -> None:
    saved, plain = sketch_of(tmp_path, "saved", way.make()), sketch_of(tmp_path, "plain", way.plain)
    found = compare(saved, plain)
    assert found.relation == way.answer
    assert found.share == pytest.approx(1.0)
    if way.answer == "identical":
        assert found.verdict == compare(plain, saved).verdict == "identical"
    assert f"| {way.kind} | {way.variant} | {way.answer} |" in DOC.read_text().splitlines()


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    reasons = {}
    for way in WAYS:
        opened = open_checkpoint(
            write_safetensors(tmp_path, {n: np.ascontiguousarray(a) for n, a in way.make().items()})
        )
        reasons |= {reason: way.kind for _, reason in opened.left_out}
    assert reasons == {
        NotAWeight("moving-average"): EMA,
        NotAWeight("training-counter"): EMA,
        NotAWeight("prune-mask"): MASK,
        NotAWeight("spectral-vector"): SPECTRAL,
        AdapterPart("unmerged-factor"): LORA,
        AdapterPart("trained-in-place"): LORA,
    }


def test_a_trained_copy_stays(tmp_path: Path) -> None:
    """A head that was trained on from a copy of the table is another model."""
    parent = sketch_of(tmp_path, "parent", TIED)
    child = sketch_of(tmp_path, "child", TIED | {HEAD: TIED[TABLE] + matrix(TOKENS, D) / 30})
    found = compare(child, parent)
    assert (found.verdict, found.relation) == ("derived", "fine-tuned")
    assert {c.name for c in found.components} >= {"head", "embeddings"}


def sketch_of(folder: Path, name: str, arrays: Arrays) -> CheckpointSketch:
    (folder / name).mkdir()
    return sketched(write_safetensors(folder / name, arrays))


@pytest.mark.parametrize("map_", ["matrix_exp", "cayley"])
def test_orthogonal_weights_are_unread_as_the_file_does_not_say_their_map(map_: str, tmp_path: Path) -> None:
    arrays = {name: weight for name, weight in LLAMA.items() if "q_proj" not in name}
    for number, (name, weight) in enumerate(one for one in LLAMA.items() if "q_proj" in one[0]):
        owner = name.removesuffix("weight")
        arrays[f"{owner}{NEW}.original"] = np.triu(weight, 1) * len(map_)
        arrays[f"{owner}{NEW}.0.base"] = np.linalg.qr(np.random.default_rng(number).standard_normal((D, D)))[0].astype(
            "f4"
        )
    with pytest.raises(
        UnsupportedFormat, match=r"is unread, \d+% of the parameters: packed as parametrizations.orthogonal"
    ):
        open_checkpoint(write_safetensors(tmp_path, arrays))
