"""The models of an index: the screens of `list`, `show` and `doctor`, and JSON values for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lineage.report.facts import fact_value
from lineage.report.figures import count, percent, plain
from lineage.report.text.canvas import Canvas
from lineage.report.words import text
from lineage.sketch.sealing import seal
from lineage.types import CheckpointSketch, Excluded, Layout, ModelRecord

_MOST_ID = 12  # digits of an id that distinguish models in practice


def list_screen(listed: Sequence[tuple[ModelRecord, bool, str | None]], width: int = 100, colour: bool = False) -> str:
    """One line a model: short id, name, size, depth, licence, the index that it is in, and its copies.

    With it stand the further layouts of the model, and a model listed before it that has its sampled values.
    """
    if not listed:
        return "no models yet: `lineage ingest PATH` adds some\n"
    canvas = Canvas(width, colour)
    first = _first_copies([record for record, *_ in listed])
    rows = [
        [
            record.id[:_MOST_ID], plain(record.name), count(record.params), record.depth,
            plain(record.licence or "-"), _holder(record, is_reference, layer), _copies(record, first),
        ]
        for record, is_reference, layer in listed
    ]  # fmt: skip
    heads = ["id", "name", "params", "depth", "licence", "index"]
    if any(row[-1] for row in rows):
        heads.append("copies")
    canvas.listing(heads, [row[: len(heads)] for row in rows], right=(2,))
    unseen = sum(record.weights_seen is False for record, _, layer in listed if layer is None)
    if unseen:
        known = (
            "1 model is known by a sketch that was"
            if unseen == 1
            else f"{unseen:,} models are known by sketches that were"
        )
        canvas.line(f"{known} handed over: weights not seen here", "yellow")
    return canvas.text()


def _holder(record: ModelRecord, is_reference: bool, layer: str | None) -> str:
    """The index that a model is in; for the user's own, whether its weights were seen."""
    if layer is not None or is_reference:
        return layer or "reference"
    return "handed over" if record.weights_seen is False else "own"


def _seen(record: ModelRecord, is_reference: bool, layer: str | None) -> str:
    """Who read the weights."""
    if is_reference:
        return "seen by the makers of the reference"
    if layer is not None:
        return "not seen here: the sketch comes from others"
    said = {True: "seen here", False: "not seen here: the sketch was handed over", None: "unknown: from an older index"}
    return said[record.weights_seen]


def _first_copies(records: Sequence[ModelRecord]) -> dict[str, ModelRecord]:
    """For each content the first model that holds it."""
    return {record.content: record for record in reversed(records) if record.content is not None}


def _copies(record: ModelRecord, first: Mapping[str, ModelRecord]) -> str:
    """Files of other layouts that hold a model's values, and a model listed before it that looks the same."""
    also = [f"also as {plain(one.name)}" for one in record.layouts]
    before = first.get(record.content or "", record)
    return ", ".join(also if before.id == record.id else [f"the sampled values of {plain(before.name)}", *also])


def _layout(one: Layout) -> str:
    unseen = ", weights not seen here" if one.weights_seen is False else ""
    return f"also as {one.name}, {one.format}, from {one.source or 'unknown'}{unseen}"


def show_screen(
    record: ModelRecord,
    is_reference: bool,
    sketch: CheckpointSketch,
    layer: str | None = None,
    *,
    width: int = 100,
    colour: bool = False,
) -> str:
    """All that an index knows about a model, tensor by tensor at the end."""
    canvas = Canvas(width, colour)
    canvas.pair(plain(record.name), f"layer {layer}" if layer else "reference" if is_reference else "own index", "dim")
    facts = {
        "id": record.id,
        "weights seen": _seen(record, is_reference, layer),
        "seal": seal(sketch),
        "aliases": ", ".join(record.aliases) or "none",
        "source": record.source or "unknown",
        **({"layouts": "; ".join(_layout(one) for one in record.layouts)} if record.layouts else {}),
        "format": f"{record.format}, architecture {record.architecture}",
        "weights": f"{record.params:,} in {record.tensors} tensors",
        "depth": f"{record.depth}, sketch family {record.family}",
        "licence": record.licence or "none stated",
        "added": record.added or "unknown",
        "declared": "; ".join(f"{d.relation or 'parent'} {d.model} ({d.source})" for d in record.declared)
        or "no parent",
    }
    canvas.table([[f"  {name}", plain(fact)] for name, fact in facts.items()])
    total = max(1, record.params)
    canvas.listing(
        ("  component", "params", "share"),
        [[f"  {plain(name)}", count(params), percent(params / total)] for name, params in record.components.items()],
        right=(1, 2),
    )
    canvas.listing(
        ("  tensor", "role", "shape", "dtype", "no evidence, because"),
        [
            [
                f"  {plain(t.name)}", plain(t.part.role), "x".join(map(str, t.shape)) or "scalar", plain(t.dtype),
                "" if t.part.excluded is None else plain(text(t.part.excluded)),
            ]
            for t in sketch.tensors
        ],
    )  # fmt: skip
    return canvas.text()


def model_value(record: ModelRecord, is_reference: bool, layer: str | None = None) -> dict[str, Any]:
    """One model of an index; `layer` is the index of others that it is in, null for one's own and the reference."""
    from lineage.report.json import declared  # imported only for JSON

    return {
        "id": record.id,
        "name": record.name,
        "reference": is_reference,
        "layer": layer,
        "family": record.family,
        "depth": record.depth,
        "params": record.params,
        "tensors": record.tensors,
        "format": record.format,
        "architecture": record.architecture,
        "source": record.source,
        "components": dict(record.components),
        "licence": record.licence,
        "declared": [declared(d) for d in record.declared],
        "aliases": list(record.aliases),
        "added": record.added,
        "content": record.content,
        "weights_seen": record.weights_seen,
        "layouts": [
            {
                "id": one.id,
                "name": one.name,
                "format": one.format,
                "source": one.source,
                "weights_seen": one.weights_seen,
            }
            for one in record.layouts
        ],
    }


def list_value(listed: Sequence[tuple[ModelRecord, bool, str | None]]) -> dict[str, Any]:
    """`lineage/list/1`."""
    return {"schema": "lineage/list/1", "models": [model_value(*one) for one in listed]}


def show_value(
    record: ModelRecord, is_reference: bool, sketch: CheckpointSketch, layer: str | None = None
) -> dict[str, Any]:
    """`lineage/show/1`: a model with each of its tensors."""
    from lineage.report.json import excluded

    return {
        "schema": "lineage/show/1",
        **model_value(record, is_reference, layer),
        "seal": seal(sketch),
        "left_out": [excluded(Excluded(name, reason)) for name, reason in sketch.left_out],
        "tensor_list": [
            {
                "name": t.name,
                "shape": list(t.shape),
                "dtype": t.dtype,
                "component": t.part.component,
                "role": t.part.role,
                "layer": t.part.layer,
                "generic": None if t.part.excluded is None else text(t.part.excluded),
                "generic_fact": None if t.part.excluded is None else fact_value(t.part.excluded),
                "digest": t.digest,
            }
            for t in sketch.tensors
        ],
    }
