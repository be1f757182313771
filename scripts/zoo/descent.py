"""How the zoo's trainings go down: optimisers with the learning rate in AdamW's units, and schedules.

    adamw, adam (no decay of weights), lion, sgd (momentum 0.9), adafactor, muon (for matrices; AdamW for the rest)
    tenth (cosine to a tenth), zero (cosine to zero), linear (to zero), constant, wsd (constant, the last fifth to zero)

All have a warm-up of a twelfth of the steps and clip the gradients; gains and biases do not decay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

# How many times AdamW's learning rate moves the weights about as far.
_SCALES = {"adamw": 1.0, "adam": 1.0, "lion": 0.3, "sgd": 100.0, "adafactor": 10.0, "muon": 1.0}


class Descent:
    """An optimiser at its pace: `step` takes a loss."""

    def __init__(
        self,
        parameters: list[Tensor],
        lr: float,
        steps: int,
        *,
        decay: float = 0.1,
        optimizer: str = "adamw",
        schedule: str = "tenth",
    ) -> None:
        self._parameters = parameters
        self._optimizers = _optimizers(optimizer, parameters, decay / _SCALES[optimizer])
        self._lr, self._schedule, self._steps, self._step = lr * _SCALES[optimizer], schedule, steps, 0

    def step(self, loss: Tensor) -> None:
        """One step against the gradient of `loss`."""
        if not torch.isfinite(loss):
            raise FloatingPointError("the training diverged: lower its learning rate")
        for optimizer in self._optimizers:
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                group["lr"] = self._lr * pace(self._step, self._steps, self._schedule)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for optimizer in self._optimizers:
            optimizer.step()
        self._step += 1


def pace(step: int, steps: int, schedule: str) -> float:
    """The share of the full learning rate at `step`."""
    gone = step / steps
    ahead = {
        "tenth": 0.55 + 0.45 * float(np.cos(np.pi * gone)),
        "zero": 0.5 + 0.5 * float(np.cos(np.pi * gone)),
        "linear": 1 - gone,
        "constant": 1.0,
        "wsd": min(1.0, 5 * (1 - gone)),
    }
    return min((step + 1) / max(1, steps // 12), ahead[schedule])


def _optimizers(name: str, parameters: list[Tensor], decay: float) -> list[Any]:
    matrices = [p for p in parameters if p.ndim > 1]
    rest = [p for p in parameters if p.ndim < 2]
    if name == "muon":
        flat = [p for p in matrices if p.ndim == 2]
        muon = torch.optim.Muon(flat, lr=1e-3, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
        others = [p for p in parameters if p.ndim != 2]
        return [muon, _adamw([{"params": others, "weight_decay": 0.0}])] if others else [muon]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
    if name == "lion":
        return [_Lion(groups)]
    if name == "sgd":
        return [torch.optim.SGD(groups, lr=1e-3, momentum=0.9, nesterov=True)]
    if name == "adafactor":
        return [torch.optim.Adafactor(groups, lr=1e-3)]
    if name == "adam":
        return [torch.optim.Adam(parameters, lr=1e-3, betas=(0.9, 0.999))]
    return [_adamw(groups)]


def _adamw(groups: list[dict[str, Any]]) -> Any:
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), foreach=False, fused=True)


class _Lion:
    """The sign of an interpolated momentum (Chen et al. 2023), with torch's interface as far as it is used here."""

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        self.param_groups = groups
        self._momenta: dict[Tensor, Tensor] = {}

    def zero_grad(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                momentum = self._momenta.setdefault(parameter, torch.zeros_like(parameter.data))
                parameter.data.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.data.sub_(group["lr"] * torch.sign(0.9 * momentum + 0.1 * parameter.grad))
                momentum.lerp_(parameter.grad, 0.01)
