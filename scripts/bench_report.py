"""Time and weigh the HTML pages: the report of a model shaped like a 7B with a vision encoder, graphs of 500 and 5,000.

    python scripts/bench_report.py [--rounds N] [--results docs/results.md]

The answer and the graphs are made up, with the numbers of tensors, models and edges that such ones have; nothing is
searched. Prints Markdown; exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
from results import table, write_section

from lineage import __version__
from lineage.report.html import whois_page
from lineage.report.html.families import graph_page
from lineage.types import (
    Axis,
    CheckpointSketch,
    Comparison,
    ComponentFinding,
    Cue,
    Declared,
    Direction,
    Edge,
    Evidence,
    Excluded,
    Limits,
    Lineage,
    Node,
    Null,
    Part,
    Place,
    Relabelled,
    Relation,
    Relative,
    Stats,
    TensorMatch,
    TensorSketch,
    Timings,
    UnrelatedComponent,
    Verdict,
    Whois,
)
from lineage.types.facts.changes import EqualMatrices
from lineage.types.facts.cues import SpreadGains
from lineage.types.facts.exclusions import FixedTable, Vector
from lineage.types.facts.limits import LookedFor, NotTested

LAYERS = {"text decoder": (32, 1), "vision encoder": (27, 4)}  # and how many times narrower than the matrices below
MATRICES = {"q": (4096, 4096), "k": (1024, 4096), "v": (1024, 4096), "o": (4096, 4096), "gate": (12288, 4096),
            "up": (12288, 4096), "down": (4096, 12288), "norm": (4096,), "bias": (4096,)}  # fmt: skip
SINGLE = {"embeddings": (151936, 4096), "projector": (4096, 4608), "head": (151936, 4096)}
UNRELATED = 24
DRAWS = 400
SEED = 20
RELATIONS = (
    Relation.FINE_TUNED,
    Relation.FINE_TUNED,
    Relation.CONTINUED_PRETRAINING,
    Relation.ADAPTER_MERGED,
    Relation.QUANTIZED,
    Relation.RE_ENCODED,
)
REPORT_BYTES = 1_500_000
REPORT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was made: what it is, its bytes, the median of the seconds that it took."""

    what: str
    size: int
    seconds: float


def answer() -> Whois:
    """The answer for a 7B with a vision encoder, whose text decoder is new and whose vision encoder was tuned."""
    draw = random.Random(SEED)  # noqa: S311
    tensors = [*_tensors()]
    sketch = CheckpointSketch(
        "a" * 32, "lineage-2", "full", "acme/Nova-7B", "Nova-7B", "safetensors", "nova", 0, 0, tuple(tensors),
        "apache-2.0", (Declared("acme/Base-7B", "finetune", "README.md"),),
    )  # fmt: skip
    params: dict[str, int] = {}
    for tensor in tensors:
        params[tensor.part.component] = params.get(tensor.part.component, 0) + tensor.params
    tuned = Evidence(0.9951, 188.0, 9, 4812, 60000, 300.0, -7600.0, 0.99, 0.02, 4000)
    nothing = Evidence(0.0004, 0.3, 9, 290, 60000, 300.0, 0.0, 0.99, 0.02, 4000)
    cue = Cue("gains", Direction.CHILD, 9.0, SpreadGains("this-model", 0.012))
    findings = tuple(
        ComponentFinding(
            name,
            size,
            size / sketch.params,
            Relation.FINE_TUNED,
            Direction.CHILD,
            tuned,
            0.99,
            (SpreadGains("this-model", 0.012),),
            None,
        )
        if name == "vision encoder"
        else ComponentFinding(name, size, size / sketch.params, Relation.INDEPENDENT, None, nothing, 0.0, (), None)
        for name, size in params.items()
    )
    matches = tuple(_match(tensor, draw) for tensor in tensors)
    tables = tuple(
        Excluded(f"model.layers.{i}.self_attn.rotary_emb.inv_freq", FixedTable("rotary-table")) for i in range(32)
    )
    parent = Comparison(
        "0" * 32,
        "org0/model-0-instruct",
        Verdict.PARTLY_DERIVED,
        Relation.COMPONENT_REUSED,
        Direction.CHILD,
        0.08,
        tuned,
        0.99,
        (cue.fact,),
        findings,
        matches,
        tables,
        (cue,),
    )
    others = tuple(replace(parent, model=f"{i:032x}", model_name=f"org{i}/model-{i}-instruct") for i in range(2, 6))
    return Whois(
        sketch,
        Verdict.PARTLY_DERIVED,
        tuple((f, "0" * 32, parent.model_name) if f.relation == "fine-tuned" else (f, None, None) for f in findings),
        (parent,),
        others,
        tables,
        (),
        Limits(4000, "7e195c6029ea380d", 0.02, (LookedFor("tuning"),), (NotTested("merge"),)),
        Timings(0.0, 0.0, 0.0, 0.0),
        parent,
        _null(tuple(params), draw),
        place=Place(
            parents=(Relative(parent.model, parent.model_name, Relation.FINE_TUNED, 0.99, ("vision encoder",)),),
            open=tuple(Relative(one.model, one.model_name, one.relation, 0.5) for one in others),
        ),
    )  # fmt: skip


def family_graph(models: int) -> Lineage:
    """A graph of families of unequal size, with merges, open directions and declared parents."""
    draw = random.Random(SEED)  # noqa: S311
    nodes: list[Node] = []
    edges: list[Edge] = []
    families: list[list[int]] = []
    of: list[int] = []
    for i in range(models):
        is_founder = i < max(1, models // 25)
        family = i if is_founder else of[int(draw.random() ** 2 * i)]
        if is_founder:
            families.append([])
        own = families[family]
        licence = draw.choice(("apache-2.0", "mit", None))
        nodes.append(Node(f"{i:032x}", f"org{i % 50}/model-{i}-instruct", 7_000_000_000, (), True, licence, is_founder))
        if own:
            edges += _joins(draw, nodes, own, i)
        own.append(i)
        of.append(family)
    return Lineage(tuple(nodes), tuple(edges))


def measure(rounds: int) -> list[Page]:
    """Make every page `rounds` times."""
    asked, known = answer(), family_graph(200)
    return [
        _made("report, 7B with a vision encoder", lambda: whois_page(asked, __version__, known), rounds),
        _made("the same in Korean", lambda: whois_page(asked, __version__, known, "ko"), rounds),
        *(
            _made(f"graph of {models:,} models", lambda graph=graph: graph_page(graph), rounds)  # type: ignore[misc]
            for models in (500, 5000)
            if (graph := family_graph(models))
        ),
    ]


def report(pages: list[Page]) -> str:
    """Return the Markdown section."""
    bars = [f"{REPORT_BYTES / 1e6:g} MB, {REPORT_SECONDS:g} s", "", "opens", "opens"]
    rows = [
        [page.what, f"{page.size / 1e6:.2f} MB", f"{page.seconds:.2f} s", bar]
        for page, bar in zip(pages, bars, strict=True)
    ]
    software = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    text = table(["page", "size", "made in", "bar"], rows)
    return f"## HTML pages\n\nBy `scripts/bench_report.py`, from made-up results of that size ({software}).\n\n{text}\n"


def main() -> int:
    """Measure, print, write the section if asked to; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description="Time and weigh the HTML pages.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, help="Markdown page whose section `bench_report` is rewritten")
    chosen = parser.parse_args()
    pages = measure(chosen.rounds)
    text = report(pages)
    print(text)
    if chosen.results:
        write_section(chosen.results, "bench_report", text)
    return 0 if all(page.size < REPORT_BYTES and page.seconds < REPORT_SECONDS for page in pages[:2]) else 1


def _made(what: str, make: Callable[[], bytes], rounds: int) -> Page:
    seconds, size = [], 0
    for _ in range(rounds):
        started = time.perf_counter()
        size = len(make())
        seconds.append(time.perf_counter() - started)
    return Page(what, size, median(seconds))


def _tensors() -> list[TensorSketch]:
    named = [
        (f"{component[:4]}.layers.{layer}.{role}.weight", component, role, layer, tuple(n // narrower for n in shape))
        for component, (layers, narrower) in LAYERS.items()
        for layer in range(layers)
        for role, shape in MATRICES.items()
    ]
    single = [(f"{name}.weight", name, "linear", None, shape) for name, shape in SINGLE.items()]
    stats = Stats(0.0, 0.02, 3.0, 0.0, 0, 0, 1.0)
    grid = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    axes = (Axis("residual", True), Axis("residual", True))
    return [
        TensorSketch(
            name, shape, "bfloat16", Part(component, role, layer, axes), int(np.prod(shape)), stats, "", None, grid,
            np.zeros((0, 0), np.float32), (None, None), None, None,
        )
        for name, component, role, layer, shape in [*named, *single]
    ]  # fmt: skip


def _match(tensor: TensorSketch, draw: random.Random) -> TensorMatch:
    part = tensor.part
    is_tuned = part.component == "vision encoder"
    used = len(tensor.shape) > 1
    r = draw.uniform(0.98, 0.999) if is_tuned or not used else draw.gauss(0.0, 0.005)
    z = draw.uniform(30.0, 70.0) if is_tuned else draw.gauss(0.0, 1.0)
    return TensorMatch(
        tensor.name, tensor.name, part.role, part.component, (part.layer, part.layer), tensor.shape, "structure", False,
        r, r, z, used, None if used else Vector(),
    )  # fmt: skip


def _null(components: tuple[str, ...], draw: random.Random) -> Null:
    def normal(count: int) -> tuple[float, ...]:
        return tuple(draw.gauss(0.0, 1.0) for _ in range(count))

    return Null(
        UNRELATED,
        tuple(
            UnrelatedComponent(name, f"{i:032x}", f"org/unrelated-{i}", draw.gauss(0.0, 0.005), draw.gauss(0.0, 1.0))
            for i in range(UNRELATED)
            for name in components
        ),
        tuple((draw.gauss(0.0, 0.01), draw.gauss(0.0, 1.0)) for _ in range(UNRELATED * 400)),
        tuple(Relabelled(name, "0" * 32, "org0/model-0-instruct", normal(DRAWS), 190.0) for name in components),
    )


def _joins(draw: random.Random, nodes: list[Node], own: list[int], child: int) -> list[Edge]:
    parent = own[int(draw.random() ** 2 * len(own))]
    relation = draw.choice(RELATIONS)
    joins = [
        Edge(
            nodes[parent].id, nodes[child].id, relation, draw.random() < 0.85, "measured", r=draw.random(),
            z=200 * draw.random(), log10_p=-300.0, confidence=0.9, basis=(EqualMatrices(1, 40),),
        )
    ]  # fmt: skip
    others = [one for one in own if one != parent]
    if others and draw.random() < 0.06:
        joins.append(
            Edge(nodes[draw.choice(others)].id, nodes[child].id, Relation.MERGED, True, "measured", weight=0.4)
        )
    if draw.random() < 0.1:
        joins.append(Edge(nodes[parent].id, nodes[child].id, Relation.FINE_TUNED, True, "declared"))
    return joins


if __name__ == "__main__":
    sys.exit(main())
