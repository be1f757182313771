"""From an opened checkpoint to its sketch: tensors in parallel, the largest first."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

from threadpoolctl import threadpool_limits

from lineage.anatomy import describe, unpacked
from lineage.errors import NoWeights
from lineage.sketch.family import FAMILY
from lineage.sketch.identity import content_id
from lineage.sketch.neurons import neurons_of
from lineage.sketch.sane import EXTREME
from lineage.sketch.tensor_pass import DamagedTensor, Mask, alike, bands_read, sketch_tensors
from lineage.types import Checkpoint, CheckpointSketch, Depth, TensorSketch, TensorView, Vocabulary
from lineage.types.facts.exclusions import Exclusion, NotAWeight

Watch = Callable[[int, int], None]
MASK = NotAWeight("infinities")


def sketch_checkpoint(
    checkpoint: Checkpoint,
    depth: Depth = "full",
    *,
    threads: int = 2,
    watch: Watch | None = None,
    vocabulary: Vocabulary | None = None,
) -> CheckpointSketch:
    """Sketch every tensor of `checkpoint` in its logical parts (see `lineage.anatomy.unpacking`), tied ones once.

    `sampled` reads a few percent of the bytes; `full` reads all and adds digests, power sums and row codes;
    every figure that both have is the same. `watch(done, total)` is called with bytes as tensors finish.
    With the `vocabulary` of its tokenizer, neurons are told by tokens too. Memory is bounded by `threads`, not by the
    model; a model at a server is read by as many as it takes connections.
    Tensors with values that are no numbers are left out; where they hold half of the weights, the file is damaged.
    Raises CheckpointError for damaged bytes and files, and NoWeights if there is no tensor.
    """
    views = unpacked(_untied(checkpoint), checkpoint.config)
    if not views:
        raise NoWeights(checkpoint.path, "holds no tensors")
    anatomy = describe([(v.name, v.shape) for v in views], checkpoint.config)
    jobs = sorted(alike(views), key=lambda job: -sum(_nbytes(views[i]) for i in job))
    ahead = checkpoint.ahead
    if ahead is not None:
        jobs = [[i] for i in range(len(views))]  # neighbours are fetched together
        ahead.expect((view, start, stop) for view in views for start, stop in bands_read(view, depth))
        threads = ahead.connections
    total = sum(map(_nbytes, views))
    done = 0
    finished: dict[int, TensorSketch] = {}
    left_out: dict[int, Exclusion] = {}
    damaged: dict[int, DamagedTensor] = {}
    # The pool is the parallelism: BLAS threads beneath it would only fight over the same cores.
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(max_workers=threads) as pool:
        running = {
            pool.submit(
                sketch_tensors, [views[i] for i in job], [anatomy.parts[i] for i in job], depth, checkpoint.path
            ): job
            for job in jobs
        }
        try:
            for future in as_completed(running):
                job = running.pop(future)
                for i, made in zip(job, future.result(), strict=True):
                    if isinstance(made, Mask):
                        left_out[i] = MASK
                    elif isinstance(made, DamagedTensor):
                        left_out[i], damaged[i] = made.reason, made
                    else:
                        finished[i] = made
                done += sum(_nbytes(views[i]) for i in job)
                if watch is not None:
                    watch(done, total)
        except BaseException:
            if ahead is not None:
                ahead.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if damaged and 2 * sum(_size(views[i]) for i in damaged) >= sum(_size(view) for view in views):
        raise damaged[min(damaged)]
    usual = (i for i in sorted(finished) if finished[i].part.excluded != EXTREME)
    whole = [(views[i], anatomy.parts[i]) for i in usual] if depth == "full" else []
    tensors = tuple(finished[i] for i in sorted(finished))
    if not tensors:
        raise NoWeights(checkpoint.path, "holds nothing but infinities")
    return CheckpointSketch(
        id=content_id(tensors, depth),
        family=FAMILY,
        depth=depth,
        name=checkpoint.name,
        path=checkpoint.path,
        format=checkpoint.format,
        architecture=anatomy.architecture,
        nbytes=checkpoint.nbytes,
        bytes_read=checkpoint.meter.bytes_read,
        tensors=tensors,
        licence=checkpoint.licence,
        declared=checkpoint.declared,
        left_out=(*checkpoint.left_out, *((views[i].name, left_out[i]) for i in sorted(left_out))),
        unread=checkpoint.unread + sum(_size(views[i]) for i in damaged),
        neurons=neurons_of(whole, threads, checkpoint.config, vocabulary),
    )


def _untied(checkpoint: Checkpoint) -> list[TensorView]:
    seen: set[tuple[str, tuple[int, ...]]] = set()
    kept = []
    for view in checkpoint.tensors:
        key = (view.storage, view.shape)
        if key not in seen:
            seen.add(key)
            kept.append(view)
    return kept


def _size(view: TensorView) -> int:
    return math.prod(view.shape)


def _nbytes(view: TensorView) -> int:
    return math.prod(view.shape) * view.dtype.itemsize
