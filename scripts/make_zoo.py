"""Train the zoo: small real networks with a known ancestry, into a cache folder with truth.json beside them.

    python scripts/make_zoo.py --cache DIR [--recipe first|practice|hidden|beginnings] [--only PATTERN] [--workers 2]
    python scripts/make_zoo.py --list [--recipe first|practice|hidden|beginnings] [--only PATTERN]
    python scripts/make_zoo.py --cache DIR --subset tests/fixtures/zoo

Needs torch==2.13.0 (CPU), scikit-learn==1.9.1, numpy, ml_dtypes. A model whose recipe has not changed is not made
again. PATTERN is a regular expression on ids; ancestors come along.

`--recipe practice` makes the second zoo instead (zoo/practice.py), in a cache of its own, one family after the other;
after each, flat/ and truth.json are written anew with the families that are whole (zoo/flat.py), so that it can be used
before it is complete. `--recipe hidden` is that zoo and disguised models of its roots (zoo/hidden.py). `--recipe
beginnings` makes models that have little but an initialisation in common (zoo/beginnings.py), in a cache of their own.

`--subset` trains nothing and needs no torch: from a cache that is complete it writes the sketches, whole checkpoints
and truth.json that the tests carry (zoo/subset.py says which). Run it again, and commit what it writes, whenever the
sketch format, the sketch family or the anatomy changes: tests/unit/ancestry/test_zoo_graph.py fails until then.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

from zoo.beginnings import beginnings
from zoo.building import build
from zoo.flat import write_flat
from zoo.hidden import hidden
from zoo.practice import family_of, practice
from zoo.recipes import Recipe, recipes, with_ancestors
from zoo.truth import write_truth

_RECIPES = {"first": recipes, "practice": practice, "hidden": hidden, "beginnings": beginnings}
_OF_FAMILIES = ("practice", "hidden")


def main() -> None:
    """Parse the arguments, then list, build or take the subset out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="folder for the models; made if missing")
    parser.add_argument("--recipe", choices=[*_RECIPES], default="first", help="which zoo")
    parser.add_argument("--only", default="", metavar="PATTERN", help="build these and their ancestors")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes of one thread each")
    parser.add_argument("--list", action="store_true", help="print the recipes and stop")
    parser.add_argument("--subset", type=Path, metavar="FOLDER", help="write the part that the tests carry and stop")
    asked = parser.parse_args()
    everything = _RECIPES[asked.recipe]()
    chosen = with_ancestors((n for n in everything if re.search(asked.only, n)), everything)
    if asked.list:
        print(*map(_line, chosen.values()), sep="\n")
    elif asked.cache is None:
        parser.error("--cache says where the models go")
    elif asked.subset is not None:
        from zoo.subset import write_subset

        print(f"{write_subset(everything, asked.cache, asked.subset):,} bytes in {asked.subset}")
    else:
        began = time.monotonic()
        if asked.recipe in _OF_FAMILIES:
            _build_families(everything, chosen, asked.cache, asked.workers)
        else:
            build(chosen, asked.cache, asked.workers, lambda line: print(line, flush=True))
        truth = write_truth(everything, asked.cache)
        print(f"{len(chosen)} models in {time.monotonic() - began:.0f} s; {truth}")


def _build_families(everything: dict[str, Recipe], chosen: dict[str, Recipe], cache: Path, workers: int) -> None:
    """One family after the other; the flat halves are written anew after each that is whole."""
    whole: list[str] = []
    for family in dict.fromkeys(map(family_of, chosen)):
        asked = {n: r for n, r in chosen.items() if family_of(n) == family}
        build(asked, cache, workers, lambda line: print(line, flush=True))
        if len(asked) == sum(family_of(n) == family for n in everything):
            whole.append(family)
            write_truth(everything, cache)
            print(f"{family} is whole: {write_flat(everything, whole, cache)}", flush=True)


def _line(recipe: Recipe) -> str:
    args = " ".join(f"{k}={v}" for k, v in recipe.args.items())
    return f"{recipe.half:11} {recipe.id:40} {recipe.operator:12} {','.join(recipe.parents)}  {args}".rstrip()


if __name__ == "__main__":
    main()
