"""The screens of `list`, `show` and `doctor`."""

from __future__ import annotations

from collections.abc import Sequence

from lineage.report.canvas import Canvas
from lineage.report.words import count, percent, plain
from lineage.types import CheckpointSketch, ModelRecord

_MOST_ID = 12  # digits of an id that tell models apart in practice


def list_screen(listed: Sequence[tuple[ModelRecord, bool]], width: int = 100, colour: bool = False) -> str:
    """One line a model: short id, name, size, depth, licence, and whether it is part of the reference."""
    if not listed:
        return "no models yet: `lineage ingest PATH` adds some\n"
    canvas = Canvas(width, colour)
    rows = [
        [
            record.id[:_MOST_ID], plain(record.name), count(record.params), record.depth,
            plain(record.licence or "-"), "reference" if is_reference else "own",
        ]
        for record, is_reference in listed
    ]  # fmt: skip
    canvas.listing(("id", "name", "params", "depth", "licence", "index"), rows, right=(2,))
    return canvas.text()


def show_screen(
    record: ModelRecord, is_reference: bool, sketch: CheckpointSketch, width: int = 100, colour: bool = False
) -> str:
    """All that an index knows of a model, tensor by tensor at the end."""
    canvas = Canvas(width, colour)
    canvas.pair(plain(record.name), "reference" if is_reference else "own index", "dim")
    facts = {
        "id": record.id,
        "aliases": ", ".join(record.aliases) or "none",
        "source": record.source or "unknown",
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
                plain(t.part.generic or ""),
            ]
            for t in sketch.tensors
        ],
    )  # fmt: skip
    return canvas.text()
