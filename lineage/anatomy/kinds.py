"""The kind of a tensor of a network without attention layers: convolution, matrix, gates, norm, table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lineage.anatomy.names import RECURRENT, Named, Path
from lineage.checkpoints.decode.kernel_layout import LARGEST_KERNEL, is_kernel

_NORM = re.compile(r"(?:norm|^bn|_bn$|bn\d*$|^ln)", re.IGNORECASE)
_ACTIVATION = re.compile(r"prelu|^act\d*$", re.IGNORECASE)
_TRANSPOSED = re.compile(r"deconv|convtranspose|conv_transpose|upconv|up_conv|transposed", re.IGNORECASE)
_TABLE = re.compile(r"^(?:embeddings?|embed|emb|wte|lookup)$")
_MAYBE_TABLE = re.compile(r"embedding")
_HEAD = re.compile(r"^(?:head|heads|classifier|logits)$")
_GATES = {4: "lstm", 3: "gru"}


def kinds_of(tensors: Sequence[Named]) -> dict[str, str]:
    """The role of every tensor by name.

    One of conv, conv-transposed, linear, lstm, gru, rnn, norm, bias, activation, token-embedding, head, unknown.
    """
    norms = _norm_modules(tensors)
    gates = {
        (t.module, t.leaf.removeprefix("weight_hh")): _GATES.get(t.shape[0] // t.shape[1], "rnn")
        for t in tensors
        if t.leaf.startswith("weight_hh") and len(t.shape) == 2 and t.shape[1] > 0
    }
    kinds = {t.name: _kind(t, norms, gates) for t in tensors}
    return kinds | _doubtful_tables(tensors, kinds)


def _norm_modules(tensors: Sequence[Named]) -> frozenset[Path]:
    """Modules that normalise: named so, or with running moments, or with a gain of one dimension."""
    return frozenset(
        t.module
        for t in tensors
        if not _is_activation(t)
        and (
            t.leaf in ("running_mean", "running_var", "gamma")
            or (t.leaf == "weight" and len(t.shape) == 1)
            or (_NORM.search(t.last) and len(t.shape) == 1)
        )
    )


def _is_activation(tensor: Named) -> bool:
    return _ACTIVATION.search(tensor.last) is not None


def _kind(tensor: Named, norms: frozenset[Path], gates: Mapping[tuple[Path, str], str]) -> str:
    recurrent = RECURRENT.match(tensor.leaf)
    if recurrent:
        suffix = tensor.leaf.removeprefix(f"{recurrent[1]}_{recurrent[2]}")
        return "bias" if recurrent[1] == "bias" else gates.get((tensor.module, suffix), "rnn")
    if _is_activation(tensor):
        return "activation"
    if tensor.leaf == "weight_g" or (tensor.module in norms and len(tensor.shape) == 1):
        return "norm"
    if tensor.leaf == "bias" and len(tensor.shape) == 1:
        return "bias"
    nameless = tensor.leaf == "parameter" and (len(tensor.shape) == 2 or _is_small_kernel(tensor))
    is_weight = nameless or (tensor.leaf in ("weight", "weight_v", "kernel") and len(tensor.shape) > 1)
    return _kind_of_weight(tensor) if is_weight else "unknown"


def _is_small_kernel(tensor: Named) -> bool:
    return is_kernel(tensor.name, tensor.shape) and max(tensor.shape[2:]) <= LARGEST_KERNEL


def _kind_of_weight(tensor: Named) -> str:
    if len(tensor.shape) > 2:
        # A `kernel` that no reader could bring into torch's order leads with places, not channels.
        if tensor.leaf == "kernel" and not _is_small_kernel(tensor):
            return "unknown"
        return "conv-transposed" if _TRANSPOSED.search(".".join(tensor.module)) is not None else "conv"
    if _TABLE.match(tensor.last):
        return "token-embedding"
    return "head" if tensor.module and _HEAD.match(tensor.module[0]) else "linear"


def _doubtful_tables(tensors: Sequence[Named], kinds: Mapping[str, str]) -> dict[str, str]:
    """Matrices called some kind of embedding that are look-up tables.

    They are, unless others make as many units as they have rows and none makes as many as they have
    columns: then they map features onto units.
    """
    doubtful = [t for t in tensors if kinds[t.name] == "linear" and _MAYBE_TABLE.search(t.last.lower())]
    names = {t.name for t in doubtful}
    made = {t.shape[0] for t in tensors if kinds[t.name] in ("linear", "conv", "head") and t.name not in names}
    return {t.name: "token-embedding" for t in doubtful if t.shape[0] not in made or t.shape[1] in made}
