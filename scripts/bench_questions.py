"""What questions about the models of an index cost where one process answers them all, as a service does.

    python scripts/bench_questions.py INDEX [--every 4] [--results docs/performance.md]

Each model (or every fourth) is asked about by its sketch read anew: while no answers are kept, once and again under
another name; then so that its answer is kept, and from that. Seconds are those of one core, so that what else the
machine does counts little; prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from results import table, write_section
from threadpoolctl import threadpool_limits

from lineage import api
from lineage.ancestry import kept_answers

ROUNDS = ("asked about for the first time", "again, under another name")
KEPT = ("again, and kept", "again, from the kept answer")


def asked(sketches: Sequence[Path], index: Path, name: str) -> Iterator[float]:
    """Seconds of a core of each question about what these files hold, called `name` and a number."""
    for number, file in enumerate(sketches):
        query = replace(api.sketch(file), name=f"{name} {number}")
        began = time.process_time()
        api.whois(query, index, reference=False)
        yield time.process_time() - began


def report(found: Mapping[str, Sequence[float]]) -> str:
    """The section of the page."""
    head = ["each model", "questions", "median", "the first", "all"]
    rows = [
        [what, str(len(took)), f"{median(took):.2f} s", f"{took[0]:.2f} s", f"{sum(took):.1f} s"]
        for what, took in found.items()
    ]
    load = f", load {os.getloadavg()[0]:.0f}" if hasattr(os, "getloadavg") else ""
    software = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}{load}."
    return f"{table(head, rows)}\n\n{software}"


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("index", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--results", type=Path, help="a Markdown file whose section is written")
    given = parser.parse_args()
    files = sorted((given.index / "sketches").rglob("*.sketch"))[:: given.every]
    with threadpool_limits(limits=1):
        kept = kept_answers.kept_answers
        kept_answers.kept_answers = kept_answers.KeptAnswers(0)
        found = {what: [*asked(files, given.index, what)] for what in ROUNDS}
        kept_answers.kept_answers = kept
        text = report(found | {what: [*asked(files, given.index, what)] for what in KEPT})
    print(text)
    if given.results is not None:
        write_section(given.results, "questions", text)


if __name__ == "__main__":
    main()
