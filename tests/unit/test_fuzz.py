"""The fuzzer: what it damages, what it takes for a failure, and that every reader is one of its targets."""

from __future__ import annotations

import json
import operator
import os
import re
import subprocess
import sys
import time
import zipfile
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random

import fuzz as script
import pytest
from fuzzing.containers import changed_inside
from fuzzing.mutations import case
from fuzzing.reading import read_index, read_whole
from fuzzing.worker import Target, fuzz, what_to_open, write_files

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.formats.listing import READERS
from lineage.checkpoints.plugins import OWN
from lineage.checkpoints.reader import HEAD
from tests.checkpoint_files import whole
from tests.fuzz_seeds import seeds
from tests.systems import needs_linux

pytestmark = needs_linux

ROOT = Path(__file__).parents[2]
SEEDS = seeds()
SMALL = [{"a.bin": b"seven words of text, and a number 12345"}]


@pytest.mark.parametrize("format_", SEEDS)
def test_every_seed_is_a_model_that_reads(format_: str, tmp_path: Path) -> None:
    for number, files in enumerate(SEEDS[format_]):
        path = write_files(files, tmp_path / str(number))
        if format_ in {"sketch", "tokenizer", "tokenizer sketch"}:
            read_whole(str(path))
        elif format_ == script.INDEX:
            read_index(str(path))
        else:
            assert whole(open_checkpoint(path))


def test_every_reader_has_a_seed() -> None:
    heads = [content[:HEAD] for models in SEEDS.values() for files in models for content in files.values()]
    readers = [*(listed.reader() for listed in READERS), *(entry.load()() for entry in OWN)]
    first = {next((i for i, reader in enumerate(readers) if reader.recognises(head)), None) for head in heads}
    assert set(range(len(readers))) <= first


def test_no_reader_recognises_what_its_line_of_the_list_would_not_let_it_see() -> None:
    heads = [content[:HEAD] for models in SEEDS.values() for files in models for content in files.values()]
    draw = Random(1)
    changed = [bytes(draw.choice((byte, draw.randrange(256))) for byte in draw.choice(heads)) for _ in range(3000)]
    for head in [*heads, *(head[: draw.randrange(HEAD)] for head in heads), *changed]:
        assert [one.name for one in READERS if one.recognises(head)] == [
            one.name for one in READERS if one.reader().recognises(head)
        ]


def test_a_case_is_the_same_at_every_run_and_no_two_are_alike() -> None:
    target = Target("net", SEEDS["npz"], seed=3)
    cases = [target.case(number) for number in range(200)]
    assert cases == [Target("net", SEEDS["npz"], seed=3).case(number) for number in range(200)]
    assert len({str(files) for files in cases}) > 150
    assert sum(files in SEEDS["npz"] for files in cases) < 20
    assert cases[0] != Target("net", SEEDS["npz"], seed=4).case(0)


def test_the_inside_of_containers_is_damaged_and_their_sums_are_right() -> None:
    inside = 0
    for number in range(200):
        [content] = case([SEEDS["npz"][0]], Random(number)).values()
        try:
            with zipfile.ZipFile(BytesIO(content)) as archive:
                inside += archive.testzip() is None
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, RuntimeError):
            continue
    assert inside > 80


@pytest.mark.parametrize("name", ["npz", "compressed pickle", "ani"])
def test_what_is_packed_is_changed(name: str) -> None:
    for files in SEEDS[name]:
        content = max(files.values(), key=len) if name != "ani" else files["ANN-H.nnf"]
        same = changed_inside(content, lambda packed: packed, Random(0))
        other = changed_inside(content, lambda packed: packed[:-1] + b"?", Random(0))
        assert same is not None
        assert same != other
    assert changed_inside(b"plain", lambda packed: packed, Random(0)) is None


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (json.loads, "JSONDecodeError"),
        (os.unlink, "forbidden: os.remove"),
        (subprocess.getoutput, "forbidden: subprocess.Popen"),
        (partial(operator.mul, 1 << 50), "MemoryError"),
        (partial(re.match, r"(?=.*/case/)(?:.|.)*\0"), "hangs: not done after 0.3 s of the processor"),
    ],
    ids=["an error of another kind", "a file removed", "a process started", "memory filled", "a hang"],
)
def test_what_no_reader_may_do_is_found(read: object, said: str) -> None:
    outcome = fuzz(Target("net", SMALL, 1, read, hang_s=0.3), 0.3)  # type: ignore[arg-type]
    assert outcome.cases > 0
    assert outcome.problems
    assert all(re.match(said, problem) for problem in outcome.problems.values()), outcome.problems


def waits(path: str) -> None:
    if "/case/" in path:
        time.sleep(60)


def idles(path: str) -> None:
    time.sleep(0.05)


def test_what_waits_is_found_by_the_clock() -> None:
    outcome = fuzz(Target("net", SMALL, 1, waits, hang_s=5, wait_s=0.2), 0.2)
    assert set(outcome.problems.values()) == {"waits: not done after 0.2 s"}


def test_a_machine_that_gives_no_time_makes_no_finding() -> None:
    outcome = fuzz(Target("net", SMALL, 1, idles, hang_s=0.04), 0.5)
    assert outcome.cases > 1
    assert outcome.problems == {}


def test_a_gigabyte_is_too_much() -> None:
    code = "from fuzzing.guard import limit_memory; limit_memory(); bytearray(1 << 20); bytearray(1 << 30)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == "MemoryError"


def test_a_short_run_over_a_sound_reader_finds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failures = tmp_path / "failures"
    assert script.main(["--seconds", "0.7", "--format", "npy", "--failures", str(failures)]) == 0
    told = re.fullmatch(r"npy: ([\d,]+) cases, ([\d,]+) read, 0 failed\n", capsys.readouterr().out)
    assert told is not None
    assert int(told[1].replace(",", "")) > int(told[2].replace(",", "")) > 0
    assert not failures.exists()


def test_a_failure_is_kept_with_the_line_that_replays_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = Target("net", SMALL, 5, json.loads)
    outcome = fuzz(target, 0.2)
    number = min(outcome.problems)
    script.keep(target, outcome, tmp_path)
    home = tmp_path / f"net-5-{number}"
    why = (home / "why.txt").read_text()
    assert "JSONDecodeError" in why
    assert f"python scripts/fuzz.py --replay {home}" in why
    assert "JSONDecodeError" in capsys.readouterr().out
    held = {path.name: path.read_bytes() for path in (home / "model").iterdir()}
    assert held == target.case(number)
    assert what_to_open(home / "model").is_file()


def test_an_unknown_format_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        script.main(["--format", "punch cards"])
    assert "no format 'punch cards': safetensors" in capsys.readouterr().err
