"""Training of the zoo's models: one loop, whole or through low-rank adapters, by likelihood or by preference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from operators import Arrays
from torch import Tensor

from zoo.data import caption_batches, image_batches, text_batches
from zoo.descent import Descent
from zoo.losses import LOSSES, token_logprobs
from zoo.model import Model

_BUFFERS = re.compile(r"running_(mean|var)$")
_ADAPTED = re.compile(r"_proj\.weight$|c_(attn|fc|proj)\.weight$|(query|key|value|dense)\.weight$|\.fc[12]\.weight$")


@dataclass(frozen=True, slots=True)
class Course:
    """How a model is trained: on what, how long, how fast, which tensors.

    `only` is a pattern of trained tensors; `rank` > 0 trains adapters of that rank and merges them;
    `masked` keeps zeros of the matrices zero; `prefer` trains by preference (DPO) of the text over its shuffled words.
    `stop` ends the run early, on its way through `steps`; `ema` > 0 gives the running mean of the weights instead of
    the last ones; `rounded` keeps the weights in bfloat16 throughout; `until` > 0 ends the run once the median
    cosine of the matrices to their first values is no larger. `optimizer` and `schedule`: see descent.py.
    """

    data: str
    steps: int
    lr: float
    decay: float = 0.1
    seed: int = 0
    only: str = ""
    rank: int = 0
    masked: bool = False
    prefer: bool = False
    stop: int = 0
    ema: float = 0.0
    rounded: bool = False
    until: float = 0.0
    optimizer: str = "adamw"
    schedule: str = "tenth"


def train(model: Model, course: Course, folder: Path) -> Model:
    """Return `model` after `course`; the same numbers on the same machine. Texts are kept in `folder`."""
    torch.manual_seed(course.seed)
    start = {n: torch.tensor(a) for n, a in model.arrays.items()}
    weights = {n: t.clone() for n, t in start.items()}
    trained = _adapters(weights, course) if course.rank else _chosen(weights, course)
    loss = _preference(model, start) if course.prefer else _likelihood(model)
    zeros = {n: start[n] != 0 for n in trained if start[n].ndim > 1} if course.masked else {}
    descent = _descent(list(trained.values()), course)
    mean = {n: t.detach().clone() for n, t in trained.items()} if course.ema else {}
    for _, batch in zip(range(course.stop or course.steps), _batches(model, course, folder), strict=False):
        descent.step(loss(_merged(weights, trained, course.rank), batch))
        for name, kept in zeros.items():
            trained[name].data.mul_(kept)
        for tensor in trained.values() if course.rounded else ():
            tensor.data.copy_(tensor.data.bfloat16())
        for name, tensor in mean.items():
            tensor.lerp_(trained[name].detach(), 1 - course.ema)
        if course.until and _median_cosine(trained, start) <= course.until:
            break
    for name, tensor in mean.items():
        trained[name].data.copy_(tensor)
    final = _merged(weights, trained, course.rank)
    arrays: Arrays = {n: final[n].detach().numpy().astype(np.float32) for n in model.arrays}
    return model.changed(arrays)


def _median_cosine(trained: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> float:
    pairs = [(t.detach().flatten(), start[n].flatten()) for n, t in trained.items() if t.ndim > 1]
    return float(torch.stack([F.cosine_similarity(a, b, dim=0) for a, b in pairs]).median())


def _descent(parameters: list[Tensor], course: Course) -> Descent:
    ways = {"optimizer": course.optimizer, "schedule": course.schedule}
    return Descent(parameters, course.lr, course.steps, decay=course.decay, **ways)


def _chosen(weights: dict[str, Tensor], course: Course) -> dict[str, Tensor]:
    chosen = [n for n in weights if re.search(course.only, n) and not _BUFFERS.search(n)]
    return {n: weights[n].requires_grad_() for n in chosen}


def _adapters(weights: dict[str, Tensor], course: Course) -> dict[str, Tensor]:
    """A normal (rank, in) and a zero (out, rank) factor for every matrix inside the layers."""
    pairs: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if tensor.ndim == 2 and _ADAPTED.search(name) and re.search(course.only, name):
            out, into = tensor.shape
            pairs[f"{name}/a"] = (torch.randn(course.rank, into) / into**0.5).requires_grad_()
            pairs[f"{name}/b"] = torch.zeros(out, course.rank).requires_grad_()
    return pairs


def _merged(weights: dict[str, Tensor], trained: dict[str, Tensor], rank: int) -> dict[str, Tensor]:
    if not rank:
        return weights
    names = (n.removesuffix("/a") for n in trained if n.endswith("/a"))
    return weights | {n: weights[n] + 2 * trained[f"{n}/b"] @ trained[f"{n}/a"] for n in names}


# -- losses and batches ------------------------------------------------------------------------

_Loss = Callable[[dict[str, Tensor], tuple[Tensor, ...]], Tensor]


def _likelihood(model: Model) -> _Loss:
    return lambda weights, batch: LOSSES[model.kind](weights, model.config, *batch)


def _preference(model: Model, reference: dict[str, Tensor]) -> _Loss:
    """Direct preference optimisation (Rafailov et al. 2023) against the starting weights, beta 0.1."""

    def loss(weights: dict[str, Tensor], batch: tuple[Tensor, ...]) -> Tensor:
        chosen = batch[0]
        words = 1 + torch.randperm(chosen.shape[1] - 1)
        both = torch.cat([chosen, torch.cat([chosen[:, :1], chosen[:, words]], dim=1)])
        with torch.no_grad():
            before = token_logprobs(reference, model.config, both).sum(-1)
        gain = token_logprobs(weights, model.config, both).sum(-1) - before
        good, bad = gain.chunk(2)
        return -F.logsigmoid(0.1 * (good - bad)).mean()

    return loss


def _batches(model: Model, course: Course, folder: Path) -> Iterator[tuple[Tensor, ...]]:
    # The order of the data follows from the course's seed alone: two roots on the same data see the same batches.
    if model.kind == "llava":
        images, _, corpus = course.data.rpartition("-")
        found: Iterator[Any] = caption_batches(images, corpus, model.vocabulary, folder, seed=course.seed)
    elif model.kind in ("vit", "cnn"):
        found = image_batches(course.data, course.seed)
    else:
        found = ((rows,) for rows in text_batches(course.data, model.vocabulary, folder, seed=course.seed))
    return (tuple(torch.from_numpy(a) for a in batch) for batch in found)
