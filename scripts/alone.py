#!/usr/bin/env python3
"""Runs test files alone, each in a process of its own, so that none leans on what another one has loaded or left.

    python scripts/alone.py                          every file (about half an hour on one core)
    python scripts/alone.py tests/cli/test_help.py   these
    python scripts/alone.py --sample 12              twelve

A sample is chosen by the commit, so that another one is tried at the next.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
NO_TESTS = 5  # pytest's exit code where a whole file is skipped, as pages are without a browser


@dataclass(frozen=True)
class Outcome:
    """How the tests of one file ended."""

    file: str
    passed: bool
    seconds: float
    report: str

    def __str__(self) -> str:
        last = self.report.strip().splitlines()[-1:] or ["no output"]
        return f"{'ok    ' if self.passed else 'FAILED'} {self.seconds:6.1f} s  {self.file}  {last[0].strip('= ')}"


def every_file() -> list[str]:
    """The test files of the project, by their paths in it, sorted."""
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py"))


def sample(files: list[str], count: int, key: str) -> list[str]:
    """`count` of the files: those whose digest with `key` is smallest, so that each key has others."""
    return sorted(sorted(files, key=lambda file: hashlib.sha256(f"{key}:{file}".encode()).digest())[:count])


def commit() -> str:
    """The commit that is checked out, or outside a clone the day."""
    if git := shutil.which("git"):
        head = subprocess.run([git, "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
        if head.returncode == 0:
            return head.stdout.strip()
    return datetime.now(UTC).date().isoformat()


def alone(file: str) -> Outcome:
    """Run one file and keep what pytest printed.

    Each has its own folder for temporary files: in a shared one, two runs that end together delete the same old ones.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="alone-", ignore_cleanup_errors=True) as folder:
        pytest = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*pytest, f"--basetemp={Path(folder, 'tests')}", file],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    return Outcome(file, done.returncode in (0, NO_TESTS), time.monotonic() - started, done.stdout)


def main() -> int:
    """Exit code 1 if the tests of any file fail alone; their output comes last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="test files; all of them if none is given")
    parser.add_argument("--sample", type=int, metavar="N", help="only N of them, chosen by the commit")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    asked = parser.parse_args()
    files = asked.files or every_file()
    if asked.sample is not None:
        key = commit()
        files = sample(files, asked.sample, key)
        print(f"{len(files)} test files, chosen by {key}", flush=True)
    failed: list[Outcome] = []
    with ThreadPoolExecutor(asked.jobs) as pool:
        for outcome in pool.map(alone, files):
            print(outcome, flush=True)
            failed += [] if outcome.passed else [outcome]
    for outcome in failed:
        print(f"\n{'=' * 20} {outcome.file}, alone\n{outcome.report}")
    print(f"{len(files) - len(failed)} of {len(files)} test files pass alone")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
