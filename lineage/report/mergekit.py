"""A merge as a configuration of MergeKit (github.com/arcee-ai/mergekit), to repeat it; what is not known is noted.

Parameters mean what they do there: `density` is the share of the differences to `base_model` that are kept, DARE scales
those up by 1/density, TIES weighs each value by the models that gave it (`normalize`), and a list of numbers is spread
over the layers from the first to the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lineage.report.bom.packages import hub_reference
from lineage.report.figures import percent, yaml_text
from lineage.types import CheckpointSketch, Merge, MergePart

_METHODS: Mapping[str, str] = {
    "linear": "linear",
    "slerp": "slerp",
    "task arithmetic": "task_arithmetic",
    "TIES": "ties",
    "DARE": "dare_linear",
    "DARE-TIES": "dare_ties",
    "passthrough": "passthrough",
}
_ON_A_BASE = ("task_arithmetic", "ties", "dare_linear", "dare_ties")
_TYPES = ("float32", "float16", "bfloat16")
_AS_IS = 0.01  # how far a sum of weights may lie off 1 before it is a factor of its own


def configuration(sketch: CheckpointSketch, found: Merge) -> bytes:
    """YAML 1.2 of a merge, for `mergekit-yaml`; names are quoted, so that each is read as a name and nothing else."""
    return "".join(f"{line}\n" for line in _lines(sketch, found)).encode("utf-8")


def _lines(sketch: CheckpointSketch, found: Merge) -> Iterator[str]:
    method = _method(found)
    yield f"# {yaml_text(sketch.name)}, as far as its weights tell: {found.method}"
    yield f"# {percent(found.residual)} of the movement is left unexplained"
    for _, other in found.alternatives:
        yield f"# {yaml_text(other)} would explain it as well as a parent named below"
    for part in found.parts:
        if part.weights_seen is False:
            yield f"# weights of {yaml_text(part.model_name)} were not seen: its sketch was handed over"
    yield f"merge_method: {method}"
    others = [part for part in found.parts if part.model != found.base] if method in _ON_A_BASE else found.parts
    if method in _ON_A_BASE or method == "slerp":
        (first,) = [part for part in found.parts if part not in others] or found.parts[:1]
        yield from _named("base_model", first)
    if method == "passthrough":
        yield from _slices(found.parts)
    else:
        yield "models:"
        for part in others:
            yield from _named("- model", part)
            yield from _own_parameters(part, found, method)
    yield from _parameters(found, others, method)
    yield from _type(sketch)
    yield from _unknown(found, method)


def _method(found: Merge) -> str:
    """MergeKit's method; a merge that its method of that name cannot express is written as a sum, which is equal."""
    method = _METHODS[found.method]
    if (method in _ON_A_BASE and found.base is None) or (method == "slerp" and len(found.parts) != 2):
        return "linear"
    return method


def _named(key: str, part: MergePart) -> Iterator[str]:
    """A model: its repository on the hub, else its name as a path, in which `+` and `@` have no meaning."""
    at_hub = hub_reference(part.address)
    if at_hub is not None and "+" not in at_hub:
        yield f"{key}: {yaml_text(at_hub)}"
        return
    note = "  # not known to be at the hub: put its path here"
    if not {"+", "@"} & set(part.model_name):
        yield f"{key}: {yaml_text(part.model_name)}{note}"
        return
    yield f"{key}:{note}"
    indent = " " * (len(key) - len(key.lstrip("- ")) + 2)
    yield f"{indent}model:"
    yield f"{indent}  path: {yaml_text(part.model_name)}"


def _own_parameters(part: MergePart, found: Merge, method: str) -> Iterator[str]:
    if method == "slerp":
        return
    yield "  parameters:"
    yield f"    weight: {_spread(part)}"
    if found.density is not None:
        yield f"    density: {found.density:.3g}"


def _parameters(found: Merge, others: Sequence[MergePart], method: str) -> Iterator[str]:
    """What holds for all models."""
    if method == "slerp":
        yield "parameters:"
        yield f"  t: {_spread(found.parts[1])}"
    if found.is_mean is None or method not in _ON_A_BASE:
        return
    yield "parameters:"
    yield f"  normalize: {str(found.is_mean).lower()}"
    factor = sum(part.weight for part in others)
    if found.is_mean and abs(factor - 1.0) > _AS_IS:
        yield f"  lambda: {factor:.4g}"


def _spread(part: MergePart) -> str:
    """A weight; where layers differ, a list with one a layer."""
    if _is_by_layer(part):
        return f"[{', '.join(f'{weight:.4g}' for _, weight in part.by_layer)}]"
    return f"{part.weight:.4g}"


def _is_by_layer(part: MergePart) -> bool:
    """Whether it has a weight for each layer from the first on."""
    layers = [layer for layer, _ in part.by_layer]
    return len(layers) > 1 and layers == list(range(len(layers)))


def _slices(parts: Sequence[MergePart]) -> Iterator[str]:
    """Layers that follow each other in one model as one slice, in the order in which the merge has them."""
    given = sorted((layer, theirs, k) for k, part in enumerate(parts) for layer, theirs in part.layer_map)
    runs: list[tuple[int, int, int]] = []
    for _, theirs, k in given:
        if runs and runs[-1][0] == k and runs[-1][2] == theirs:
            runs[-1] = (k, runs[-1][1], theirs + 1)
        else:
            runs.append((k, theirs, theirs + 1))
    yield "slices:"
    for k, first, end in runs:
        yield "- sources:"
        yield from (f"  {line}" for line in _named("- model", parts[k]))
        yield f"    layer_range: [{first}, {end}]"


def _type(sketch: CheckpointSketch) -> Iterator[str]:
    types = {tensor.dtype for tensor in sketch.tensors if tensor.part.excluded is None}
    if len(types) == 1 and types <= {*_TYPES}:
        yield f"dtype: {types.pop()}"
    else:
        yield f"# dtype is left out: the file holds {', '.join(sorted(types))}"


def _unknown(found: Merge, method: str) -> Iterator[str]:
    """What the weights do not show."""
    if found.method == "slerp":
        yield "# weights by layer: whether each step was spherical or linear is not known, which gives nearly the same"
    if method == "linear" and found.method == "task arithmetic":
        yield "# differences to one of these models were added; to which is not known, so the sum is given"
    if method in ("ties", "dare_linear", "dare_ties") and found.density is None:
        yield "# density is left out: how much of the differences was kept is not known"
    if any(part.by_layer and not _is_by_layer(part) for part in found.parts) and method != "passthrough":
        yield "# weights differ by layer, which could not be put in order: the mean is given"
    if method == "passthrough" or any(_is_by_layer(part) for part in found.parts):
        yield "# embeddings, last norm and head are MergeKit's choice: those of the first and of the last layers"
    if method in ("dare_linear", "dare_ties"):
        yield "# which differences were dropped was drawn at random: another draw gives other values"
    yield "# weights do not tell the tokenizer (tokenizer_source)"
