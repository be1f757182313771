"""A gate in a pipeline: a release stops if what is to be released descends from a model that is not allowed.

    python pipeline_gate.py RELEASE BANNED...

RELEASE and BANNED are checkpoints or sketches (whoever may not hand over weights can hand over a sketch). The exit code
is that of `lineage whois --gate`: 0 nothing was found, 20 RELEASE descends from one of them, 30 that cannot be told.
Without arguments it makes files of its own and shows all three.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from lineage import api

DESCENT = ("derived", "partly-derived", "identical")
CODES = {"nothing-found": 0, "violated": 20, "inconclusive": 30}


def gate(release, banned):
    """Ask about RELEASE among the banned models alone, say what was found, and return the exit code."""
    with tempfile.TemporaryDirectory() as index:
        failed = [step.error for step in api.ingest(banned, index) if step.event == "failed"]
        if failed:
            raise SystemExit("\n".join(failed))
        answer = api.whois(release, index, reference=False)
    outcome = api.gate(DESCENT, answer)
    print(f"{Path(release).name}: {answer.verdict}; gate: {outcome}")
    return CODES[outcome]


def demonstrate():
    """A copy is stopped, a fine-tune without a direction is left to a person, a stranger may pass."""
    draw = np.random.default_rng(1)
    parts = {"attention.self.query": (64, 64), "intermediate.dense": (128, 64), "output.dense": (64, 128)}
    shapes = {f"encoder.layer.{i}.{part}.weight": shape for i in range(4) for part, shape in parts.items()}
    base = {name: draw.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}
    files = {
        "banned": base,
        "copy": {f"bert.{name}": matrix for name, matrix in base.items()},
        "tuned": {n: m + np.float32(0.02) * draw.standard_normal(m.shape, dtype=np.float32) for n, m in base.items()},
        "stranger": {n: draw.standard_normal(m.shape, dtype=np.float32) for n, m in base.items()},
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, weights in files.items():
            save_file(weights, Path(folder) / f"{name}.safetensors")
        found = {name: gate(f"{folder}/{name}.safetensors", [f"{folder}/banned.safetensors"]) for name in files}
    print("exit codes:", found)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(gate(sys.argv[1], sys.argv[2:]))
    demonstrate()
