"""Measure what is seen through: disguises of models, alone and with more on top; and the null of unrelated ones.

    python scripts/benchmark_disguises.py --zoo DIR [--results docs/results.md]

DIR is a folder of models with their truth, as `benchmark_families.py` takes it. Each root, and up to three models that
were trained from it, is disguised (scripts/disguises.py) and held against the root by `lineage.compare`. Unrelated are
models of two families, no more than four of each. The threshold on r is set on the calibration half
(lineage/ancestry/pair/disguised.py); the score half is for reporting.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import disguises
import ml_dtypes
import numpy as np
import operators
from benchmark.families import Families, read_families
from numpy.typing import NDArray
from results import table, write_section
from safetensors.numpy import save_file

from lineage import compare
from lineage.checkpoints import open_checkpoint
from lineage.match.disguise import disguises as held_together
from lineage.sketch import sketch_checkpoint
from lineage.types import CheckpointSketch

Arrays = dict[str, NDArray[Any]]
Change = Callable[[Arrays], Arrays]

_SEED = 5
_CHILDREN = 3
_OF_A_FAMILY = 4
_DISGUISES: Mapping[str, Change] = {
    "permuted": lambda a: disguises.permuted(a, _SEED),
    "rotated": lambda a: disguises.rotated(a, _SEED),
    "rescaled, permuted": lambda a: disguises.permuted(disguises.rescaled(a, _SEED), _SEED),
    "all three": lambda a: disguises.permuted(disguises.rotated(disguises.rescaled(a, _SEED), _SEED), _SEED),
}
_ON_TOP: Mapping[str, Change] = {
    "alone": lambda a: a,
    "int8": operators.matrices(operators.int8_rows),
    "int4": operators.matrices(operators.int4_groups),
    "half pruned": operators.matrices(operators.magnitude_pruned),
    "noise of 30%": operators.matrices(operators.noise(0.3)),
}
_POST_NORM = ("bert",)  # no rotation leaves a norm behind the sum as it was
_GATED = ("llama", "llava", "mixtral")  # what a smooth activation stands between cannot be rescaled
_NO_TOWER = ("cnn",)
_TRAINED = {"fine-tuned", "continued-pretraining"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables, and keep them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoo", type=Path, required=True, metavar="DIR")
    parser.add_argument("--results", type=Path, default=None)
    options = parser.parse_args(arguments)
    truth = read_families(options.zoo)
    with tempfile.TemporaryDirectory() as scratch:
        text = "\n\n".join(
            [
                f"## Disguises, {options.zoo.name}",
                f"By `python scripts/benchmark_disguises.py --zoo {options.zoo.name}`.",
                found_table(options.zoo, truth, Path(scratch)),
                null_text(options.zoo, truth),
            ]
        )
    print(text)
    if options.results is not None:
        write_section(options.results, f"benchmark_disguises {options.zoo.name}", text)
    return 0


def found_table(zoo: Path, truth: Families, scratch: Path) -> str:
    """How often a disguised model is said to be its root's, by disguise and by what was done before or after it."""
    counts: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for root, children in _families(zoo, truth):
        plain = sketch_checkpoint(open_checkpoint(zoo / f"{root}.safetensors"))
        for disguise, change in _fitting(root):
            for name, on_top in _ON_TOP.items():
                made = _sketched(on_top(change(_arrays(zoo, root))), scratch)
                counts[disguise, name].append(_is_found(made, plain))
            for child in children:
                made = _sketched(change(_arrays(zoo, child)), scratch)
                counts[disguise, "trained before"].append(_is_found(made, plain))
    columns = [*_ON_TOP, "trained before"]
    rows = [[disguise, *(_share(counts[disguise, column]) for column in columns)] for disguise in _DISGUISES]
    return table(["disguise", *columns], rows)


def null_text(zoo: Path, truth: Families) -> str:
    """Z and r of towers of two families, by layer; whatever is called disguised there is false."""
    members: dict[str, list[CheckpointSketch]] = {}
    for family in sorted({*truth.family.values()}):
        names = [name for name, own in sorted(truth.family.items()) if own == family][:_OF_A_FAMILY]
        sketches = (sketch_checkpoint(open_checkpoint(zoo / f"{name}.safetensors")) for name in names)
        members[family] = [one for one in sketches if one.neurons]
    zs, rs, false, count = list[float](), list[float](), 0, 0
    for one, other in combinations(sorted(members), 2):
        for a in members[one]:
            for b in members[other]:
                count += 1
                false += any(c.relation == "disguised" for c in compare(a, b).components)
                for found in held_together(a.neurons, b.neurons):
                    zs += [layer.z for layer in found.layers]
                    rs.append(found.r)
    spread = f"z of {len(zs)} pairs of layers: sd {np.std(zs):.2f}, largest {max(zs):.2f}"
    return f"{count} unrelated pairs of models: {false} called disguised; {spread}; largest r of codes {max(rs):.2f}."


def _families(zoo: Path, truth: Families) -> Iterator[tuple[str, list[str]]]:
    """Each root that has a file, with models that were only trained from it."""
    for root in sorted(name for name in truth.family if "." not in name and (zoo / f"{name}.safetensors").exists()):
        if not root.startswith(_NO_TOWER):
            words = {child: word for (parent, child), word in truth.words.items() if parent == root}
            yield root, [child for child, word in sorted(words.items()) if {*word} <= _TRAINED][:_CHILDREN]


def _fitting(root: str) -> Iterator[tuple[str, Change]]:
    for name, change in _DISGUISES.items():
        turns, rescales = name in ("rotated", "all three"), name.startswith("rescaled") or name == "all three"
        if not (turns and root.startswith(_POST_NORM)) and not (rescales and not root.startswith(_GATED)):
            yield name, change


def _arrays(zoo: Path, name: str) -> Arrays:
    opened = open_checkpoint(zoo / f"{name}.safetensors").tensors
    return {v.name: v.rows(0, (v.shape or (1,))[0]).astype(np.float32).reshape(v.shape) for v in opened}


def _sketched(arrays: Arrays, scratch: Path) -> CheckpointSketch:
    path = scratch / "query.safetensors"
    save_file({name: np.ascontiguousarray(array.astype(ml_dtypes.bfloat16)) for name, array in arrays.items()}, path)
    return sketch_checkpoint(open_checkpoint(path))


def _is_found(query: CheckpointSketch, root: CheckpointSketch) -> bool:
    return compare(query, root).relation == "disguised"


def _share(found: Sequence[bool]) -> str:
    return f"{sum(found)} of {len(found)}" if found else "-"


if __name__ == "__main__":
    sys.exit(main())
