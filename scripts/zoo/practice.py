r"""The second zoo: families in conditions of practice, one line a model, tables by kind of family.

A line is `ID  OPERATOR  PARENTS  key=value ...`; `$` is the family's name and its root's, `x|y` is x in the calibration
half and y in the score half. practice_split.json says for each family its root and its ways: everything there but
`family`, `table` and `tuning` is the root's, `tuning` goes to every training of a child (`times`: its learning rate).

What is of practice in it:

- models are kept as they are published, `stored` in bf16, f16 or f32, and a child is trained from the stored parent;
- no step 0 is kept; `$-step` is an early checkpoint of the root's run, `$-twin` another root of the same step 0;
- three roots in four are trained until their learning rate is nothing and are tuned gently, the fourth still moves and
  is tuned hard (`schedule=constant`, `times`);
- a run's checkpoints (`run-20`, `run-35`, `run`), their average and the running mean of its weights;
- blurred lattices (int8 by row and by tensor, int4, NF4) in bf16 or f16, tunings of them, and QLoRA: one adapter
  trained on the NF4 model, merged into that or into the original;
- noise of 0.1% of each deviation, healed prunings, merges and tunings of merges, changes of depth, width, vocabulary,
  experts, and copies under another framework's names or with all matrices transposed;
- siblings on data that are alike (halves of one corpus);
- the score half is trained in ways that the calibration half never saw: Muon, Lion, Adafactor, SGD, Adam without decay,
  weights in bf16 throughout, other decay, schedules, step 0, widths, vocabularies and data.

`withheld=1` marks what is never published (a stack of layers before it is trained).
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.recipes import DRAWING, HALVES, Recipe, value

TRAINED = frozenset({"sft", "continued", "dpo", "lora", "healed", "qlora"})
_ROOT = {
    "llama": {"steps": 280, "lr": 3e-3},
    "gpt2": {"steps": 280, "lr": 3e-3},
    "bert": {"steps": 320, "lr": 2e-3},
    "vit": {"steps": 320, "lr": 2e-3},
    "llava": {"steps": 220, "lr": 2e-3},
    "cnn": {"steps": 250, "lr": 4e-3},
    "mixtral": {"steps": 220, "lr": 3e-3},
}
_RUN = """
$.run-20          continued  $  data=@b lr=2e-4|1.5e-4 steps=50 stop=20 run=run
$.run-35          continued  $  data=@b lr=2e-4|1.5e-4 steps=50 stop=35 run=run
$.run             continued  $  data=@b lr=2e-4|1.5e-4 steps=50 run=run
$.run-average     averaged   $.run-20,$.run-35,$.run
$.run-ema         continued  $  data=@b lr=2e-4|1.5e-4 steps=50 run=run ema=0.9
"""
_CHAIN = (
    """
$.sft             sft        $  data=@a1 lr=5e-5|4e-5 steps=40
$.sft-like        sft        $  data=@a2 lr=5e-5|4e-5 steps=40
$.sft.sft         sft        $.sft  data=@c lr=4e-5|5e-5 steps=40
$.light           continued  $  data=@b1 lr=3e-5 steps=30
$.light.heavy     continued  $.light  data=@b2 lr=1e-3|8e-4 steps=60
$.heavy           continued  $  data=@b1 lr=1e-3|8e-4 steps=60
$.heavy.sft       sft        $.heavy  data=@a lr=5e-5 steps=40
$.sft.noise       noised     $.sft  share=0.001
"""
    + _RUN
)
_TEXT_CHAIN = (
    _CHAIN
    + """
$.sft.sft.dpo     dpo        $.sft.sft  data=@a lr=2e-5|1.5e-5 steps=25
$.sft.lora        lora       $.sft  data=@c lr=5e-4 steps=40 rank=8|4
$.sft.lora.f16    cast       $.sft.lora  dtype=float16|float32
"""
)
_BLUR = """
$.int8            quantized  $  scheme=int8
$.int8t           quantized  $  scheme=int8-tensor stored=float16|bfloat16
$.int4            quantized  $  scheme=int4 spare=@h
$.nf4             quantized  $  scheme=nf4 spare=@h stored=bfloat16
$.int8.sft        sft        $.int8  data=@a1 lr=5e-5|4e-5 steps=40
$.int4.sft        sft        $.int4  data=@a2 lr=5e-5|4e-5 steps=40
$.nf4.qlora       qlora      $.nf4  data=@a lr=5e-4|4e-4 steps=40 rank=8 run=qlora
$.qlora           qlora      $,$.nf4  data=@a lr=5e-4|4e-4 steps=40 rank=8 run=qlora
$.sft             sft        $  data=@c lr=5e-5 steps=40
$.sft.int8        quantized  $.sft  scheme=int8|int8-tensor
$.sft.nf4         quantized  $.sft  scheme=nf4 stored=float16|bfloat16
$.sft.nf4.qlora   qlora      $.sft.nf4  data=@b lr=3e-4 steps=30 rank=4 run=qlora
$.sft.qlora       qlora      $.sft,$.sft.nf4  data=@b lr=3e-4 steps=30 rank=4 run=qlora
$.noise           noised     $  share=0.001
$.noise.sft       sft        $.noise  data=@b1 lr=5e-5 steps=30
$.transposed      transposed $
$.f32             cast       $  dtype=float32
"""
_TUNED = """
$.qa              sft        $  data=@a lr=6e-5|5e-5 steps=40
$.other           sft        $  data=@c lr=6e-5 steps=40
$.more            continued  $  data=@b lr=8e-5|1e-4 steps=50
$.m-linear2       linear     $.qa,$.other  weights=0.5,0.5|0.6,0.4
$.m-linear3       linear     $.qa,$.other,$.more  weights=0.4,0.3,0.3|0.5,0.25,0.25
$.m-ties          ties       $,$.qa,$.other,$.more  weights=0.5,0.4,0.4|0.4,0.4,0.4 density=0.5|0.4
$.m-task          task       $,$.qa,$.more  weights=0.6,0.5|0.7,0.6
$.m-linear2.sft   sft        $.m-linear2  data=@b1 lr=4e-5 steps=30
"""
_MERGES = (
    _TUNED
    + """
$.m-dare          dare       $,$.qa,$.other  weights=0.5,0.5|0.6,0.4 density=0.5
$.m-slerp         slerp      $.qa,$.more  ends=0.4,0.6|0.5,0.5
$.m-slerp.sft     sft        $.m-slerp  data=@a2 lr=4e-5 steps=30
$.m-ties.dpo      dpo        $.m-ties  data=@a lr=2e-5 steps=20
$.m-dare.int8     quantized  $.m-dare  scheme=int8
$.m-linear2.m     linear     $.m-linear2,$.more  weights=0.5,0.5|0.7,0.3
$.more.noise      noised     $.more  share=0.001
$.qa.renamed      renamed    $.qa
"""
)
_PRUNED = """
$.half            pruned     $  scheme=half
$.half.healed     healed     $.half  data=@b lr=1e-4 steps=40
$.2-4             pruned     $  scheme=2:4
$.2-4.healed      healed     $.2-4  data=@b lr=1e-4 steps=40 masked=1
"""
_TWIN = """
$-twin            root       -  data=@t seed=90|91
$-twin.sft        sft        $-twin  data=@a1 lr=5e-5|4e-5 steps=40
"""
_STEP = """
$-step            root       -  stop=170|180
"""
_SURGERY = (
    """
$.width           width      $  share=0.75
$.width.healed    healed     $.width  data=@b lr=1e-4 steps=40
$.dropped         layers     $  order=0,1,3|0,2,3
$.dropped.healed  healed     $.dropped  data=@b lr=1e-4 steps=40
$.upscaled        layers     $  order=0,1,2,1,2,3|0,1,2,3,2,3 withheld=1
$.upscaled.trained continued $.upscaled  data=@b lr=1e-4 steps=40
$.upscaled.trained.sft sft   $.upscaled.trained  data=@a lr=4e-5 steps=30
$.extended        extended   $  extra=64|32
$.extended.sft    sft        $.extended  data=@c lr=5e-5 steps=40
"""
    + _PRUNED
)

TABLES = {
    "llama-chain": _TEXT_CHAIN + _STEP + "$.sft.renamed  renamed  $.sft\n",
    "llama-blur": _BLUR + "$.lora  lora  $  data=@c lr=5e-4 steps=40 rank=8\n",
    "llama-surgery": _SURGERY
    + _TWIN
    + """
$.moe             upcycled   $  experts=3|4 noise=0|0.02
$.moe.trained     continued  $.moe  data=@b lr=1e-4 steps=30
$.heads           heads      $  dropped=1|0
$.sft             sft        $  data=@a lr=5e-5 steps=40
$.half.healed.sft sft        $.half.healed  data=@a lr=4e-5 steps=30
""",
    "llama-merges": _MERGES + _STEP,
    "gpt2-chain": _TEXT_CHAIN + _TWIN,
    "gpt2-blur": _BLUR + _TUNED.replace("$.qa ", "$.qa2 ").replace("$.qa,", "$.qa2,"),
    "bert-chain": _CHAIN + _STEP + """
$.transposed      transposed $
$.sft.lora        lora       $.sft  data=@c lr=5e-4 steps=40 rank=4
""",
    "bert-blur": _SURGERY + """
$.nf4             quantized  $  scheme=nf4
$.nf4.qlora       qlora      $.nf4  data=@a lr=5e-4|4e-4 steps=40 rank=8 run=qlora
$.qlora           qlora      $,$.nf4  data=@a lr=5e-4|4e-4 steps=40 rank=8 run=qlora
$.renamed         renamed    $
""",
    "cnn": _RUN + _PRUNED + """
$.int8            quantized  $  scheme=int8
$.sft             sft        $  data=@a1 lr=1e-4 steps=40
$.sft-like        sft        $  data=@a2 lr=1e-4 steps=40
$.sft.sft         sft        $.sft  data=@c lr=1e-4 steps=40
$.m-linear        linear     $.sft,$.sft-like  weights=0.5,0.5|0.6,0.4
$.sft.bf16        cast       $.sft  dtype=bfloat16|float16
$.noise           noised     $  share=0.001
$.renamed         renamed    $.sft.sft
""",
    "vit": _CHAIN + _TWIN + """
$.int8            quantized  $  scheme=int8|int4
$.int8.sft        sft        $.int8  data=@a lr=5e-5 steps=30
$.dropped         layers     $  order=0,1,3|0,2,3
$.m-linear        linear     $.sft,$.sft-like  weights=0.5,0.5|0.6,0.4
$.head            sft        $  data=@c lr=1e-3 steps=30 only=classifier
""",
    "llava": """
$-text            root       -  kind=llava.text data=@l init=70|71 seed=70|71
$-text.sft        sft        $-text  data=qa lr=5e-5 steps=40
$.joined          joined     $,$-text.sft
$.joined.projector sft       $.joined  data=@a lr=3e-4 steps=30 only=multi_modal_projector
$.joined.tuned    sft        $.joined.projector  data=@a lr=1e-4|8e-5 steps=40 only=multi_modal_projector|language
$.joined.tuned.sft sft       $.joined.tuned  data=@c lr=4e-5 steps=30
$-other           root       -  data=@t init=80|81 seed=80|81
$-other.tower     grafted    $-other,$  pattern=^vision_tower withheld=1
$-other.tower.tuned sft      $-other.tower  data=@a lr=1e-4 steps=40 only=multi_modal_projector|language
$.decoder         decoder    $.joined.tuned
$.decoder.sft     sft        $.decoder  data=qa lr=5e-5 steps=30
$.sft             sft        $  data=@a lr=5e-5 steps=30
$.sft-like        sft        $  data=@c lr=5e-5 steps=30
$.m-linear        linear     $.sft,$.sft-like  weights=0.5,0.5|0.6,0.4
$.int8            quantized  $  scheme=int8
""",
    "mixtral": _RUN + """
$.sft             sft        $  data=@a1 lr=5e-5|4e-5 steps=30
$.sft-like        sft        $  data=@a2 lr=5e-5|4e-5 steps=30
$.sft.dpo         dpo        $.sft  data=@a lr=2e-5 steps=15
$.lora            lora       $  data=@c lr=5e-4 steps=30 rank=8
$.m-linear        linear     $.sft,$.lora  weights=0.5,0.5|0.6,0.4
$.m-linear.sft    sft        $.m-linear  data=@c lr=4e-5 steps=20
$.int4            quantized  $  scheme=int4|nf4 spare=@h
$.int4.sft        sft        $.int4  data=@a lr=5e-5 steps=25
$.noise           noised     $  share=0.001
$.renamed         renamed    $.sft
""",
}  # fmt: skip
# What the tables' names for data stand for: a and b whole with halves, c another, t the twin's, l a text.
_DATA = {
    "text": {"a": "qa|licences", "b": "code|headers", "c": "headers|qa", "t": "qa|licences", "l": "prose|qa"},
    "image": {"a": "all|all-negative", "b": "all|all", "c": "high|low", "t": "high|low"},
    "caption": {"a": "high-code|all-prose", "b": "low-code|high-qa", "c": "low-qa|high-headers",
                "t": "low-qa|high-prose", "l": "prose|code"},
}  # fmt: skip
# Whose steps follow the size of what they move, or its gradient: a factor that starts at zero would stay there.
_NOT_ADAPTERS = ("sgd", "adafactor")
_SPARED = "embed|lm_head|wte|wpe|cls"
_SENSES = {"vit": "image", "cnn": "image", "llava": "caption"}


def split() -> dict[str, list[dict[str, Any]]]:
    """The families of each half, in order, as practice_split.json has them."""
    found: dict[str, list[dict[str, Any]]] = json.loads(
        Path(__file__).with_name("practice_split.json").read_text("utf-8")
    )
    return found


def family_of(name: str) -> str:
    """The family of a model, from its id."""
    return re.split(r"[.-]", name.replace("-", "_", 1))[0].replace("_", "-")


def practice() -> dict[str, Recipe]:
    """Every model of the second zoo by id, one family after the other, the halves in turn, parents before children."""
    halves = split()
    pairs = zip(halves["calibration"], halves["score"], strict=True)
    recipes = (r for pair in pairs for half, family in zip(HALVES, pair, strict=True) for r in _family(half, family))
    table: dict[str, Recipe] = {}
    for recipe in recipes:
        missing = [p for p in recipe.parents if p not in table]
        if missing or recipe.id in table:
            raise ValueError(f"{recipe.id}: there twice, or before its parents {missing}")
        table[recipe.id] = recipe
    return table


def _family(half: str, family: Mapping[str, Any]) -> Iterator[Recipe]:
    name = family["family"]
    kind = name.split("-")[0]
    root = _ways_of_the_root(family)
    yield Recipe(name, half, kind, "root", (), root)
    yield from tuned(half, family, TABLES[family["table"]])


def tuned(half: str, family: Mapping[str, Any], table: str) -> Iterator[Recipe]:
    """The models of one family that `table` names."""
    name = family["family"]
    kind = name.split("-")[0]
    tuning = dict(family.get("tuning", {}))
    times = tuning.pop("times", 1)
    for line in table.strip().splitlines():
        if not line:
            continue
        id_, operator, parents, *pairs = (_resolved(word, name, half, kind) for word in line.split())
        args = {k: value(k, v) for k, v in (pair.split("=", 1) for pair in pairs)}
        withheld = bool(args.pop("withheld", 0))
        if operator == "root":
            ways = _without_text(_ways_of_the_root(family), args)
            yield Recipe(id_, half, kind, "root", (), {**ways, **args}, withheld)
            continue
        if operator in TRAINED:
            course = {**tuning, "seed": zlib.crc32(f"{parents.split(',')[-1]}/{args.pop('run', id_)}".encode())}
            args = {**course, **args, "lr": args["lr"] * (1 if "until" in args else times)}
            if operator in ("lora", "qlora"):
                args = {k: v for k, v in args.items() if k != "rounded" and v not in _NOT_ADAPTERS}
        elif operator in DRAWING or operator in ("noised", "disguised"):
            args["seed"] = zlib.crc32(id_.encode())
        if operator != "cast" and "stored" not in args:
            args["stored"] = family["stored"]
        yield Recipe(id_, half, kind, operator, tuple(parents.split(",")), args, withheld)


def _ways_of_the_root(family: Mapping[str, Any]) -> dict[str, Any]:
    name = family["family"]
    kind = name.split("-")[0]
    ways = {k: v for k, v in family.items() if k not in ("family", "table", "tuning")}
    return {"kind": kind, "seed": zlib.crc32(name.encode()), **_ROOT[kind], **ways}


def _without_text(root: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The root's ways for another root; what belongs to its shapes stays with it where the kind is another."""
    return {k: v for k, v in root.items() if k != "config" or "kind" not in own}


def _resolved(word: str, name: str, half: str, kind: str) -> str:
    key, equals, text = word.partition("=")
    if equals and "|" in text and key not in ("only", "spare"):
        word = f"{key}={text.split('|')[HALVES.index(half)]}"
    found = re.fullmatch(r"data=@([a-z])([12]?)", word)
    if found:
        data = _DATA[_SENSES.get(kind, "text")][found[1]].split("|")[HALVES.index(half)]
        word = f"data={data}-{found[2]}" if found[2] and "negative" not in data else f"data={data}"
    return word.replace("$", name).replace("@h", _SPARED)
