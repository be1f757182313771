"""Measure the ancestry graph against the truth: the trained zoo, the real checkpoints, and the clock.

    python scripts/benchmark_lineage.py --zoo DIR [--half score] [--results docs/results.md] [--picture docs/graph.png]
    python scripts/benchmark_lineage.py --zoo tests/fixtures/zoo --explain
    python scripts/benchmark_lineage.py --zoo DIR --ablate
    python scripts/benchmark_lineage.py --zoo DIR --speed 1000 [--index DIR]
    python scripts/benchmark_lineage.py --real [--cache DIR]

The models are sketched into an index of their own; names, dates and cards play no part in the graph. Thresholds are set
on the calibration half only; `--half score` is for reporting. tests/fixtures/zoo has sketches of a part of it.
`--speed` times the graph over so many sketches of the zoo and of descendants made of it; `--real` takes the reference
index, or the folder of fetched packages.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.ablations import ablation_head, ablation_rows
from benchmark.accusations import graph_figures, pair_figures
from benchmark.coverage import risk_table
from benchmark.edges import by_cue, by_operator, confusion, edge_figures, explain
from benchmark.figure import listing
from benchmark.hidden import hidden_figures
from benchmark.parents import merge_figures, shape_figures
from benchmark.pictures import draw
from benchmark.real import real_index, real_section
from benchmark.said import said_edges
from benchmark.speed import speed_section
from benchmark.truth import Zoo, read_zoo, truth_of
from results import table, write_section

from lineage import api
from lineage.ancestry import graph
from lineage.store import Index, SketchFolder, SqliteIndex


def main() -> int:
    """Print what was asked for, and keep it where asked."""
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        if options.real:
            name, text = "real", real_section(*real_index(options.cache, Path(scratch)))
        else:
            zoo = read_zoo(options.zoo / "truth.json", options.half, options.withhold)
            index = options.index or Path(scratch)
            if options.speed:
                name, text = "speed", speed_section(zoo, options.zoo, index, options.speed)
            elif options.ablate:
                name, text = f"ablations {options.half}", ablations(zoo, options.zoo, index, options.half)
            else:
                name, text = options.half, report(zoo, index, options)
    print(text)
    if options.results is not None:
        write_section(options.results, f"benchmark_lineage {name}", text)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoo", type=Path, metavar="DIR", help="folder that make_zoo.py wrote")
    parser.add_argument("--half", choices=["calibration", "score"], default="calibration")
    parser.add_argument("--index", type=Path, metavar="DIR", help="keep the index here (default: a temporary folder)")
    parser.add_argument("--withhold", nargs="*", default=(), metavar="ID", help="leave these out of the index too")
    parser.add_argument("--pairs", type=int, default=1000, metavar="N", help="compare at most so many of each kind")
    parser.add_argument("--results", type=Path, metavar="FILE", help="write the section of this page")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw one family, found and true")
    parser.add_argument("--explain", action="store_true", help="list every wrong and missing edge")
    parser.add_argument("--ablate", action="store_true", help="the graph without one cue at a time, and nothing else")
    parser.add_argument("--speed", type=int, metavar="N", help="time the graph over N sketches, and nothing else")
    parser.add_argument("--real", action="store_true", help="the graph over real checkpoints, and nothing else")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="packages fetched by fetch_real.py, for --real")
    options = parser.parse_args()
    if options.zoo is None and not options.real:
        parser.error("--zoo says where the models are")
    return options


@contextmanager
def ingested(zoo: Zoo, folder: Path, index: Path) -> Iterator[Index]:
    """The index with the zoo's shown models in it; a zoo of sketches is one already."""
    if (folder / "sketches").is_dir():
        yield SketchFolder(folder)
        return
    for event in api.ingest([folder / name for name in zoo.shown], index):
        if event.event == "failed":
            raise SystemExit(f"{event.path}: {event.error}")
    with SqliteIndex.open(index) as opened:
        if others := {record.name for record in opened.models()} - set(zoo.shown):
            raise SystemExit(f"{index}: also holds {', '.join(sorted(others)[:3])}: choose another folder")
        yield opened


def report(zoo: Zoo, index: Path, options: argparse.Namespace) -> str:
    """The whole benchmark of one half as Markdown."""
    with ingested(zoo, options.zoo, index) as opened:
        started = time.perf_counter()
        found = graph([opened])
        seconds = time.perf_counter() - started
        truth, said = truth_of(zoo, found), said_edges(found)
        accused, lines = pair_figures(truth, opened.load, options.pairs)
    figures = [
        *edge_figures(said, truth), *graph_figures(said, truth), *accused, *shape_figures(said, truth),
        *merge_figures(said, truth), *hidden_figures(zoo, found, truth),
    ]  # fmt: skip
    if options.picture is not None:
        draw(found, truth, options.picture)
    heading = f"{len(truth.names)} nodes, {len(truth.edges)} true edges, {len(said)} found, graph in {seconds:.1f} s."
    text = [
        f"## Ancestry of the trained zoo, {options.half} half",
        f"By `python scripts/benchmark_lineage.py --half {options.half}`. {heading}",
        listing(figures),
        "Share of wrong edges among those that the graph is surest of:",
        risk_table(said, truth),
        "Direction by what can tell it:",
        table(["cue", "edges found", "committed", "right"], by_cue(said, truth)),
        table(["operator", "edges", "found", "direction right", "word right", "words"], by_operator(said, truth)),
        "Words, expected by row and said by column:",
        table(*confusion(said, truth)),
    ]
    if options.explain:
        text += ["\n".join([*explain(said, truth), *lines])]
    return "\n\n".join(text)


def ablations(zoo: Zoo, folder: Path, index: Path, half: str) -> str:
    """The graph of one half without one cue at a time, as Markdown."""
    with ingested(zoo, folder, index) as opened:
        whole = graph([opened])
        rows = list(ablation_rows(zoo, whole, lambda: graph([opened])))
    return "\n\n".join(
        [
            f"## What each cue is worth, {half} half",
            f"By `python scripts/benchmark_lineage.py --half {half} --ablate`: the graph without one cue at a time.",
            table(ablation_head(zoo, whole), rows),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
