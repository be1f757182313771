"""Other tools and lineage on the same files, in one run: what each says of fourteen pairs, its time and its memory.

    python scripts/bench_peers.py --folder DIR [--trained BASE APART TUNED] [--only NAME ...] [--results FILE]

DIR gets the files (2.4 GB, scripts/peers/files.py) and an environment for each tool (scripts/peers/tools.py), made
with pip where it is missing. BASE, APART and TUNED are three really trained models in the form of Hugging Face: one,
one of the same recipe trained apart, and a fine-tune of the first; without them two pairs are left out, and the page
says so. The second zoo has such (make_zoo.py --recipe practice): llama-1, llama-3 and llama-1.sft.

Every command is a process of its own with a home of its own, and is told that there is no network. The files are in the
page cache and each tool has run once before. Prints Markdown; exits with 1 if a bar of lineage is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from peers.files import ROWS, TRAINED_ROWS, Row, make_files, take_trained
from peers.tools import LINEAGE, TOOLS, Said, Tool, weights
from results import table, write_section

ROOT = Path(__file__).parents[1]
FULL_S, SKETCHED_S = 0.5, 0.25
SKETCHED = "lineage, from sketches"
_RUN = "import sys; from lineage.cli import main; sys.exit(main())"
# A process counts what the one that started it held at that time: a small one starts them.
_TIMER = (
    "import json, os, sys, time\n"
    "began = time.perf_counter()\n"
    "_, _, used = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)\n"
    "took = [time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss]\n"
    "open(sys.argv[1], 'w').write(json.dumps(took))\n"
)
_SHARE = 0.02  # by which a share of the parameters may be off
_REQUIRED = (
    "import importlib.metadata as m, sys\n"
    "print('\\n'.join(one for one in m.requires(sys.argv[1]) or () if 'extra ==' not in one))\n"
)

_READ = (
    "Right is what scripts/peers/tools.py reads as related where it is, and as not related where it is not; missed and "
    "false are the other two, open is what a tool does not decide."
)

Outcome = Literal["right", "missed", "false", "open"]


@dataclass(frozen=True, slots=True)
class Ran:
    """What commands printed; seconds on the clock and of the processor together, and the most memory that one held."""

    printed: tuple[str, ...]
    wall_s: float
    cpu_s: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A tool's word about one pair, and what it took."""

    tool: str
    row: Row
    word: str
    outcome: Outcome
    is_right_detail: bool
    ran: Ran


@dataclass(frozen=True, slots=True)
class Placed:
    """What `lineage whois` says of the child of a row while the originals are known: relation, and share inherited."""

    row: Row
    word: str
    share: float | None
    is_right: bool


def outcome(row: Row, said: Said) -> Outcome:
    """Whether an answer is right; one that leaves it open is neither right nor wrong."""
    if said == "open":
        return "open"
    if row.is_related:
        return "right" if said == "related" else "missed"
    return "right" if said == "not related" else "false"


def answered(tool: Tool, row: Row, ran: Ran) -> Answer:
    """The answer in what a tool printed; what cannot be read is no answer, and open."""
    try:
        word = tool.read(ran.printed)
    except (ValueError, KeyError, IndexError, TypeError):
        word = "no answer"
    return Answer(tool.name, row, word, outcome(row, tool.said(word)), row.kind in tool.details.get(word, ()), ran)


def run(commands: Iterable[Sequence[str]], programs: Path | None, home: Path, folder: Path) -> Ran:
    """Run commands in `folder` one after the other; `programs` holds them, None for lineage's own."""
    home.mkdir(parents=True, exist_ok=True)
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"), "1")
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(home), **offline}
    if programs is None:
        environment |= {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(home), "XDG_DATA_HOME": str(home)}
    printed, wall_s, cpu_s, peak_kb = [], 0.0, 0.0, 0.0
    for first, *rest in commands:
        words = [sys.executable, "-c", _RUN, *rest] if programs is None else [str(programs / first), *rest]
        with tempfile.TemporaryFile() as out, tempfile.NamedTemporaryFile() as used:
            timer = [sys.executable, "-S", "-c", _TIMER, used.name, *words]
            subprocess.run(timer, cwd=folder, env=environment, stdout=out, stderr=subprocess.DEVNULL, check=True)
            wall, cpu, peak = json.loads(Path(used.name).read_text("utf-8"))
            out.seek(0)
            printed.append(out.read().decode(errors="replace"))
        wall_s, cpu_s, peak_kb = wall_s + wall, cpu_s + cpu, max(peak_kb, peak)
    return Ran(tuple(printed), wall_s, cpu_s, peak_kb / 1000)


def programs_of(tool: Tool, folder: Path) -> Path:
    """The folder of a tool's programs, installed into an environment of its own where they are missing."""
    home = folder / tool.name.replace(" ", "-").lower()
    done = home / "installed.json"
    if not done.exists() or json.loads(done.read_text("utf-8")) != [*tool.packages]:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        *before, package = tool.packages
        if before:
            _pip(home, *before)
        if sys.version_info >= tool.python:
            _pip(home, package)
        else:  # what it stands on is chosen for this Python
            _pip(home, "--no-deps", "--ignore-requires-python", package)
            words = [str(home / "bin" / "python"), "-c", _REQUIRED, package.partition("==")[0]]
            needed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
            _pip(home, *needed.split("\n")[:-1])
        done.write_text(json.dumps(tool.packages), encoding="utf-8")
    return home / "bin"


def _pip(home: Path, *words: str) -> None:
    command = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words]
    subprocess.run(command, check=True)


def measure(tools: Mapping[str, Path], rows: Sequence[Row], folder: Path) -> Iterator[Answer]:
    """Every row asked of lineage, of lineage with sketches, and of each tool, whose programs `tools` has."""
    files, homes = folder / "files", folder / "homes"
    chosen = [(LINEAGE, None), *((tool, tools[tool.name]) for tool in TOOLS if tool.name in tools)]
    for number, row in enumerate(rows):
        sketches = {one: _sketched(one, files, homes) for one in (row.child, row.parent)}
        for tool, programs in chosen:
            commands = tool.commands(row.child, row.parent)
            for model in (row.child, row.parent):
                _warm(Path(weights(str(files / model))))
            home = homes / tool.name
            if not number:
                run(commands, programs, home, files)
            yield answered(tool, row, run(commands, programs, home, files))
            if programs is None:
                kept = tool.commands(sketches[row.child], sketches[row.parent])
                answer = answered(tool, row, run(kept, None, home, files))
                yield Answer(SKETCHED, row, answer.word, answer.outcome, answer.is_right_detail, answer.ran)


def _warm(file: Path) -> None:
    with file.open("rb") as opened:
        while opened.read(1 << 24):
            pass


def _sketched(model: str, files: Path, homes: Path) -> str:
    path = files / f"{model}.sketch"
    run([("lineage", "sketch", model, "-o", str(path))], None, homes / LINEAGE.name, files)
    return str(path)


def placed(rows: Sequence[Row], folder: Path) -> Iterator[Placed]:
    """Every child asked about while the originals that its row has are known."""
    files, home = folder / "files", folder / "homes" / LINEAGE.name
    for row in rows:
        with tempfile.TemporaryDirectory() as index:
            known = [row.parent, *(["tuned-other"] if row.kind == "merged" else [])]
            run([("lineage", "ingest", *known, "--index", index)], None, home, files)
            command = ("lineage", "whois", row.child, "--index", index, "--no-reference", "--json")
            yield place_of(row, json.loads(run([command], None, home, files).printed[0]))


def place_of(row: Row, answer: Mapping[str, Any]) -> Placed:
    """The relation to the model named first, and the share of it: of a merge its weight, else what was inherited."""
    place = answer["place"]
    kin = [one for key in ("copies", "parents", "open", "siblings") for one in place.get(key, ())]
    word = str(kin[0]["relation"]) if kin else str(answer["verdict"])
    share = kin[0].get("weight") if kin else 0.0
    if share is None:
        parts = [part for part in answer["components"] if part["model"] == kin[0]["model"]]
        share = sum(part["share"] if part["inherited"] is None else part["inherited"]["share"] for part in parts)
    fits = word == "independent" if not row.kind else row.kind in LINEAGE.details.get(word, ())
    return Placed(row, word, share, fits and abs(share - row.share) <= _SHARE)


def missed(answers: Sequence[Answer]) -> list[str]:
    """The bars of time that lineage misses, by the median of the large pairs."""
    lines = []
    for name, bar in ((LINEAGE.name, FULL_S), (SKETCHED, SKETCHED_S)):
        walls = [one.ran.wall_s for one in answers if one.tool == name and one.row in ROWS]
        if walls and median(walls) > bar:
            lines.append(f"{name}: {median(walls):.2f} s a pair, the bar is {bar} s")
    return lines


def report(answers: Sequence[Answer], places: Sequence[Placed], merges: Mapping[str, str]) -> str:
    """The section of the page."""
    tools = [*dict.fromkeys(one.tool for one in answers)]
    rows = [*dict.fromkeys(one.row for one in answers)]
    said = {(one.tool, one.row): one for one in answers}
    software = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    software += f", load {os.getloadavg()[0]:.0f}" if hasattr(os, "getloadavg") else ""
    absent = [row.name for row in TRAINED_ROWS if row not in rows]
    parts = [
        "## Other tools on the same files",
        f"By `scripts/bench_peers.py` ({software}). {_READ}",
        table(
            ["tool", "version", "right", "missed", "false", "open", "what was done, right", "wall s", "CPU s", "MB"],
            [_summary(name, [one for one in answers if one.tool == name]) for name in tools],
        ),
        f"Times and memory: medians of a pair of the {len([r for r in rows if r in ROWS])} large ones, start included.",
        table(["pair", *tools], [[row.name, *(_cell(said[name, row]) for name in tools)] for row in rows]),
        "### Where lineage puts each",
        "`lineage whois` while the originals are known; the share of the parameters that it says to be inherited.",
        table(["model", "relation", "share", "true share", "right"], [_placed_row(one) for one in places]),
        "Weights of the merge, .6 and .4: " + "; ".join(f"{name} {text}" for name, text in merges.items()) + ".",
    ]
    if absent:
        parts.append(f"Left out, no models given: {', '.join(absent)}.")
    old = [tool for tool in TOOLS if tool.name in tools and sys.version_info < tool.python]
    parts += [
        f"{tool.name} asks for Python {'.'.join(map(str, tool.python))}, and ran on this one all the same."
        for tool in old
    ]
    bars = [f"MISSED {line}" for line in missed(answers)] or ["All bars are kept."]
    return "\n\n".join([*parts, "\n\n".join(bars)])


def _summary(name: str, answers: Sequence[Answer]) -> list[str]:
    counts = [sum(one.outcome == kind for one in answers) for kind in ("right", "missed", "false", "open")]
    related = [one for one in answers if one.row.is_related]
    large = [one.ran for one in answers if one.row in ROWS] or [one.ran for one in answers]
    versions = {tool.name: tool.packages[-1].partition("==")[2] for tool in TOOLS}
    return [
        name,
        versions.get(name, "this"),
        f"{counts[0]} of {len(answers)}",
        *map(str, counts[1:]),
        f"{sum(one.is_right_detail for one in related)} of {len(related)}",
        f"{median(one.wall_s for one in large):.2f}",
        f"{median(one.cpu_s for one in large):.2f}",
        f"{median(one.peak_mb for one in large):.0f}",
    ]


def _cell(answer: Answer) -> str:
    mark = "" if answer.outcome == "right" else f", {answer.outcome}"
    return f"{answer.word}{mark}"


def _placed_row(one: Placed) -> list[str]:
    share = "-" if one.share is None else f"{one.share:.3f}"
    return [one.row.name, one.word, share, f"{one.row.share:.3f}", "yes" if one.is_right else "NO"]


def merge_shares(tools: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """What each tool that takes merges apart says of the weights of the merge, its parents being given or known."""
    files, homes = folder / "files", folder / "homes"
    found = {}
    for tool in TOOLS:
        if tool.name in tools and tool.decompose is not None and tool.shares is not None:
            command = tool.decompose("merge", "tuned", "tuned-other")
            shares = tool.shares(run([command], tools[tool.name], homes / tool.name, files).printed[0])
            found[tool.name] = _shares_text(shares)
    with tempfile.TemporaryDirectory() as index:
        run([("lineage", "ingest", "tuned", "tuned-other", "--index", index)], None, homes / LINEAGE.name, files)
        command = ("lineage", "decompose", "merge", "--index", index, "--no-reference", "--json")
        made = json.loads(run([command], None, homes / LINEAGE.name, files).printed[0])["parts"]
        found[LINEAGE.name] = _shares_text([part["weight"] for part in made]) if made else "none"
    return found


def _shares_text(shares: Sequence[float]) -> str:
    return " and ".join(f"{share:.4f}" for share in shares)


def main(arguments: Sequence[str] | None = None) -> int:
    """Install, measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR")
    parser.add_argument("--trained", type=Path, nargs=3, metavar=("BASE", "APART", "TUNED"))
    parser.add_argument("--only", nargs="*", metavar="NAME", help="these tools only, beside lineage")
    parser.add_argument("--results", type=Path, metavar="FILE", help="write the section of this page")
    given = parser.parse_args(arguments)
    folder = given.folder.resolve()
    make_files(folder / "files")
    rows: tuple[Row, ...] = ROWS
    if given.trained:
        take_trained(folder / "files", *given.trained)
        rows += TRAINED_ROWS
    chosen = [tool for tool in TOOLS if given.only is None or tool.name in given.only]
    tools = {tool.name: programs_of(tool, folder / "tools") for tool in chosen}
    answers = []
    for answer in measure(tools, rows, folder):
        answers.append(answer)
        print(f"{answer.row.name}: {answer.tool}: {_cell(answer)}", file=sys.stderr, flush=True)
    text = report(answers, [*placed(rows, folder)], merge_shares(tools, folder))
    print(text)
    if given.results is not None:
        write_section(given.results, "bench_peers", text)
    return 1 if missed(answers) else 0


if __name__ == "__main__":
    sys.exit(main())
