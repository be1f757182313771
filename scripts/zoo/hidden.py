"""The second zoo with disguises: of each root, in the table's form of zoo/practice.py.

`disguised` gives a model's numbers another form and leaves its function (scripts/disguises.py): `how` is `permuted`,
`rotated`, `rescaled` (and permuted), or `all` that the architecture allows. Each model that something was done to
afterwards has a disguise of its own, which is never published. `far` is trained until its median cosine is 0.8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from disguises import GATED, UNROTATED

from zoo.practice import practice, split, tuned
from zoo.recipes import HALVES, Recipe

_TABLE = """
$.permuted        disguised  $  how=permuted
$.rotated         disguised  $  how=rotated
$.rescaled        disguised  $  how=rescaled
$.hidden          disguised  $  how=all
$.hidden-sft      disguised  $.sft  how=all
$.h1              disguised  $  how=all withheld=1
$.h1.sft          sft        $.h1  data=@c lr=5e-5 steps=40
$.h2              disguised  $  how=all withheld=1
$.h2.int8         quantized  $.h2  scheme=int8
$.h3              disguised  $  how=all withheld=1
$.h3.int4         quantized  $.h3  scheme=int4 spare=@h
$.h4              disguised  $  how=all withheld=1
$.h4.half         pruned     $.h4  scheme=half
$.h5              disguised  $  how=all withheld=1
$.h5.far          continued  $.h5  data=@b lr=4e-3 steps=600 until=0.8 optimizer=adamw schedule=constant
$.w               width      $  share=0.75 withheld=1
$.w.hidden        disguised  $.w  how=all
$.h6              disguised  $  how=all withheld=1
$.h6.lora         lora       $.h6  data=@c lr=5e-4 steps=40 rank=8
$.h6.lora.int8    quantized  $.h6.lora  scheme=int8
"""


def hidden() -> dict[str, Recipe]:
    """Every model of the second zoo, and the disguised ones of its roots, by id, parents before children."""
    table = practice()
    for half in HALVES:
        for family in split()[half]:
            table |= {recipe.id: recipe for recipe in _of_a_family(half, family, table)}
    return table


def _of_a_family(half: str, family: Mapping[str, Any], table: Mapping[str, Recipe]) -> Iterator[Recipe]:
    made: set[str] = set()
    for recipe in tuned(half, family, _TABLE):
        if _fits(recipe) and all(parent in table or parent in made for parent in recipe.parents):
            made.add(recipe.id)
            yield recipe


def _fits(recipe: Recipe) -> bool:
    how = recipe.args.get("how")
    if recipe.operator in ("width", "lora") and recipe.architecture in ("mixtral", "llava", "cnn"):
        return False
    if how == "rotated":
        return not recipe.architecture.startswith(UNROTATED)
    return how != "rescaled" or recipe.architecture.startswith(GATED)
