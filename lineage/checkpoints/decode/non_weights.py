"""Tensors in checkpoints that are not weights: optimizer state, counters, random-number state."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lineage.types import TensorView
from lineage.types.facts.exclusions import AdapterPart, Exclusion, NotAWeight

OPTIMIZER = NotAWeight("optimizer-state")
COUNTER = NotAWeight("training-counter")
METRIC = NotAWeight("training-metric")
AVERAGED = NotAWeight("moving-average")
RANDOM = NotAWeight("random-state")
UNMERGED = AdapterPart("unmerged-factor")

_CONTAINERS = re.compile(
    r"optim(izer)?s?|optim(izer)?s?_(states?(_dict)?|weights)|opt_state|(lr_)?schedulers?(_state(_dict)?)?|(grad_|amp_)?scaler"
)
_MOMENTS = frozenset(
    {
        "exp_avg", "exp_avg_sq", "exp_avg_sq_row", "exp_avg_sq_col", "exp_inf", "max_exp_avg_sq", "momentum_buffer",
        "square_avg", "grad_avg", "acc_delta", "max_exp_avg", "fp32_from_fp16_groups", "adam_m", "adam_v",
    }
)  # fmt: skip
_STEP = re.compile(r"(^|\.)state\.\d+\.(step|sum|prev|step_size|state[12]|absmax[12]|qmap[12])$")
_RANDOM = re.compile(r"(^|\.)(\w+_)?rng(_\w+)?(\.|$)|(^|\.)(random_states?|seed_generator(_\d+)?)(\.|$)")
# TensorFlow names what an optimizer keeps after the optimizer, in front or as a slot behind the variable; Keras 3 in
# small letters, which may also be the name of a model, so that the end has to agree.
_OPTIMIZERS = (
    r"(?:Adam(?:W|ax|WeightDecay)?|Nadam|Ada(?:grad|delta|factor)|SGD|RMSprop|Ftrl|Lion|LAMB|Momentum)(?:_\d+)?"
)
_KEPT = r"iterations?|learning_rate|.+_(?:momentum|velocity|norm|accumulator|linear|average_gradient|accumulated_\w+)"
_TENSORFLOW = re.compile(rf"(?:training/)?{_OPTIMIZERS}/.+|.+/(?:{_OPTIMIZERS}|RMSProp|adam_[mv])(?:_\d+)?")
_KERAS = re.compile(rf"(?:.+/)?{_OPTIMIZERS}/(?:{_KEPT})", re.IGNORECASE)
_COUNTERS = frozenset({"global_step", "save_counter", "beta1_power", "beta2_power"})


def why_left_out(name: str) -> Exclusion | None:
    """Say why the tensor of that dotted name is not a weight, or None if it may be one."""
    if "/" in name or name in _COUNTERS:
        return _why_left_out_of_tensorflow(name)
    parts = name.split(".")
    if parts[-1] == "num_batches_tracked":
        return COUNTER
    if parts[-1] in _MOMENTS or _STEP.search(name) or any(_CONTAINERS.fullmatch(part) for part in parts[:-1][:3]):
        return OPTIMIZER
    return RANDOM if _RANDOM.search(name) else None


def _why_left_out_of_tensorflow(path: str) -> Exclusion | None:
    parts = re.split(r"[/.]", path)
    if parts[-1] in _COUNTERS:
        return COUNTER
    if (
        _TENSORFLOW.fullmatch(path)
        or _KERAS.fullmatch(path)
        or any(_CONTAINERS.fullmatch(part) for part in parts[:-1][:3])
    ):
        return OPTIMIZER
    if "metrics" in parts[:-1]:
        return METRIC
    return RANDOM if _RANDOM.search(path.replace("/", ".")) else None


def set_aside(views: Iterable[TensorView]) -> tuple[tuple[TensorView, ...], tuple[tuple[str, Exclusion], ...]]:
    """Separate weights from the rest; the rest as (name, reason)."""
    kept: list[TensorView] = []
    left_out: list[tuple[str, Exclusion]] = []
    for view in views:
        reason = why_left_out(view.name)
        if reason is None:
            kept.append(view)
        else:
            left_out.append((view.name, reason))
    return tuple(kept), tuple(left_out)
