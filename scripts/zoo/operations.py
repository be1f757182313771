"""Each operator of the recipes as a function of the parents' models: the one place where names meet code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import disguises
import operators
from operators import Arrays

from zoo import merges, naming, surgery
from zoo.architectures import PRACTICE, drawn, initialised
from zoo.model import Model
from zoo.recipes import Recipe

_SCHEMES: dict[str, Callable[[Any], Any]] = {
    "int8": operators.int8_rows,
    "int8-tensor": operators.int8_tensor,
    "int4": operators.int4_groups,
    "nf4": operators.nf4_groups,
    "q4_k": operators.q4_k,
    "half": operators.magnitude_pruned,
    "2:4": operators.pruned_2_4,
}
_TRAINED = frozenset({"pretrained", "sft", "continued", "dpo", "lora", "healed"})


def apply(recipe: Recipe, parents: Sequence[Model], folder: Path) -> Model:
    """Make the model of `recipe`, in its `stored` dtype where it names one. Texts and token ids stay in `folder`."""
    stored = recipe.args.get("stored")
    if stored is None:
        return _made(recipe, parents, folder)
    bare = replace(recipe, args={k: v for k, v in recipe.args.items() if k != "stored"})
    made = _made(bare, parents, folder)
    return made.changed(operators.cast(stored)(made.arrays), torch_dtype=stored)


def _made(recipe: Recipe, parents: Sequence[Model], folder: Path) -> Model:
    if recipe.operator == "root":
        return _root(recipe, folder)
    if recipe.operator == "qlora":
        return _taught(recipe, parents, folder)
    if recipe.operator == "init":
        return initialised(recipe.args["kind"], recipe.args["seed"])
    if recipe.operator in _TRAINED:
        return _trained(recipe, parents[0], folder)
    if recipe.operator == "rebuilt":
        return surgery.vocabulary_rebuilt(parents[0], folder=folder, **recipe.args)
    return _OPERATIONS[recipe.operator](parents, recipe.args)


def _trained(recipe: Recipe, parent: Model, folder: Path) -> Model:
    from zoo.training import Course, train

    return train(parent, Course(**{**recipe.args, "prefer": recipe.operator == "dpo"}), folder)


def _root(recipe: Recipe, folder: Path) -> Model:
    """A root of the second zoo: its step 0 is drawn and not kept."""
    args = dict(recipe.args)
    config = {**config_of(str(args.pop("kind"))), **args.pop("config", {})}
    start = drawn(config, args.pop("init"), args.pop("scheme", "normal"), args.pop("words", "prose+code"))
    return _trained(replace(recipe, args=args), start, folder)


def config_of(kind: str) -> dict[str, Any]:
    """The second zoo's config of `kind`; `llava.text` is its language model's."""
    whole, _, part = kind.partition(".")
    return dict(PRACTICE[whole][f"{part}_config"] if part else PRACTICE[whole])


def _taught(recipe: Recipe, parents: Sequence[Model], folder: Path) -> Model:
    """QLoRA: adapters trained on the last parent, which is quantised, and merged into the first."""
    taught = _trained(recipe, parents[-1], folder).arrays
    if len(parents) == 1:
        return parents[0].changed(taught)
    whole, blurred = parents[0].arrays, parents[1].arrays
    return parents[0].changed({n: a + (taught[n] - blurred[n]) for n, a in whole.items()})


def _changed(parents: Sequence[Model], args: Mapping[str, Any]) -> Model:
    """Quantised or pruned: every matrix, the token tables too, as one scheme does it; what `spare` matches stays."""
    arrays = operators.matrices(_SCHEMES[args["scheme"]])(parents[0].arrays)
    if "spare" in args:
        arrays = {n: parents[0].arrays[n] if re.search(args["spare"], n) else a for n, a in arrays.items()}
    return parents[0].changed(operators.cast(args["dtype"])(arrays) if "dtype" in args else arrays)


def _cast(parents: Sequence[Model], args: Mapping[str, Any]) -> Model:
    return parents[0].changed(operators.cast(args["dtype"])(parents[0].arrays), torch_dtype=args["dtype"])


def _disguised(parents: Sequence[Model], args: Mapping[str, Any]) -> Model:
    """Another form of the same function; `all` is what leaves that of the architecture as it was."""
    kind, how, seed = parents[0].kind, args["how"], args["seed"]
    arrays = parents[0].arrays
    if how in ("rescaled", "all") and kind in disguises.GATED:
        arrays = disguises.rescaled(arrays, seed)
    if how in ("rotated", "all") and kind not in disguises.UNROTATED:
        arrays = disguises.rotated(arrays, seed)
    return parents[0].changed(arrays if how == "rotated" else disguises.permuted(arrays, seed))


def _slerp(parents: Sequence[Model], args: Mapping[str, Any]) -> Model:
    kind, config = parents[0].kind, parents[0].config
    layers, ends = config[surgery.layer_key(kind)], (args["ends"][0], args["ends"][1])
    a, b = (p.arrays for p in parents)
    return parents[0].changed(merges.slerp(a, b, lambda n: merges.layer_share(n, surgery.LAYER[kind], layers, ends)))


def _merge(rule: Callable[..., Arrays]) -> Callable[[Sequence[Model], Mapping[str, Any]], Model]:
    """A merge whose first parent is the base."""
    return lambda parents, args: parents[0].changed(rule(parents[0].arrays, [p.arrays for p in parents[1:]], **args))


def _graft(parents: Sequence[Model], args: Mapping[str, Any]) -> Model:
    return surgery.grafted(initialised(args["kind"], args["host"]), parents[0], args["pattern"])


_OPERATIONS: dict[str, Callable[[Sequence[Model], Mapping[str, Any]], Model]] = {
    "copied": lambda parents, _: parents[0],
    "renamed": lambda parents, _: parents[0].changed(naming.other_names(parents[0])),
    "transposed": lambda parents, _: parents[0].changed(operators.transposed(parents[0].arrays)),
    "noised": lambda parents, args: parents[0].changed(operators.matrices(operators.noise(**args))(parents[0].arrays)),
    "averaged": lambda parents, _: parents[0].changed(
        merges.linear([p.arrays for p in parents], [1 / len(parents)] * len(parents))
    ),
    "cast": _cast,
    "disguised": _disguised,
    "quantized": _changed,
    "pruned": _changed,
    "width": lambda parents, args: surgery.units_pruned(parents[0], **args),
    "heads": lambda parents, args: surgery.heads_pruned(parents[0], **args),
    "layers": lambda parents, args: surgery.restacked(parents, [(0, n) for n in args["order"]]),
    "extended": lambda parents, args: surgery.vocabulary_extended(parents[0], **args),
    "reordered": lambda parents, args: surgery.vocabulary_reordered(parents[0], **args),
    "fresh": lambda parents, args: surgery.embeddings_fresh(parents[0], **args),
    "upcycled": lambda parents, args: surgery.experts_upcycled(parents[0], **args),
    "mixed": lambda parents, args: surgery.experts_mixed(parents, **args),
    "ablated": lambda parents, args: surgery.direction_ablated(parents[0], **args),
    "graft": _graft,
    "grafted": lambda parents, args: surgery.grafted(parents[0], parents[1], **args),
    "joined": lambda parents, _: surgery.joined(parents[0], parents[1]),
    "decoder": lambda parents, _: surgery.decoder_alone(parents[0]),
    "linear": lambda parents, args: parents[0].changed(merges.linear([p.arrays for p in parents], **args)),
    "slerp": _slerp,
    "task": _merge(merges.task_arithmetic),
    "ties": _merge(merges.ties),
    "dare": _merge(merges.dare),
    "dare-ties": _merge(merges.dare_ties),
    "passthrough": lambda parents, args: surgery.restacked(parents, [(p, n) for p, n in args["order"]]),
}
