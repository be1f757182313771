"""The part of the zoo that the tests carry: sketches of small models for every relation and operator.

The smallest architecture that has an operator stands for it; a few whole checkpoints lie beside the sketches. What
the chosen models are made from is in truth.json too, as withheld.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lineage.checkpoints import open_checkpoint
from lineage.sketch import sketch_checkpoint, write_sketch
from zoo.recipes import Recipe, with_ancestors

SKETCHED = {
    "cnn": (
        "0-init", "0-low", "0-high", "0-low.high", "0-low.high.all", "0-low.negative", "0-low.m-linear", "0-high.int8",
        "0-high.half", "1-low", "1-low.bf16", "1-low.all",
    ),
    "vit": ("0-high", "0-high.int4"),
    "bert": ("0-code", "0-code.2-4"),
    "gpt2": (
        "0-init", "0-prose", "0-prose.sft", "0-prose.sft.dpo", "0-prose.sft.lora4", "0-code", "0-code.extended",
        "1-prose", "1-prose.width", "1-prose.dropped", "1-prose.upscaled", "1-prose.reordered",
    ),
    "llama": (
        "1-code", "1-code.qa", "1-code.headers", "1-code.licences", "1-code.prose", "1-code.m-slerp", "1-code.m-task",
        "1-code.m-ties", "1-code.m-dare", "1-code.m-swap", "1-code.moe",
    ),
    "llava": ("1-high-code", "1-high-code.decoder"),
}  # fmt: skip
WHOLE = ("cnn-1-low.bf16",)
_NODE = ("id", "half", "architecture", "operator", "parents", "roots", "depth", "withheld")


def names() -> list[str]:
    """Ids of the models in the subset."""
    return [f"{kind}-{name}" for kind, rest in SKETCHED.items() for name in rest]


def write_subset(table: Mapping[str, Recipe], cache: Path, target: Path) -> int:
    """Write sketches, whole checkpoints and truth.json from the zoo in `cache`; return their bytes together."""
    chosen = names()
    for folder in ("sketches", "checkpoints"):
        shutil.rmtree(target / folder, ignore_errors=True)
        (target / folder).mkdir(parents=True)
    for name in chosen:
        sketch = replace(sketch_checkpoint(open_checkpoint(cache / name)), path="", declared=())
        write_sketch(sketch, target / "sketches" / f"{sketch.id}.sketch")
    for name in WHOLE:
        shutil.copytree(cache / name, target / "checkpoints" / name)
    truth = _truth(json.loads((cache / "truth.json").read_text(encoding="utf-8")), chosen, table)
    (target / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def _truth(zoo: dict[str, Any], chosen: Collection[str], table: Mapping[str, Recipe]) -> dict[str, Any]:
    """Nodes and edges of the chosen models and of their ancestors, all others of which are withheld."""
    kept = with_ancestors(iter(chosen), table)
    nodes = [{key: node[key] for key in _NODE} for node in zoo["nodes"] if node["id"] in kept]
    for node in nodes:
        node["withheld"] = node["id"] not in chosen
    edges = [edge for edge in zoo["edges"] if edge["parent"] in kept and edge["child"] in kept]
    return {"nodes": nodes, "edges": edges}
