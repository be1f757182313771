"""What lies between towers, or in front of one: projectors and audio front-end convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from lineage.anatomy.axes import Axes, stream_axis
from lineage.anatomy.names import Named
from lineage.anatomy.roles import is_projector
from lineage.anatomy.towers import Tower
from lineage.types import Axis


def is_bridge(tensor: Named, tower: Tower) -> bool:
    """True for a projector that is not a tower itself."""
    return is_projector(tensor) and not tower.component.startswith("projector")


def joined(tensor: Named, kind: str, axes: Axes, tower: Tower, towers: Sequence[Tower]) -> Axes:
    """The axes of a projector, with ends that no chain settled joined to the streams on either side.

    An end is joined only if its length is the stream's and the matrix is not square: a square one
    fits both ways. Projections into a joint space (CLIP) end in outputs, not in a stream.
    """
    made, read = axes
    if kind == "conv" and tower.component == "audio encoder" and tensor.last == "conv2":
        return _join(made, tensor.shape[0], tower), read
    if kind != "linear" or not is_projector(tensor) or tensor.shape[0] == tensor.shape[1]:
        return axes
    senses = [t for t in towers if t.component.startswith(("vision", "audio"))]
    texts = [t for t in towers if t.component.startswith("text")]
    into_joint_space = tensor.last.endswith("_projection")
    if into_joint_space:
        sources = texts if tensor.last.startswith("text") else senses
        return made, _join(read, tensor.shape[1], *sources[:1])
    return _join(made, tensor.shape[0], *texts[:1]), _join(read, tensor.shape[1], *senses[:1])


def _join(axis: Axis, length: int, *towers: Tower) -> Axis:
    fitting = next((tower for tower in towers if tower.width == length), None)
    is_open = axis.label.startswith("length:")
    return stream_axis(fitting, length) if fitting is not None and is_open else axis
