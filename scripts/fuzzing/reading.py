"""One case: a model on disk, read to its end as an ingest reads it, and what must not come of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from fuzzing.guard import Guard
from lineage.anatomy import describe
from lineage.ancestry import compare
from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.tokenizers import open_tokenizer, tokenizer_at
from lineage.errors import LineageError, NoIndex
from lineage.sketch import asked_codes
from lineage.sketch.sealing import inconsistency
from lineage.sketch.sketch_file import SUFFIX, read_sketch
from lineage.sketch.tensor_pass import Mask, sketch_tensor
from lineage.sketch.tokenizer import sketch_tokenizer
from lineage.sketch.tokenizer_file import TOKENIZER_SUFFIX, read_tokenizer
from lineage.store import SqliteIndex, examine, kept_graph, rebuild
from lineage.store.comparison_cache import ComparisonCache
from lineage.types import Meter

Read = Callable[[str], object]
BAND = 1 << 20  # bytes
_TOKENIZER = re.compile(r"tokenizer\.json|tekken\.json|tokenizer\.model|.*\.tiktoken|vocab\.json|vocab\.txt")
_LONGEST = 3000  # characters of a message, of which a path and a quoted name may take most


def read_whole(path: str) -> None:
    """Open a model or a tokenizer, read every band of every tensor or every token, and sketch it.

    Raises CheckpointError.
    """
    if path.endswith(SUFFIX):
        held = read_sketch(path)
        inconsistency(held)
        compare(held, replace(held, id="other"))
        asked_codes(held)
        return
    if path.endswith(TOKENIZER_SUFFIX):
        read_tokenizer(path)
        return
    if _TOKENIZER.fullmatch(Path(path).name):
        sketch_tokenizer(open_tokenizer(path))
        return
    checkpoint = open_checkpoint(path)
    for view in checkpoint.tensors:
        rows = view.shape[0] if view.shape else 1
        step = max(1, BAND // max(1, math.prod(view.shape[1:]) * view.dtype.itemsize))
        for start in range(0, rows, step):
            stop = min(rows, start + step)
            found = view.rows(start, stop).shape
            if found != (stop - start, *view.shape[1:]):
                raise AssertionError(f"rows {start} to {stop} of {view.shape} have shape {found}")
    vocabulary = tokenizer_at(Path(path), Meter())
    if vocabulary is not None:
        sketch_tokenizer(vocabulary)
    parts = describe([(view.name, view.shape) for view in checkpoint.tensors], checkpoint.config).parts
    for view, part in zip(checkpoint.tensors, parts, strict=True):
        with suppress(Mask):
            sketch_tensor(view, part, "full", checkpoint.path)


def read_index(path: str) -> None:
    """Ask an index what every question asks it, examine it, make it again, and find nothing wrong with it then.

    Raises LineageError where it is refused before that.
    """
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    try:
        with SqliteIndex.open(folder) as index:
            held = [index.layouts(record.id) for record in index.models()]
            index.same_digests([tensor.band_digest for layouts in held for tensor in layouts[0].tensors])
            if held and index.id:
                index.nearest(asked_codes(held[0][0]), "model", 3)
            examine(index)
            if held:
                cache, ends = ComparisonCache(folder, 1 << 20), (held[0][0], held[-1][0])
                cache.found(*ends)
                cache.relatives(ends[0], "fuzz")
    except LineageError as error:
        if not str(error).isprintable() or len(str(error)) > _LONGEST:
            raise AssertionError(f"an error of {len(str(error))} characters") from error
    kept_graph(folder, "all", "fuzz")
    try:
        rebuild(folder, "fuzz")
    except NoIndex:
        return
    with SqliteIndex.open(folder) as index:
        index.models()
        damage = [finding for finding in examine(index) if finding.is_damage]
    if damage:
        raise AssertionError(f"damaged after a rebuild: {damage[0]}")


def problem_with(path: str, read: Read, guard: Guard) -> tuple[str | None, bool]:
    """What was wrong with how `path` was read, if anything; and whether it was read rather than refused."""
    problem, was_read = None, False
    try:
        with guard.reading():
            read(path)
        was_read = True
    except LineageError as error:
        message = str(error)
        if not message.isprintable() or len(message) > _LONGEST:
            problem = f"{type(error).__name__} of {len(message)} characters, printable: {message.isprintable()}"
    except BaseException as error:  # whatever it is, it is the finding
        problem = f"{type(error).__name__}: {error!s:.300} at {_where(error.__traceback__)}"
    if guard.breaches:
        problem = f"forbidden: {guard.breaches[0]}; {problem}"
    return problem, was_read


def _where(trace: TracebackType | None) -> str:
    """The innermost line of this package, and the innermost of all."""
    lines = []
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"{Path(code.co_filename).name}:{trace.tb_lineno}")
        if "lineage" in Path(code.co_filename).parts:
            lines = lines[-1:]
        trace = trace.tb_next
    return " > ".join([lines[0], lines[-1]]) if len(lines) > 1 else "".join(lines)
