"""Measure the answers about families whose truth is known: the graph, the place of one model, its siblings, the order.

    python scripts/benchmark_families.py --zoo DIR --graph [--explain]
    python scripts/benchmark_families.py --zoo DIR --whois [--every 5] [--diagram docs/reliability.png]
    python scripts/benchmark_families.py --zoo DIR --withheld [--every 5]
    python scripts/benchmark_families.py --zoo DIR --absent
    python scripts/benchmark_families.py --zoo DIR --orders 10

DIR has a .safetensors file a model, with truth.json in it or DIR.truth.json beside it: a half of what `make_zoo.py
--recipe practice` writes to flat/, or any other families described in that form (zoo/flat.py). Names, dates and cards
are hidden. `--whois` asks about each model while all others are known, `--withheld` while its parents are not;
`--absent` draws the graph of each family without one of its parents in turn, and `--orders` adds the models in so many
orders. `--cache` keeps the sketches for the next table. Thresholds are set on the
calibration half only; the score half is for reporting (`--totals`).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark import absent, family_edges, family_graph, places, withheld
from benchmark.asked import Answer, Sketches, ask, index_of
from benchmark.bars import BARS
from benchmark.families import Families, read_families
from benchmark.figure import Figure, listing, not_held
from benchmark.orders import digests, order_figure
from benchmark.places import Names
from benchmark.reliability import Bin, binned, draw_reliability, reliability_figure, reliability_table
from benchmark.said import said_edges
from benchmark.sketched import sketches_of
from results import write_section

from lineage.ancestry import graph
from lineage.store import SqliteIndex


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table that was asked for, and keep it where asked."""
    options = _options(arguments)
    truth = read_families(options.zoo)
    with tempfile.TemporaryDirectory() as scratch:
        cache = options.cache or Path(scratch, "cache")
        sketches = sketches_of(options.zoo, truth.family, cache, options.jobs)
        tables = {
            "graph": graph_table, "whois": whois_table, "withheld": withheld_table, "absent": absent_table,
            "orders": orders_table,
        }  # fmt: skip
        kind = next(kind for kind in tables if getattr(options, kind))
        text = "\n\n".join(tables[kind](truth, sketches, Path(scratch, "index"), options))
    print(text)
    if options.results is not None:
        write_section(options.results, f"benchmark_families {_place(options.zoo)} {kind}", text)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoo", type=Path, required=True, metavar="DIR", help="folder of models with their truth")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--graph", action="store_true", help="the graph of all models")
    which.add_argument("--whois", action="store_true", help="each model, all others known")
    which.add_argument("--withheld", action="store_true", help="each model, its parents not known")
    which.add_argument("--absent", action="store_true", help="the graph of each family without one parent in turn")
    which.add_argument("--orders", type=int, metavar="N", help="the graph for N orders of adding the models")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="ask about every N-th model only")
    parser.add_argument("--bars", choices=[*BARS], default="practice", help="what to hold the figures to")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (default: 2)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the sketches here")
    parser.add_argument("--totals", action="store_true", help="nothing about single families and operators")
    parser.add_argument("--explain", action="store_true", help="list every answer that is wrong")
    parser.add_argument("--diagram", type=Path, metavar="FILE", help="draw how often directions are right, as PNG")
    parser.add_argument("--results", type=Path, metavar="FILE", help="write the section of this page")
    return parser.parse_args(arguments)


def graph_table(truth: Families, sketches: Sketches, index: Path, options: argparse.Namespace) -> Iterator[str]:
    """Edges, directions, families and merges of the graph; models that are disguised are left out of it."""
    shown = {name: sketch for name, sketch in sketches.items() if not truth.is_disguised(name)}
    with SqliteIndex.open(index_of([*shown.values()], index)) as opened:
        wall, cpu = time.perf_counter(), _cpu_seconds()
        found = graph([opened])
        wall, cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
    drawn = family_graph.held(said_edges(found), family_graph.nodes_named(found, names_of(shown)), truth)
    bins = binned(family_graph.directions(drawn, truth))
    out = f", {len(sketches) - len(shown)} disguised ones left out" if len(shown) < len(sketches) else ""
    yield f"## {_place(options.zoo)}: the graph"
    yield (
        f"{_command(options, 'graph')} {len(shown)} models{out}, {len(drawn.found)} true edges, {len(drawn.said)} "
        f"found, graph in {wall:.1f} s ({cpu:.1f} s of processor)."
    )
    yield from _listed([*family_edges.figures(drawn, truth, BARS[options.bars]), reliability_figure(bins)])
    yield from _reliability(bins, options)
    if not options.totals:
        yield family_edges.by_family(drawn, truth)
        yield family_edges.by_operator(drawn, truth)
    if options.explain:
        yield "\n".join(family_graph.explained(drawn, truth))


def whois_table(truth: Families, sketches: Sketches, index: Path, options: argparse.Namespace) -> Iterator[str]:
    """The answer about each model while all others are known."""
    asked = {name: frozenset({name}) for name in [*truth.family][:: options.every]}
    names = names_of(sketches)
    answers = _answers(sketches, asked, index, options)
    judged = [places.judge(answer, truth, names) for answer in answers]
    bins = binned(claim for one in judged for claim in one.claims)
    figures = [*places.place_figures(judged, truth, BARS[options.bars]), reliability_figure(bins)]
    yield f"## {_place(options.zoo)}: whois, one model left out at a time"
    yield f"{_command(options, 'whois')} {len(answers)} of {len(sketches)} models asked about, all others known."
    yield from _listed([*figures, *places.time_figures(answers, options.jobs)])
    yield from _reliability(bins, options)
    if not options.totals:
        yield places.by_operator(judged, truth)
    if options.explain:
        yield "\n".join(places.explained(judged, truth, names))


def withheld_table(truth: Families, sketches: Sketches, index: Path, options: argparse.Namespace) -> Iterator[str]:
    """The answer about each model while its parents are in no index."""
    answers = _answers(sketches, withheld.questions(truth, options.every), index, options)
    names = names_of(sketches)
    yield f"## {_place(options.zoo)}: whois, the parents withheld"
    yield (
        f"{_command(options, 'withheld')} {len(answers)} models asked about while their parents, copies of these and "
        "whatever else is right as a parent are not in the index."
    )
    yield from _listed(withheld.withheld_figures(answers, truth, names, BARS[options.bars]))
    if options.explain:
        yield "\n".join(withheld.explained(answers, truth, names))


def absent_table(truth: Families, sketches: Sketches, _: Path, options: argparse.Namespace) -> Iterator[str]:
    """Directions in graphs of families of which one parent is in no index."""
    found = [*absent.graphs(truth, sketches, options.jobs)]
    yield f"## {_place(options.zoo)}: the graph, one parent absent at a time"
    yield (
        f"{_command(options, 'absent')} {len(found)} graphs, each of one family without one model of two children or "
        "more and without its copies."
    )
    yield from _listed(absent.absent_figures(found, truth, BARS[options.bars].withheld_direction))
    if options.explain:
        yield "\n".join(absent.explained(found, truth))


def orders_table(_: Families, sketches: Sketches, __: Path, options: argparse.Namespace) -> Iterator[str]:
    """Whether the order in which models are added changes the graph."""
    found = order_figure(digests([*sketches.values()], options.orders, options.jobs))
    yield f"## {_place(options.zoo)}: the order of ingest"
    yield f"{_command(options, f'orders {options.orders}')} {len(sketches)} models; the whole JSON is compared."
    yield from _listed([found])


def names_of(sketches: Sketches) -> Names:
    """The models behind each id."""
    ids = {sketch.id for sketch in sketches.values()}
    return {model: frozenset(name for name, sketch in sketches.items() if sketch.id == model) for model in ids}


def _answers(
    sketches: Sketches, asked: dict[str, frozenset[str]], index: Path, options: argparse.Namespace
) -> list[Answer]:
    return [*ask(sketches, asked, index_of([*sketches.values()], index), options.jobs)]


def _listed(figures: Sequence[Figure]) -> Iterator[str]:
    yield listing(figures)
    yield not_held(figures)


def _reliability(bins: Sequence[Bin], options: argparse.Namespace) -> Iterator[str]:
    yield "Directions by the probability that is claimed for them:"
    yield reliability_table(bins)
    if options.diagram is not None:
        draw_reliability(bins, options.diagram)
        yield f"![Share of directions that is right by the probability claimed]({options.diagram.name})"


def _cpu_seconds() -> float:
    """Seconds of processor that this process and those which worked for it have used."""
    return sum(os.times()[:4])


def _place(folder: Path) -> str:
    """The folder and the one that it lies in: enough to identify it, without paths of the machine."""
    return "/".join(folder.resolve().parts[-2:])


def _command(options: argparse.Namespace, kind: str) -> str:
    """The command and the cores that it ran on."""
    given = {"every": options.every if options.every > 1 else None, "bars": options.bars}
    rest = "".join(f" --{name} {value}" for name, value in given.items() if value not in (None, "practice"))
    command = f"python scripts/benchmark_families.py --zoo {_place(options.zoo)} --{kind}{rest}"
    return f"By `{command}` ({os.cpu_count()} cores)."


if __name__ == "__main__":
    sys.exit(main())
