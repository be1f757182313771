"""From an opened checkpoint to its sketch: tensors in parallel, the largest first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

from threadpoolctl import threadpool_limits

from lineage.anatomy import describe, unpacked
from lineage.errors import NoWeights
from lineage.sketch.family import FAMILY
from lineage.sketch.layouts import content_id
from lineage.sketch.on_disk import TensorsOnDisk
from lineage.sketch.sane import EXTREME
from lineage.sketch.tensor_pass import DamagedTensor, Made, Mask, alike, bands_read, sketch_tensors
from lineage.types import Checkpoint, CheckpointSketch, Depth, Neurons, Part, TensorSketch, TensorView, Vocabulary
from lineage.types.facts.exclusions import Exclusion, NotAWeight

Watch = Callable[[int, int], None]
MOST_HELD = 1 << 12  # sketches of tensors, which take some 5 to 30 kB each
MASK = NotAWeight("infinities")


def sketch_checkpoint(
    checkpoint: Checkpoint,
    depth: Depth = "full",
    *,
    threads: int = 2,
    watch: Watch | None = None,
    vocabulary: Vocabulary | None = None,
    on_disk: bool = False,
) -> CheckpointSketch:
    """Sketch every tensor of `checkpoint` in its logical parts (see `lineage.anatomy.unpacking`), tied ones once.

    `sampled` reads a few percent of the bytes; `full` reads all and adds digests, power sums and row codes;
    every figure that both have is the same. `watch(done, total)` is called with bytes as tensors finish.
    With the `vocabulary` of its tokenizer, neurons are also described by tokens. Values take memory by `threads`, not
    by the model; a model on a server is read by as many as it accepts connections. `on_disk` keeps the sketches of a
    model of more than `MOST_HELD` tensors in a temporary file: for callers that go through them in order. Tensors with
    values that are not finite are left out; where they hold half of the weights, the file is damaged. Raises
    CheckpointError for damaged bytes and files, and NoWeights if there is no tensor.
    """
    views = unpacked(_untied(checkpoint), checkpoint.config)
    if not views:
        raise NoWeights(checkpoint.path, "holds no tensors")
    anatomy = describe([(v.name, v.shape) for v in views], checkpoint.config)
    ahead = checkpoint.ahead
    if ahead is not None:
        ahead.expect((view, start, stop) for view in views for start, stop in bands_read(view, depth))
        threads = ahead.connections
    tensors: list[TensorSketch] | TensorsOnDisk = TensorsOnDisk() if on_disk and len(views) > MOST_HELD else []
    usual: list[int] = []
    left_out: dict[int, Exclusion] = {}
    damaged: dict[int, DamagedTensor] = {}
    step = _step(views, watch)

    def sketch(job: Sequence[int]) -> list[Made]:
        of_job = [views[i] for i in job], [anatomy.parts[i] for i in job]
        return sketch_tensors(*of_job, depth, checkpoint.path)

    # The pool is the parallelism: BLAS threads beneath it would only fight over the same cores.
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(max_workers=threads) as pool:
        try:
            for lot in _lots(len(views), on_disk):
                jobs = _jobs(views, lot, in_order=ahead is not None)
                running = {pool.submit(sketch, job): job for job in jobs}
                made = _made(running, step)
                finished = {i: one for i, one in sorted(made.items()) if isinstance(one, TensorSketch)}
                damaged |= {i: one for i, one in made.items() if isinstance(one, DamagedTensor)}
                left_out |= {i: MASK for i, one in made.items() if isinstance(one, Mask)}
                tensors.extend([*finished.values()])
                usual += [i for i, one in finished.items() if one.part.excluded != EXTREME]
        except BaseException:
            if ahead is not None:
                ahead.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    left_out |= {i: error.reason for i, error in damaged.items()}
    if damaged and 2 * sum(_size(views[i]) for i in damaged) >= sum(_size(view) for view in views):
        raise damaged[min(damaged)]
    placed = [(views[i], anatomy.parts[i]) for i in usual]
    if not tensors:
        raise NoWeights(checkpoint.path, "holds nothing but infinities")
    return CheckpointSketch(
        id=content_id(tensors.outlines if isinstance(tensors, TensorsOnDisk) else tensors, depth),
        family=FAMILY,
        depth=depth,
        name=checkpoint.name,
        path=checkpoint.path,
        format=checkpoint.format,
        architecture=anatomy.architecture,
        nbytes=checkpoint.nbytes,
        bytes_read=checkpoint.meter.bytes_read,
        tensors=tuple(tensors) if isinstance(tensors, list) else tensors,
        licence=checkpoint.licence,
        declared=checkpoint.declared,
        left_out=(*checkpoint.left_out, *((views[i].name, left_out[i]) for i in sorted(left_out))),
        unread=checkpoint.unread + sum(_size(views[i]) for i in damaged),
        neurons=_neurons(placed, threads, checkpoint.config, vocabulary) if depth == "full" else (),
    )


def _neurons(
    placed: Sequence[tuple[TensorView, Part]],
    threads: int,
    config: Mapping[str, Any] | None,
    vocabulary: Vocabulary | None,
) -> tuple[Neurons, ...]:
    """Neurons of towers and channels of networks, from tensors that are read again."""
    from lineage.sketch.channels import channels_of
    from lineage.sketch.neurons import neurons_of

    return (*neurons_of(placed, threads, config, vocabulary), *channels_of(placed))


def _made(running: dict[Future[list[Made]], list[int]], step: Callable[[Sequence[int]], None]) -> dict[int, Made]:
    """The results of all jobs by the places of their tensors; `step` is called with the places of each finished job."""
    found: dict[int, Made] = {}
    for future in as_completed([*running]):
        job = running.pop(future)  # and with it the sketches, once they are written
        found |= zip(job, future.result(), strict=True)
        step(job)
    return found


def _step(views: Sequence[TensorView], watch: Watch | None) -> Callable[[Sequence[int]], None]:
    """A function that takes the places of finished tensors and reports their bytes to `watch`."""
    total = sum(map(_nbytes, views))
    done = 0

    def step(places: Sequence[int]) -> None:
        nonlocal done
        done += sum(_nbytes(views[i]) for i in places)
        if watch is not None:
            watch(done, total)

    return step


def _lots(count: int, on_disk: bool) -> Iterator[range]:
    """Places of tensors whose sketches are held at a time: of all, or of `MOST_HELD`."""
    size = MOST_HELD if on_disk else count
    return (range(start, min(start + size, count)) for start in range(0, count, size))


def _jobs(views: Sequence[TensorView], lot: range, *, in_order: bool) -> list[list[int]]:
    """Places of tensors that are sketched together, most bytes first; one at a time if bytes must be read in order."""
    if in_order:
        return [[i] for i in lot]  # neighbours are fetched together
    jobs = [[lot[i] for i in job] for job in alike(views[lot.start : lot.stop])]
    return sorted(jobs, key=lambda job: -sum(_nbytes(views[i]) for i in job))


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
