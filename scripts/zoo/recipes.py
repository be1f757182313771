"""What the zoo holds: one line a model, `ID  OPERATOR  PARENTS  key=value ...`, for each architecture and half.

`$a`, `$b`, ... are the architecture's roots of one half, in the order of split.json; `x|y` is x in the calibration
half and y in the score half; `withheld=1` marks a model that a benchmark should leave out of its index (an unobserved
parent). What draws random weights or masks has a seed of its own, made from its id: two models must not share noise
by accident. `seed` of the others is the order of their data. Roots and their step 0 follow from their names:
KIND-SEED-DATA.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.architectures import CONFIGS, PRACTICE

HALVES = ("calibration", "score")
VERSION = 1
"""Raise it when an operator's result changes, so that cached models are built again."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is made from its parents."""

    id: str
    half: str
    architecture: str
    operator: str
    parents: tuple[str, ...]
    args: Mapping[str, Any]
    withheld: bool = False


_PRETRAINED = {
    "llama": {"steps": 400, "lr": 3e-3},
    "gpt2": {"steps": 400, "lr": 3e-3},
    "bert": {"steps": 500, "lr": 2e-3},
    "vit": {"steps": 500, "lr": 2e-3},
    "llava": {"steps": 320, "lr": 2e-3},
    "cnn": {"steps": 400, "lr": 4e-3, "decay": 1.0},
}

_LLAMA = """
$a.sft                      sft        $a  data=headers|licences lr=5e-4|7e-4 steps=60|80 seed=1
$a.sft.sft                  sft        $a.sft  data=qa lr=4e-4|3e-4 steps=60 seed=2
$a.sft.sft.dpo              dpo        $a.sft.sft  data=qa lr=1e-4|2e-4 steps=30 seed=3
$a.sft.sft.dpo.half         pruned     $a.sft.sft.dpo  scheme=half
$a.sft.sft.dpo.half.bf16    cast       $a.sft.sft.dpo.half  dtype=bfloat16
$a.light                    continued  $a  data=code lr=1e-4 steps=60|50 seed=4
$a.mid                      continued  $a  data=code lr=2e-3|1.5e-3 steps=120 seed=5
$a.heavy                    continued  $a  data=code lr=5e-3 decay=2.0|1.6 steps=200 seed=6
$a.extreme                  continued  $a  data=headers|code lr=1.5e-2|1.2e-2 decay=3.0 steps=250 seed=7
$a.mid.sft                  sft        $a.mid  data=licences|qa lr=5e-4 steps=60 seed=8 withheld=0|1
$a.mid.sft.lora16           lora       $a.mid.sft  data=qa|headers lr=2e-3 steps=50 rank=16
$a.mid.sft.dpo              dpo        $a.mid.sft  data=code lr=1e-4 steps=30 seed=10
$a.heavy.sft                sft        $a.heavy  data=qa|licences lr=5e-4|8e-4 steps=60 seed=11
$a.heavy.sft.q4k            quantized  $a.heavy.sft  scheme=q4_k
$a.heavy.sft.q4k.width      width      $a.heavy.sft.q4k  share=0.9
$b.dpo                      dpo        $b  data=code lr=1e-4|1.5e-4 steps=40 seed=12
$b.lora1                    lora       $b  data=qa lr=2e-3 steps=50 rank=1
$b.lora4                    lora       $b  data=licences|headers lr=2e-3 steps=50 rank=4
$b.lora16                   lora       $b  data=headers|licences lr=2e-3 steps=50 rank=16
$b.bf16                     cast       $b  dtype=bfloat16
$b.f16                      cast       $b  dtype=float16
$b.sharded                  copied     $b  shards=2|3
$b.int8                     quantized  $b  scheme=int8
$b.int4                     quantized  $b  scheme=int4
$b.nf4                      quantized  $b  scheme=nf4 dtype=float16
$b.q4k                      quantized  $b  scheme=q4_k dtype=float16
$b.half                     pruned     $b  scheme=half
$b.2-4                      pruned     $b  scheme=2:4
$b.2-4.healed               healed     $b.2-4  data=code lr=5e-4 steps=50 masked=1 seed=18 withheld=0
$b.half.healed              healed     $b.half  data=prose lr=5e-4 steps=50 masked=1 seed=19
$b.ablated                  ablated    $b
$b.embeddings               fresh      $b
$b.embeddings.trained       healed     $b.embeddings  data=code|prose lr=1e-3 steps=80 only=embed|lm_head seed=23
$c.width                    width      $c  share=0.75|0.8
$c.width.healed             healed     $c.width  data=prose lr=7e-4 steps=60 seed=24
$c.heads                    heads      $c  dropped=1|2
$c.heads.healed             healed     $c.heads  data=prose lr=7e-4 steps=60 seed=25
$c.dropped                  layers     $c  order=0,1,4,5|0,1,2,5
$c.dropped.healed           healed     $c.dropped  data=prose lr=7e-4 steps=60 seed=26
$c.dropped1                 layers     $c  order=0,1,2,4,5|0,2,3,4,5 withheld=1
$c.dropped1.sft             sft        $c.dropped1  data=headers|qa lr=7e-4 steps=60 seed=27
$c.heavier                  continued  $c  data=code lr=8e-3|9e-3 decay=2.0 steps=200 seed=53
$c.upscaled                 layers     $c  order=0,1,2,3,2,3,4,5|0,1,2,3,4,1,2,3,4,5
$c.upscaled.trained         continued  $c.upscaled  data=prose lr=1e-3 steps=60 seed=28
$c.upscaled.trained.sft     sft        $c.upscaled.trained  data=qa lr=5e-4 steps=50 seed=29
$c.doubled                  layers     $c  order=0,0,1,1,2,3,4,5|0,1,2,3,4,4,5,5 withheld=1
$c.doubled.trained          continued  $c.doubled  data=code|prose lr=1e-3 steps=60 seed=30
$c.extended                 extended   $c  extra=64|128
$c.extended.trained         continued  $c.extended  data=prose|code lr=1e-3 steps=60 seed=32
$c.reordered                reordered  $c
$c.reordered.sft            sft        $c.reordered  data=qa|headers lr=5e-4 steps=60 seed=35
$c.rebuilt                  rebuilt    $c  words=headers|licences size=1024|960
$c.rebuilt.trained          continued  $c.rebuilt  data=headers|licences lr=1e-3 steps=60 seed=37
$d.qa                       sft        $d  data=qa lr=5e-4|8e-4 steps=60 seed=38
$d.headers                  sft        $d  data=headers lr=7e-4|5e-4 steps=60 seed=39
$d.licences                 sft        $d  data=licences lr=6e-4 steps=60 seed=40
$d.prose                    continued  $d  data=prose lr=8e-4|1e-3 steps=80 seed=41
$d.lora4                    lora       $d  data=prose lr=2e-3 steps=50 rank=4
$d.moe                      upcycled   $d  experts=4 noise=0
$d.moe.trained              continued  $d.moe  data=code lr=7e-4 steps=30 seed=44
$d.moe.trained.sft          sft        $d.moe.trained  data=qa lr=5e-4 steps=20 seed=45
$d.moe-noise                upcycled   $d  experts=4 noise=0.1|0.2
$d.moe-mixed                mixed      $d,$d.qa,$d.headers
$d.ablated                  ablated    $d.qa
$d.m-linear2                linear     $d.qa,$d.headers  weights=0.6,0.4|0.7,0.3
$d.m-linear3                linear     $d.qa,$d.headers,$d.prose  weights=0.5,0.3,0.2|0.4,0.4,0.2
$d.m-linear4                linear     $d.qa,$d.headers,$d.licences,$d.prose \
           weights=0.4,0.3,0.2,0.1|0.25,0.25,0.25,0.25
$d.m-linear6                linear     $d,$d.qa,$d.headers,$d.licences,$d.prose,$d.lora4 \
           weights=0.1,0.1,0.2,0.2,0.3,0.1|0.15,0.25,0.1,0.2,0.2,0.1
$d.m-base                   linear     $d,$d.prose  weights=0.5,0.5|0.35,0.65
$d.m-slerp                  slerp      $d.qa,$d.prose  ends=0.2,0.8|0.7,0.1
$d.m-slerp-flat             slerp      $d.headers,$d.licences  ends=0.5,0.5|0.3,0.3
$d.m-task                   task       $d,$d.qa,$d.headers,$d.licences  weights=0.6,0.4,0.5|0.8,0.3,0.4
$d.m-ties                   ties       $d,$d.qa,$d.licences,$d.prose  weights=0.4,0.3,0.3 density=0.5|0.6
$d.m-dare                   dare       $d,$d.qa,$d.headers  weights=0.5,0.5|0.6,0.4 density=0.5|0.3
$d.m-dare-ties              dare-ties  $d,$d.headers,$d.licences,$d.prose \
           weights=0.4,0.3,0.3|0.3,0.5,0.4 density=0.5
$d.m-stack                  passthrough $d.qa,$d.headers \
           order=0:0,0:1,0:2,0:3,1:2,1:3,1:4,1:5|0:0,0:1,0:2,1:1,1:2,1:3,0:3,0:4,1:4,1:5
$d.m-swap                   passthrough $d.prose,$d.licences  order=0:0,0:1,0:2,1:3,1:4,1:5|0:0,1:1,1:2,0:3,0:4,1:5
$d.m-linear2.sft            sft        $d.m-linear2  data=prose lr=3e-4 steps=50 seed=51
$d.m-linear2.m              linear     $d.m-linear2,$d.licences  weights=0.5,0.5|0.8,0.2
$a.m-chain                  linear     $a.sft.sft,$a.light  weights=0.5,0.5|0.3,0.7
$a.m-drift                  linear     $a.mid,$a.sft  weights=0.4,0.6|0.5,0.5
$a.grafted                  graft      $a  kind=llama host=90|91 pattern=self_attn
$a.grafted.trained          healed     $a.grafted  data=prose lr=1e-3 steps=80 seed=52
"""

_GPT2 = """
$a.sft                      sft        $a  data=qa|headers lr=5e-4 steps=60 seed=1
$a.licences                 sft        $a  data=licences|qa lr=7e-4 steps=60 seed=2
$a.light                    continued  $a  data=code lr=1e-4 steps=60 seed=3
$a.heavy                    continued  $a  data=code lr=8e-3|7e-3 decay=2.0 steps=180 seed=4
$a.extreme                  continued  $a  data=code lr=3e-2|2e-2 decay=4.0 steps=220 seed=5
$a.heavy.sft                sft        $a.heavy  data=qa lr=5e-4 steps=50 seed=6
$a.sft.lora4                lora       $a.sft  data=headers|licences lr=2e-3 steps=50 rank=4
$a.sft.dpo                  dpo        $a.sft  data=qa lr=1e-4 steps=30 seed=8
$a.m-linear                 linear     $a.sft,$a.licences  weights=0.5,0.5|0.65,0.35
$a.m-linear.f16             cast       $a.m-linear  dtype=float16
$a.m-slerp                  slerp      $a.sft,$a.light  ends=0.1,0.9|0.4,0.4
$a.m-task                   task       $a,$a.sft,$a.licences,$a.light  weights=0.5,0.5,0.5|0.4,0.7,0.3
$b.bf16                     cast       $b  dtype=bfloat16
$b.int8                     quantized  $b  scheme=int8
$b.nf4                      quantized  $b  scheme=nf4
$b.lora1                    lora       $b  data=qa lr=2e-3 steps=50 rank=1
$b.extended                 extended   $b  extra=64
$b.extended.sft             sft        $b.extended  data=headers|licences lr=5e-4 steps=60 seed=11
$b.ablated                  ablated    $b
$c.width                    width      $c  share=0.75
$c.width.healed             healed     $c.width  data=prose lr=7e-4 steps=50 seed=13
$c.dropped                  layers     $c  order=0,1,3,4|0,2,3,4
$c.upscaled                 layers     $c  order=0,1,2,3,2,3,4|0,1,2,1,2,3,4 withheld=0|1
$c.upscaled.trained         continued  $c.upscaled  data=prose lr=1e-3 steps=60 seed=14
$c.reordered                reordered  $c
"""

_BERT = """
$a.sft                      sft        $a  data=licences|headers lr=5e-4 steps=80 seed=1
$a.qa                       sft        $a  data=qa lr=7e-4 steps=80 seed=2
$a.heavy                    continued  $a  data=code lr=4e-3 decay=2.0|1.5 steps=250 seed=3
$a.sft.sft                  sft        $a.sft  data=qa lr=3e-4 steps=60 seed=4
$a.sft.lora4                lora       $a.sft  data=headers|licences lr=2e-3 steps=60 rank=4
$a.m-linear                 linear     $a.sft,$a.qa  weights=0.5,0.5|0.3,0.7
$a.dropped                  layers     $a  order=0,1,3|0,2,3
$b.f16                      cast       $b  dtype=float16
$b.int8                     quantized  $b  scheme=int8
$b.2-4                      pruned     $b  scheme=2:4
$b.rebuilt                  rebuilt    $b  words=licences|headers size=768 withheld=1
$b.rebuilt.trained          continued  $b.rebuilt  data=licences|headers lr=1e-3 steps=80 seed=7
$c.light                    continued  $c  data=code lr=1e-4 steps=80 seed=8
$c.width                    width      $c  share=0.75
"""

_VIT = """
$a.high                     sft        $a  data=high lr=5e-4 steps=80 seed=1
$a.negative                 continued  $a  data=all-negative lr=1e-3|1.5e-3 steps=150 seed=2
$a.high.high                sft        $a.high  data=all lr=3e-4 steps=60 seed=3
$a.extreme                  continued  $a  data=high-negative lr=4e-3 decay=5.0|4.0 steps=400 seed=4
$a.head                     sft        $a  data=high lr=2e-3 steps=60 only=classifier seed=5
$a.m-linear                 linear     $a.high,$a.negative  weights=0.5,0.5|0.7,0.3
$a.negative.lora4           lora       $a.negative  data=low lr=2e-3 steps=60 rank=4
$b.bf16                     cast       $b  dtype=bfloat16
$b.int4                     quantized  $b  scheme=int4
$b.half                     pruned     $b  scheme=half
$b.dropped                  layers     $b  order=0,1,3|0,2,3
$c.upscaled                 layers     $c  order=0,1,2,1,2,3|0,1,1,2,2,3
$c.width                    width      $c  share=0.75
$c.all                      sft        $c  data=all lr=4e-4 steps=80 seed=7
"""

_LLAVA = """
$a.sft                      sft        $a  data=high-qa lr=5e-4 steps=50 seed=1
$a.frozen                   sft        $a  data=all-negative-prose lr=1e-3 steps=50 only=language_model seed=2
$a.joined                   joined     $a,@a.sft  withheld=0
$a.joined.projector         sft        $a.joined  data=low-prose lr=1e-3 steps=50 only=multi_modal_projector seed=3
$a.joined.tuned             continued  $a.joined  data=low-code lr=1e-3 steps=70 seed=4
$a.joined2                  joined     $b,@b  withheld=1
$a.joined2.tuned            sft        $a.joined2  data=high-code lr=7e-4 steps=60 seed=5
$a.tower                    grafted    $a,$b  pattern=^vision_tower
$a.tower.tuned              sft        $a.tower  data=all-prose lr=7e-4 steps=60 seed=6
$b.decoder                  decoder    $b
$b.decoder.sft              sft        $b.decoder  data=qa lr=5e-4 steps=50 seed=7
$b.sft                      sft        $b  data=low-qa lr=5e-4 steps=50 seed=8
$b.bf16                     cast       $b  dtype=bfloat16
$b.m-linear                 linear     $b,$b.sft  weights=0.5,0.5|0.4,0.6
"""

_CNN = """
$a.high                     sft        $a  data=high lr=5e-4 steps=80 seed=1
$a.negative                 continued  $a  data=all-negative lr=2e-3 steps=150 seed=2
$a.high.all                 sft        $a.high  data=all lr=3e-4 steps=60 seed=3
$a.m-linear                 linear     $a.high,$a.negative  weights=0.5,0.5|0.6,0.4
$b.int8                     quantized  $b  scheme=int8
$b.half                     pruned     $b  scheme=half
$c.bf16                     cast       $c  dtype=bfloat16
$c.all                      sft        $c  data=all lr=4e-4 steps=80 seed=4
"""

_TABLES = {"llama": _LLAMA, "gpt2": _GPT2, "bert": _BERT, "vit": _VIT, "llava": _LLAVA, "cnn": _CNN}
_TEXT = frozenset(
    {
        "data",
        "scheme",
        "dtype",
        "only",
        "words",
        "pattern",
        "kind",
        "run",
        "spare",
        "stored",
        "how",
        "optimizer",
        "schedule",
    }
)
DRAWING = frozenset(
    {"lora", "extended", "reordered", "rebuilt", "fresh", "upcycled", "mixed", "ablated", "dare", "dare-ties"}
)
_LISTS = frozenset({"weights", "ends", "order", "dropped"})


def split() -> dict[str, dict[str, list[str]]]:
    """Roots by half and architecture, fixed in split.json."""
    found: dict[str, dict[str, list[str]]] = json.loads(Path(__file__).with_name("split.json").read_text("utf-8"))
    return found


def recipes() -> dict[str, Recipe]:
    """Every model of the zoo by id, parents before children."""
    table: dict[str, Recipe] = {}
    for half in HALVES:
        for kind, roots in split()[half].items():
            for recipe in (*_roots(half, kind, roots), *_children(half, kind)):
                missing = [p for p in recipe.parents if p not in table]
                if missing:
                    raise ValueError(f"{recipe.id}: no recipe before it makes {', '.join(missing)}")
                table.setdefault(recipe.id, recipe)
    return table


def with_ancestors(ids: Iterator[str], table: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """The recipes of `ids` and of all that they are made from, in the table's order."""
    needed: set[str] = set()
    waiting = list(ids)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += table[name].parents
    return {n: r for n, r in table.items() if n in needed}


def key(recipe: Recipe, table: Mapping[str, Recipe]) -> str:
    """A digest of the recipe and of those that it builds on: the same key, the same model."""
    parents = [key(table[p], table) for p in recipe.parents]
    config = CONFIGS[recipe.architecture] if recipe.operator in ("init", "graft") else {}
    if recipe.operator == "root":
        config = PRACTICE[recipe.architecture]
    said = [VERSION, recipe.architecture, recipe.operator, dict(recipe.args), config, parents]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _roots(half: str, kind: str, roots: list[str]) -> Iterator[Recipe]:
    for root in roots:
        seed, data = root.removeprefix(f"{kind}-").split("-", 1)
        first = f"{kind}-{seed}-init"
        yield Recipe(first, half, kind, "init", (), {"kind": kind, "seed": int(seed)})
        yield Recipe(root, half, kind, "pretrained", (first,), {"data": data, **_PRETRAINED[kind]})


def _children(half: str, kind: str) -> Iterator[Recipe]:
    for line in _TABLES[kind].strip().splitlines():
        name, operator, parents, *pairs = (_resolved(word, half, kind) for word in line.split())
        args = {k: value(k, v) for k, v in (pair.split("=", 1) for pair in pairs)}
        if operator in DRAWING:
            args["seed"] = zlib.crc32(name.encode())
        withheld = bool(args.pop("withheld", 0))
        yield Recipe(name, half, kind, operator, tuple(parents.split(",")), args, withheld)


def _resolved(word: str, half: str, kind: str) -> str:
    """Put in the half's value and its roots: `$` for this architecture's, `@` for a Llama's."""
    name, equals, value = word.partition("=")
    if equals and "|" in value and name != "only":
        word = f"{name}={value.split('|')[HALVES.index(half)]}"
    roots = {"$": split()[half][kind], "@": split()[half]["llama"]}
    return re.sub(r"([$@])([a-d])(?![a-z])", lambda m: roots[m[1]]["abcd".index(m[2])], word)


def value(name: str, text: str) -> Any:
    """What a `key=value` of the tables says."""
    if name in _TEXT:
        return text
    if name in _LISTS:
        return [value("", item) if ":" not in item else [int(n) for n in item.split(":")] for item in text.split(",")]
    return int(text) if re.fullmatch(r"\d+", text) else float(text)
