"""A sketch of whatever a path or an address names."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lineage import checkpoints
from lineage.errors import CheckpointError, Malformed, UnsupportedFormat
from lineage.sketch import is_sketch_file, read_sketch
from lineage.sketch.sealing import inconsistency
from lineage.types import CheckpointSketch, Depth, Meter
from lineage.types.facts.exclusions import Exclusion, UnreadTokenizer

if TYPE_CHECKING:
    from lineage.types import Vocabulary

Watch = Callable[[str, int, int], None]
"""Called with a path, the bytes sketched and the bytes to sketch; an exception from it stops the work."""

NO_WEIGHTS = "is a sketch: an adapter is merged onto weights, so give the checkpoint"


def sketch(
    source: str | Path, depth: Depth | None = None, watch: Watch | None = None, adapter: str | Path | None = None
) -> CheckpointSketch:
    """Sketch a checkpoint (file, folder or address), or read a `.sketch` file.

    Without `depth`, files on disk are read in full, those on a server and the products of large adapters sampled, here
    and below. With `adapter`, a LoRA or DoRA, the sketch is that of the model that it makes of the checkpoint. Raises
    CheckpointError, SketchMismatch.
    """
    return timed_sketch(source, depth, watch, adapter=adapter)[0]


def save_sketch(made: CheckpointSketch, path: str | Path) -> None:
    """Write a portable sketch file, whole or not at all. Raises OSError."""
    from lineage.sketch import write_sketch  # a question writes none

    write_sketch(made, path)


def timed_sketch(
    source: str | Path,
    depth: Depth | None,
    watch: Watch | None,
    threads: int | None = None,
    adapter: str | Path | None = None,
    *,
    on_disk: bool = False,
) -> tuple[CheckpointSketch, float, float]:
    """A sketch with the seconds spent on opening and on sketching; `on_disk` as in `sketch_checkpoint`."""
    started = time.perf_counter()
    if is_sketch_file(source):
        if adapter is not None:
            raise UnsupportedFormat(source, NO_WEIGHTS)
        made = replace(read_sketch(source), path=str(source))
        if (found := inconsistency(made)) is not None:
            told = f"the {found[0]} of {found[1]!r:.80} are not those of its values"
            raise Malformed(source, f"the sketch is damaged or forged ({told}): make it again from the weights")
        return made, time.perf_counter() - started, 0.0
    from lineage.checkpoints.configuration import parts_of
    from lineage.sketch import sketch_checkpoint, sketch_tokenizer
    from lineage.sketch.adapters import is_large

    checkpoint = checkpoints.open_checkpoint(source) if adapter is None else checkpoints.open_merged(source, adapter)
    opened = time.perf_counter()
    step = None if watch is None else lambda done, total: watch(checkpoints.shown(str(source)), done, total)
    depth = depth or ("sampled" if checkpoints.is_remote(source) or is_large(checkpoint) else "full")
    meter = Meter()
    vocabulary, unread = (None, None) if adapter is not None else _vocabulary(source, meter)
    threads = threads or os.cpu_count() or 1
    made = sketch_checkpoint(checkpoint, depth, threads=threads, watch=step, vocabulary=vocabulary, on_disk=on_disk)
    if adapter is None:
        made = replace(made, configuration=parts_of(checkpoint.config), bytes_read=made.bytes_read + meter.bytes_read)
    if vocabulary is not None:
        made = replace(made, tokenizer=sketch_tokenizer(vocabulary))
    if unread is not None:
        made = replace(made, left_out=(*made.left_out, unread))
    return made, opened - started, time.perf_counter() - opened


def _vocabulary(source: str | Path, meter: Meter) -> tuple[Vocabulary | None, tuple[str, Exclusion] | None]:
    """The tokenizer of a folder or a GGUF file, if any; one that cannot be read is named with the reason."""
    from lineage.checkpoints.tokenizers import tokenizer_at

    try:
        return tokenizer_at(source, meter), None
    except CheckpointError as error:
        return None, (Path(error.path).name, UnreadTokenizer(error.problem))
