"""One family as it was found, above the truth."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from benchmark.truth import Truth
from lineage.report import graphs
from lineage.types import Edge, Lineage, Relation

_LARGEST = 25  # models; more cannot be read in a page
_CAPTION = 90  # pixels


def draw(found: Lineage, truth: Truth, target: Path) -> None:
    """Write the picture of the largest family of at most 25 models to a PNG."""
    sizes = Counter(truth.families.values())
    fitting = [family for family, size in sizes.items() if size <= _LARGEST] or list(sizes)
    chosen = max(fitting, key=lambda family: (sizes[family], -family))
    inside = {node for node, family in truth.families.items() if family == chosen}
    nodes = tuple(node for node in found.nodes if node.id in inside)
    edges = tuple(edge for edge in found.edges if edge.parent in inside and edge.child in inside)
    true = tuple(
        Edge(parent, child, Relation(edge["relation"]), directed=True, source="measured", weight=edge["weight"])
        for (parent, child), edge in truth.edges.items()
        if parent in inside and child in inside
    )
    _stack({"Found, from the weights alone": Lineage(nodes, edges), "True": Lineage(nodes, true)}, target)


def _stack(lineages: Mapping[str, Lineage], target: Path) -> None:
    """One picture under the other, each below its caption, pixel by pixel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    images = [imread(io.BytesIO(graphs.render(lineage, "one.png"))) for lineage in lineages.values()]
    width = max(image.shape[1] for image in images)
    height = sum(image.shape[0] + _CAPTION for image in images)
    dpi = 100
    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi, facecolor="white")
    top = height
    for caption, image in zip(lineages, images, strict=True):
        figure.text(56 / width, (top - _CAPTION / 2) / height, caption, va="center", fontsize=24)
        top -= _CAPTION + image.shape[0]
        figure.figimage(image, xo=0, yo=top, origin="upper")
    FigureCanvasAgg(figure).print_figure(target, dpi=dpi, metadata={"Software": None}, facecolor="white")
