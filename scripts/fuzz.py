"""Read damaged files of every format for a while, and keep each one that a reader does not refuse cleanly.

    python scripts/fuzz.py --seconds 60 [--format gguf] [--seed 1] [--failures fuzz-failures]
    python scripts/fuzz.py --replay fuzz-failures/gguf-1-4711

A case is one of a format's small models with some of its bytes changed, cut, moved, put in, spliced from another, or
turned into extreme numbers; the inside of archives and of compressed files too. Sketches, tables and JSON are changed
so that they still read as such: another figure, type or row, with the sums right. It is opened, read to its end and
sketched in a process of its own, which gets 768 MB, may not take 10 s of the processor for it nor wait for a minute,
and may not start, import or connect to anything, nor open a file outside the case's folder. Whatever ends otherwise
than well or in a LineageError of one printable line is a failure: its files are kept, with the reason and the line
that replays it, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from fuzzing.mutations import Files
from fuzzing.reading import read_index, read_whole
from fuzzing.worker import Outcome, Target, fuzz, replay, write_files
from results import table, write_section

INDEX = "index"
"""The seeds that are an index, not a model: examined and made again."""
ROOT = Path(__file__).resolve().parent.parent


def models() -> Mapping[str, Sequence[Files]]:
    """The small models of each format, which the tests make and carry."""
    sys.path.insert(0, str(ROOT))
    found: Mapping[str, Sequence[Files]] = importlib.import_module("tests.fuzz_seeds").seeds()
    return found


def keep(target: Target, outcome: Outcome, failures: Path) -> None:
    """Write each case that failed with its reason, and say how to replay it."""
    for number, problem in sorted(outcome.problems.items()):
        home = failures / f"{target.name.replace(' ', '-')}-{target.seed}-{number}"
        shutil.rmtree(home, ignore_errors=True)
        write_files(target.case(number), home / "model")
        line = f"python scripts/fuzz.py --replay {home}"
        (home / "why.txt").write_text(f"{problem}\n{line}\n", encoding="utf-8", errors="backslashreplace")
        print(f"  {problem}\n    {line}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz the chosen formats, or replay a failure; 1 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for each format (default: 60)")
    parser.add_argument("--format", help="one format instead of all")
    parser.add_argument("--seed", type=int, default=1, help="where the cases begin; another seed has other cases")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="folder to keep failures in")
    parser.add_argument("--results", type=Path, help="a Markdown page to keep the figures in")
    parser.add_argument("--replay", type=Path, metavar="FAILURE", help="read a failure of such a folder again")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        problem = replay(options.replay / "model")
        print(problem or "reads, or is refused cleanly")
        return 1 if problem else 0
    seeds = models()
    if options.format is not None and options.format not in seeds:
        parser.error(f"no format {options.format!r}: {', '.join(seeds)}")
    failed, rows = 0, []
    for name in [options.format] if options.format else seeds:
        target = Target(name, seeds[name], options.seed, read_index if name == INDEX else read_whole)
        outcome = fuzz(target, options.seconds)
        print(f"{name}: {outcome.cases:,} cases, {outcome.read:,} read, {len(outcome.problems)} failed", flush=True)
        keep(target, outcome, options.failures)
        failed += len(outcome.problems)
        rows.append([name, f"{outcome.cases:,}", f"{outcome.read:,}", str(len(outcome.problems))])
    if options.results is not None:
        told = f"By `python scripts/fuzz.py --seconds {options.seconds:g} --seed {options.seed}`."
        made = table(["format", "cases", "read", "failed"], rows)
        write_section(options.results, "fuzz", f"## Damaged files\n\n{told}\n\n{made}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
