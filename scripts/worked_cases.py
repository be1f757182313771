"""Run the commands of docs/worked-cases.md, and write what they print, and the figures beside them, into the page.

    python scripts/worked_cases.py
    python scripts/worked_cases.py --zoo DIR

The page is the source: every `lineage` line of its shell blocks is run in order, and the text block that follows one is
replaced. All models are sketches that the tests carry, in tests/fixtures/zoo and tests/fixtures/cases. `--zoo` makes
the latter again, from the zoo that make_zoo.py trained; do so whenever the sketch format changes.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import hub_bytes
import numpy as np
from results import table, write_section
from zoo.recipes import recipes, with_ancestors

from lineage import api
from lineage.checkpoints import open_checkpoint
from lineage.sketch import read_sketch, sketch_checkpoint, write_sketch
from lineage.types import CheckpointSketch, Comparison, TensorMatch, Whois

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "worked-cases.md"
PICTURE = "worked-cases.png"
ZOO, CASES = "tests/fixtures/zoo/sketches", "tests/fixtures/cases"
MADE_AS = {"nova-vl": "llava-0-low-prose.tower.tuned", "llama-0-code": "llama-0-code"}
"""Name of each sketch in tests/fixtures/cases -> the model of the zoo that it is made of."""

REUSER, SOURCE = "nova-vl", "llava-1-high-code"
REUSED, OWN = "vision encoder", "text decoder"
TWINS = ("llama-0-code", "llama-1-code")
COLUMNS = 100
_LINEAGE = (sys.executable, "-c", "import sys; from lineage.cli import main; sys.exit(main())")
SHELL = re.compile(r"^```sh\n(?P<lines>.*?)^```\n(?P<said>\n```text\n.*?^```\n)?", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far pairs of models agree: raw cosines and centred r of their norm gains, z of their weight matrices."""

    pairs: int
    cosines: tuple[float, ...]
    gains_r: tuple[float, ...]
    matrices_z: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the page says beside the commands' output; `reused` and `own` are two components of case 1."""

    unrelated: Agreement
    models: int
    reused: Agreement
    own: Agreement
    twins: Agreement
    answer: Whois
    compared: Comparison


def main() -> int:
    """Sketch what is asked for, then write page and picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoo", type=Path, metavar="DIR", help="make tests/fixtures/cases again from this zoo")
    zoo = parser.parse_args().zoo
    if zoo is not None:
        make_sketches(zoo)
    figures = write_page(PAGE)
    draw(figures, PAGE.with_name(PICTURE))
    print(PAGE)
    return 0


def make_sketches(zoo: Path) -> None:
    """Write tests/fixtures/cases from the models of a trained zoo."""
    for name, model in MADE_AS.items():
        made = sketch_checkpoint(open_checkpoint(zoo / model))
        write_sketch(replace(made, name=name, path="", declared=()), ROOT / CASES / f"{name}.sketch")


def write_page(page: Path) -> Figures:
    """Run what `page` says and write the output into it; return the figures that it names."""
    with tempfile.TemporaryDirectory() as folder:
        for part in (ZOO, CASES):
            shutil.copytree(ROOT / part, Path(folder, part))
        text = SHELL.sub(lambda block: _ran(block, Path(folder)), page.read_text(encoding="utf-8"))
        page.write_text(text, encoding="utf-8")
        figures = measure(sketches(), Path(folder, "index"))
    for name, said in {**sections(figures), "hub_bytes": hub_bytes.text()}.items():
        write_section(page, name, said)
    return figures


def _ran(block: re.Match[str], folder: Path) -> str:
    """A shell block once its commands were run in `folder`, with their output where the page shows it."""
    lines = [shlex.split(line, comments=True) for line in block["lines"].splitlines()]
    said = "".join(command(words[1:], folder) for words in lines if words[:1] == ["lineage"])
    shell = f"```sh\n{block['lines']}```\n"
    return shell if block["said"] is None else f"{shell}\n```text\n{said.strip()}\n```\n"


def command(words: Iterable[str], folder: Path) -> str:
    """What `lineage` with these words prints in `folder`; file patterns are resolved as a shell does."""
    resolved = [one for word in words for one in (_matching(word, folder) if "*" in word else [word])]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": str(COLUMNS), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*_LINEAGE, *resolved], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"lineage {shlex.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _matching(pattern: str, folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob(pattern))


# -- figures -----------------------------------------------------------------------------------


def sketches() -> dict[str, CheckpointSketch]:
    """All carried sketches by name."""
    files = [file for part in (ZOO, CASES) for file in sorted((ROOT / part).glob("*.sketch"))]
    return {made.name: made for made in map(read_sketch, files)}


def measure(carried: Mapping[str, CheckpointSketch], index: Path) -> Figures:
    """Compare every unrelated pair of one architecture, and the pairs of the two cases; an index is made at `index`."""
    pairs = list(unrelated_pairs(carried))
    reuse = api.compare(carried[REUSER], carried[SOURCE]).tensors
    twins = api.compare(carried[TWINS[0]], carried[TWINS[1]])
    list(api.ingest(sorted((ROOT / ZOO).glob("*.sketch")), index))
    return Figures(
        unrelated=agreement([api.compare(carried[one], carried[other]).tensors for one, other in pairs]),
        models=len({name for pair in pairs for name in pair}),
        reused=agreement([[match for match in reuse if match.component == REUSED]]),
        own=agreement([[match for match in reuse if match.component == OWN]]),
        twins=agreement([twins.tensors]),
        answer=api.whois(carried[REUSER], index, reference=False),
        compared=twins,
    )


def unrelated_pairs(carried: Mapping[str, CheckpointSketch]) -> Iterator[tuple[str, str]]:
    """Pairs of one architecture that have no ancestor in common, not even their initial values."""
    made = recipes()
    above = {name: set(with_ancestors(iter([MADE_AS.get(name, name)]), made)) for name in carried}
    for one, other in combinations(carried, 2):
        if carried[one].architecture == carried[other].architecture and not above[one] & above[other]:
            yield one, other


def agreement(pairs: Sequence[Iterable[TensorMatch]]) -> Agreement:
    """The figures of pairs of models, tensor by tensor; constant gains, which have no r, are left out."""
    tensors = [match for matches in pairs for match in matches]
    gains = [(m.cosine, m.r) for m in tensors if m.role == "norm" and m.a.endswith("weight")]
    known = [(cosine, r) for cosine, r in gains if cosine is not None and r is not None]
    zs = [m.z for m in tensors if len(m.shape) > 1 and m.used and m.z is not None]
    return Agreement(len(pairs), tuple(c for c, _ in known), tuple(r for _, r in known), tuple(zs))


def sections(figures: Figures) -> dict[str, str]:
    """The parts of the page that are made of figures, by the name of their marker."""
    return {"figures": _table(figures), "sentence reuse": _reuse(figures), "sentence cosine": _cosine(figures)}


def _table(figures: Figures) -> str:
    null = figures.unrelated
    rows = {
        f"{null.pairs} unrelated pairs of one architecture, of {figures.models} models (case 2 among them)": null,
        f"case 1, {REUSED}s of `{REUSER}` and `{SOURCE}`": figures.reused,
        f"case 1, {OWN}s of the same two": figures.own,
        f"case 2, `{TWINS[0]}` and `{TWINS[1]}`": figures.twins,
    }
    head = ["", "cosine of norm gains", "centred r of norm gains", "z of weight matrices"]
    return table(
        head, ([name, _range(a.cosines, 4), _range(a.gains_r, 2), _range(a.matrices_z, 1)] for name, a in rows.items())
    )


def _range(values: Sequence[float], digits: int) -> str:
    low, middle, high = (f"{round(value, digits) + 0.0:.{digits}f}" for value in np.quantile(values, [0, 0.5, 1]))
    return f"{low} to {high}, median {middle}"


def _reuse(figures: Figures) -> str:
    (found,) = (part for part, _, name in figures.answer.components if name == SOURCE)
    largest = max(map(abs, figures.unrelated.matrices_z))
    return _quoted(
        f"The {found.name} of {REUSER}, {found.share:.1%} of its parameters, and that of {SOURCE} are derived one from"
        f" the other, or both from a third (r {found.evidence.r:.2f}, z {found.evidence.z:.0f}; among"
        f" {figures.unrelated.pairs} unrelated pairs no matrix has a z beyond {largest:.1f}). In the rest of {REUSER}"
        f" no inheritance was found among {figures.answer.limits.models_searched} known models. Weights alone do not"
        " say which of the two had the encoder first, nor whether a licence allows it."
    )


def _cosine(figures: Figures) -> str:
    return _quoted(
        f"The norm gains of {TWINS[0]} and {TWINS[1]} have a cosine of {np.median(figures.twins.cosines):.3f}; those of"
        f" {figures.unrelated.pairs} unrelated pairs have {min(figures.unrelated.cosines):.2f} and more, so this says"
        f" nothing. Their weight matrices agree no more than chance does (z {figures.compared.evidence.z:.1f}): no"
        " inheritance was found between the two. That does not prove of either that it was trained from scratch."
    )


def _quoted(text: str) -> str:
    return textwrap.fill(text, 120, initial_indent="> ", subsequent_indent="> ", break_on_hyphens=False)


def draw(figures: Figures, target: Path) -> None:
    """Cosines of norm gains, which are high everywhere, beside z of weight matrices, which is not."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    shown = {
        f"{figures.unrelated.pairs} unrelated pairs": (figures.unrelated, "#8aa9c8", "stepfilled"),
        "case 2: two independent models": (figures.twins, "#333333", "step"),
        f"case 1: {REUSED}, reused": (figures.reused, "#b5563c", "step"),
    }
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", facecolor="white")
    for name, (one, colour, kind) in shown.items():
        for axis, values, bins in (
            (left, one.cosines, np.linspace(0, 1, 41)),
            (right, one.matrices_z, np.linspace(-5, 45, 51)),
        ):
            weights = np.full(len(values), 1 / len(values))
            axis.hist(values, bins, weights=weights, label=name, color=colour, histtype=kind, linewidth=1.8)
    left.set(title="norm gains: high everywhere", xlabel="raw cosine", ylabel="share of tensors")
    right.set(title="weight matrices: reuse stands out", xlabel="z", ylabel="share of tensors")
    left.legend(frameon=False, loc="upper left")
    figure.savefig(target, dpi=110, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
