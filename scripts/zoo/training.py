"""Training of the zoo's models: one AdamW loop, whole or through low-rank adapters, by likelihood or by preference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from operators import Arrays
from torch import Tensor

from zoo.data import caption_batches, image_batches, text_batches
from zoo.losses import LOSSES, token_logprobs
from zoo.model import Model

_BUFFERS = re.compile(r"running_(mean|var)$")
_ADAPTED = re.compile(r"_proj\.weight$|c_(attn|fc|proj)\.weight$|(query|key|value|dense)\.weight$|\.fc[12]\.weight$")


@dataclass(frozen=True, slots=True)
class Course:
    """How a model is trained: on what, how long, how fast, which tensors.

    `only` is a pattern of trained tensors; `rank` > 0 trains adapters of that rank and merges them;
    `masked` keeps zeros of the matrices zero; `prefer` trains by preference (DPO) of the text over its shuffled words.
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


def train(model: Model, course: Course, folder: Path) -> Model:
    """Return `model` after `course`; the same numbers on the same machine. Texts are kept in `folder`."""
    torch.manual_seed(course.seed)
    start = {n: torch.tensor(a) for n, a in model.arrays.items()}
    weights = {n: t.clone() for n, t in start.items()}
    trained = _adapters(weights, course) if course.rank else _chosen(weights, course)
    loss = _preference(model, start) if course.prefer else _likelihood(model)
    zeros = {n: start[n] != 0 for n in trained if start[n].ndim > 1} if course.masked else {}
    descent = _Descent(list(trained.values()), course)
    for _, batch in zip(range(course.steps), _batches(model, course, folder), strict=False):
        descent.step(loss(_merged(weights, trained, course.rank), batch))
        for name, kept in zeros.items():
            trained[name].data.mul_(kept)
    final = _merged(weights, trained, course.rank)
    arrays: Arrays = {n: final[n].detach().numpy().astype(np.float32) for n in model.arrays}
    return model.changed(arrays)


class _Descent:
    """AdamW with a short warm-up, a cosine to a tenth, and clipped gradients; gains and biases do not decay."""

    def __init__(self, parameters: list[Tensor], course: Course) -> None:
        self._parameters = parameters
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": course.decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=course.lr, betas=(0.9, 0.95), foreach=False, fused=True)
        warm = max(1, course.steps // 12)

        def pace(step: int) -> float:
            return min((step + 1) / warm, 0.55 + 0.45 * float(np.cos(np.pi * step / course.steps)))

        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, pace)

    def step(self, loss: Tensor) -> None:
        if not torch.isfinite(loss):
            raise FloatingPointError("the training diverged: lower its learning rate")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimizer.step()
        self._schedule.step()


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
